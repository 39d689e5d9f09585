"""Keys that come in one packet, as they do over a slow line: each goes to the screen for which it was typed."""

from __future__ import annotations

from typing import Any

import pytest
from textual import events
from textual.widgets import Input

from screens.app_view import AppScreen
from screens.apps import AppsScreen
from screens.confirm import ConfirmScreen
from screens.help import HelpScreen
from screens.history import HistoryScreen
from screens.prompt import PromptScreen, QuitScreen
from tests.screens.console import Console, console
from tests.screens.fake_fleet import small_fleet


def type_at_once(found: Console, *keys: tuple[str, str | None]) -> None:
    for key, character in keys:
        found.app.post_message(events.Key(key, character))


def letters(text: str) -> list[tuple[str, str | None]]:
    return [({"/": "slash", ":": "colon"}.get(letter, letter), letter) for letter in text]


def prompted(found: Console) -> str:
    """What the prompt holds; a prompt that is only just being shown has no input yet."""
    inputs = found.screen.query(Input) if isinstance(found.screen, PromptScreen) else ()
    return "".join(each.value for each in inputs)


@pytest.mark.parametrize("sign", ["/", ":"])
async def test_a_prompt_gets_what_was_typed_before_it_was_there(sign: str) -> None:
    async with console(small_fleet()) as found:
        type_at_once(found, *letters(f"{sign}SqRB"))
        await found.until(
            lambda: prompted(found) == "SqRB",
            "the prompt holds every letter, in order",
        )


@pytest.mark.parametrize("late", range(1, 8))
async def test_what_is_typed_once_the_prompt_is_there_stays_behind_what_was_typed_before(late: int) -> None:
    """The keys of a packet are on their way back from the table when the next packet comes."""
    async with console(small_fleet()) as found:
        push_screen = found.app.push_screen
        second = letters("clusters")[late:]

        def pushed(*args: Any, **kwargs: Any) -> Any:
            awaiting = push_screen(*args, **kwargs)
            type_at_once(found, *second)
            second.clear()
            return awaiting

        found.app.push_screen = pushed  # type: ignore[method-assign]
        type_at_once(found, *letters(":"), *letters("clusters")[:late])
        await found.until(
            lambda: prompted(found) == "clusters",
            "the prompt holds every letter, in order",
        )


async def test_a_key_behind_a_screen_that_has_gone_is_not_lost() -> None:
    async with console(small_fleet()) as found:
        await found.press("question_mark")
        await found.until(lambda: isinstance(found.screen, HelpScreen), "help")
        await found.press("escape")
        await found.until(lambda: isinstance(found.screen, AppsScreen), "back")
        type_at_once(found, *letters("q"))
        await found.until(lambda: isinstance(found.screen, QuitScreen), "the question")


async def test_nothing_is_confirmed_that_was_not_on_the_screen_yet() -> None:
    fleet = small_fleet()
    async with console(fleet) as found:
        type_at_once(found, *letters("S"), ("enter", "\r"), ("enter", "\r"))
        await found.until(lambda: isinstance(found.screen, ConfirmScreen), "the dialog is there")
        await found.still()
        assert isinstance(found.screen, ConfirmScreen)


async def test_a_prompt_that_is_answered_twice_is_answered_once() -> None:
    async with console(small_fleet()) as found:
        await found.press("slash")
        type_at_once(found, *letters("pay"), ("enter", "\r"), ("enter", "\r"))
        await found.shows("/ filter")
        await found.still()
        assert found.app.is_running
        assert isinstance(found.screen, AppsScreen | AppScreen)


async def test_a_held_q_asks_and_does_not_quit() -> None:
    async with console(small_fleet()) as found:
        type_at_once(found, *letters("qqq"))
        await found.until(lambda: isinstance(found.screen, QuitScreen), "the question is there")
        await found.still()
        assert found.app.is_running
        assert isinstance(found.screen, QuitScreen)


async def test_what_is_typed_behind_enter_is_meant_for_what_enter_opens() -> None:
    async with console(small_fleet()) as found:
        type_at_once(found, ("enter", "\r"), *letters("h"))
        await found.until(lambda: isinstance(found.screen, HistoryScreen), "the history is there")
        assert [type(screen) for screen in found.app.screen_stack[-3:]] == [AppsScreen, AppScreen, HistoryScreen]


async def test_keys_that_edit_are_not_overtaken_by_letters() -> None:
    async with console(small_fleet()) as found:
        await found.press("slash", *"old")
        await found.until(lambda: prompted(found) == "old", "the prompt holds what was typed")
        type_at_once(found, ("ctrl+u", "\x15"), *letters("neu"), ("backspace", "\x7f"), *letters("w"))
        await found.until(lambda: prompted(found) == "new", "each key took effect in its turn")
