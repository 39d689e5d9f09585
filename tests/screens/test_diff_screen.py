"""The diff: what is folded, what a sync would do, and who is to blame."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from msgspec.structs import replace

from fleetui.fleet.views import AppDiff
from fleetui.model.change import Blame, Change, ChangeKind, ObjectDiff
from fleetui.model.errors import GitError
from screens.diff import DiffScreen
from screens.diff_lines import Shape, diff_lines, differences
from screens.glyphs import UNICODE
from tests.screens.console import Console, console
from tests.screens.fake_fleet import (
    COMMIT,
    COMMITS,
    NOW,
    SHA,
    FakeFleet,
    key,
    ref,
    settings_diff,
    small_fleet,
    with_commits,
)

PAYMENTS = key("payments-service")
SHAPE = Shape(width=80, glyphs=UNICODE, now=NOW)


def lines(*objects: ObjectDiff, **shape: Any) -> list[str]:
    diff = AppDiff(key=PAYMENTS, revision=SHA, commit=COMMIT, objects=objects)
    found = diff_lines(diff, "prod-eu-1", SHAPE._replace(**shape))
    return ["".join(span.text for span in line.spans).rstrip() for line in found]


def config(live: dict[str, str] | None, desired: dict[str, str] | None, *changes: Change) -> ObjectDiff:
    def made(data: dict[str, str] | None) -> dict[str, Any] | None:
        return None if data is None else {"apiVersion": "v1", "data": data, "kind": "ConfigMap"}

    return ObjectDiff(ref=ref("ConfigMap", "settings"), live=made(live), desired=made(desired), changes=changes)


def changed(field: str, before: str, after: str) -> Change:
    return Change(path=("data", field), kind=ChangeKind.CHANGE, before=before, after=after)


def test_how_it_was_compared_comes_first_and_what_was_left_out_is_not_equal() -> None:
    note = "Secret shop/token is not compared, because you may not read it: " + "words " * 20
    diff = AppDiff(key=PAYMENTS, revision=SHA, commit=COMMIT, objects=(), notes=(note,))
    found = ["".join(span.text for span in line.spans) for line in diff_lines(diff, "prod-eu-1", SHAPE)]
    assert found[0] == " Secret shop/token is not compared, because you may not read it: words words"
    assert len(found) == 3
    assert found[-1].endswith("words")


def test_equal_fields_are_folded_but_what_holds_or_stands_beside_a_difference_stays() -> None:
    data = dict.fromkeys("abcdefgh", "1")
    found = lines(config(data, {**data, "e": "2"}, changed("e", "1", "2")))
    assert found[3:] == [
        "   apiVersion: v1",
        "   data:",
        "      … 3 equal fields …",
        '     d: "1"',
        ' ~   e: "2"   → "1"',
        '     f: "1"',
        "      … 3 equal fields …",
    ]
    whole = lines(config(data, {**data, "e": "2"}, changed("e", "1", "2")), folded=False)
    assert not [line for line in whole if "equal field" in line]
    assert len(whole) == 3 + 3 + 8


def test_the_marks_say_what_a_sync_does() -> None:
    change = (
        Change(path=("data", "new"), kind=ChangeKind.ADD, after="x"),
        Change(path=("data", "old"), kind=ChangeKind.REMOVE, before="z"),
    )
    found = "\n".join(lines(config({"old": "z"}, {"new": "x"}, *change)))
    assert " +   new: x" in found
    assert "→ (absent)" in found
    assert " -   old: (absent)   → z" in found
    one = "\n".join(lines(config({"old": "z"}, {"new": "x"}, *change), two=False))
    assert " +   new: x\n -   old: z" in one
    assert "absent" not in one


def test_the_name_of_the_item_that_holds_a_difference_is_never_folded() -> None:
    def pod(value: str) -> dict[str, Any]:
        env = [{"name": name, "value": value if name == "B" else "1"} for name in "ABC"]
        return {
            "containers": [{"name": "proxy", "args": ["-a"], "image": "p:1"}, {"name": "web", "env": env, "tty": True}]
        }

    change = Change(("containers", 1, "env", 1, "value"), ChangeKind.CHANGE, "3", "2")
    found = lines(ObjectDiff(ref("Pod", "p"), live=pod("3"), desired=pod("2"), changes=(change,)))
    assert found[3:] == [
        "   containers:",
        "    … 4 equal fields …",
        "   - name: web",
        "     env:",
        "      … 2 equal fields …",
        "     - name: B",
        ' ~     value: "2"   → "3"',
        "     - name: C",
        "        … 2 equal fields …",
    ]


def test_a_longer_text_is_marked_at_its_name_once() -> None:
    found = lines(config({"e": "1\n2\n"}, {"e": "1\n3\n"}, changed("e", "1\n2\n", "1\n3\n")), two=False)
    assert [line for line in found if line[1:2] in {"~", "+", "-"}] == [" ~   e: |", " -     2", " +     3"]


def test_an_item_that_moves_is_marked_once_where_it_will_be() -> None:
    a, b = {"name": "a"}, {"name": "b", "value": "1"}
    found = ObjectDiff(
        ref("Pod", "p"),
        live={"env": [a, b]},
        desired={"env": [{**b, "value": "2"}, a]},
        changes=(
            Change(("env", 1), ChangeKind.MOVE, 1, 0),
            Change(("env", 1, "value"), ChangeKind.CHANGE, "1", "2"),
        ),
    )
    assert lines(found)[3:] == [
        "   env:",
        " ~ - name: b",
        "     moves from position 1 to 0",
        ' ~   value: "2"   → "1"',
        "   - name: a",
    ]


def test_a_narrow_screen_has_one_column() -> None:
    found = lines(config({"a": "1"}, {"a": "2"}, changed("a", "1", "2")), width=60)
    assert ' -   a: "1"' in found
    assert ' +   a: "2"' in found


def test_what_would_be_cut_side_by_side_stands_below_each_other() -> None:
    before, after = "registry.example.com/" + "a" * 40 + ":1.0", "registry.example.com/" + "a" * 40 + ":1.1"
    found = lines(config({"i": before, "j": "1"}, {"i": after, "j": "2"}, changed("i", before, after)))
    assert f" -   i: {before}" in found
    assert f" +   i: {after}" in found
    assert [line for line in found if line.startswith(" ~   j:") and "→" in line]


def test_an_object_that_is_absent_on_one_side_says_what_a_sync_makes_of_it() -> None:
    assert lines(config(None, {"a": "1"}))[2] == " live  prod-eu-1  not in the cluster: a sync creates it"
    assert "no longer in Git" in lines(config({"a": "1"}, None))[2]
    assert lines(config({"a": "1"}, {"a": "1"}))[2] == " live  prod-eu-1  equal"


def test_differences_are_counted() -> None:
    assert differences(settings_diff()) == "2 differences in 1 object"
    empty = AppDiff(key=PAYMENTS, revision=SHA, commit=None, objects=())
    assert differences(empty) == "no differences"
    assert differences(replace(empty, objects=(config(None, {"a": "1"}),))) == "1 object to be made or pruned"


def test_a_long_text_differs_line_by_line_and_counts_once() -> None:
    before, after = "one\ntwo\nthree\n", "one\n2\nthree\n"
    blame = Blame(manager="kubectl", operation="Update", time=NOW - 60)
    change = replace(changed("script", before, after), blame=blame)
    found = diff_lines(
        AppDiff(
            key=PAYMENTS,
            revision=SHA,
            commit=None,
            objects=(config({"script": before}, {"script": after}, change),),
        ),
        "prod-eu-1",
        SHAPE,
    )
    assert sum(line.stop for line in found) == 1
    texts = ["".join(span.text for span in line.spans) for line in found]
    assert sum("live by kubectl (Update), 60s ago" in text for text in texts) == 1
    keys = [line.key for line in found]
    assert len(keys) == len(set(keys))


# --- on the screen ------------------------------------------------------------------------------------------------


async def diff_of(found: Console) -> DiffScreen:
    await found.press("d")
    await found.shows("kubectl-edit")
    await found.still()
    return cast(DiffScreen, found.screen)


@pytest.mark.parametrize("size", [(80, 24), (200, 50)], ids=["80x24", "200x50"])
async def test_looks(size: tuple[int, int]) -> None:
    async with console(small_fleet(), size=size) as found:
        await diff_of(found)
        await found.shows("by Bo Riis")
        found.looks(f"diff-{size[0]}x{size[1]}")


async def test_the_diff_shows_at_once_and_who_wrote_it_in_git_comes_after() -> None:
    fleet = small_fleet()
    async with console(fleet) as found:
        fleet.git_gate = asyncio.Event()
        screen = await diff_of(found)
        assert " by Bo Riis" not in found.text
        await found.press("n")
        before = screen.pane.lines[screen.pane.cursor].key
        found.app._runtime.post(fleet.git_gate.set)
        await found.shows("by Bo Riis")
        assert screen.pane.lines[screen.pane.cursor].key == before
        # The same diff again is not asked about again, and does not lose what is known.
        fleet.publish(trees=(PAYMENTS,))
        await found.until(lambda: fleet.asked.count("diff") == 2, "compared again")
        await found.still()
        assert "by Bo Riis" in found.text
        assert fleet.asked.count("with_commits") == 1


def test_who_wrote_it_stands_beside_who_changed_it_where_there_is_room() -> None:
    (found,) = with_commits(settings_diff(), COMMITS).objects
    assert [line for line in lines(found) if " by " in line] == [
        "       Git 77aa001 by Bo Riis, 25h ago “initial settings”",
        "       live by kubectl-edit (Update), 7m ago",
        "       Git a1b2c3d by Ann Lee, 4m ago “raise timeout”",
    ]
    assert "       Git 77aa001 by Bo Riis, 25h ago “initial settings”   live by kubectl-edit (Update), 7m ago" in lines(
        found, width=120
    )


async def test_n_goes_from_difference_to_difference_and_folding_keeps_the_place() -> None:
    async with console(small_fleet()) as found:
        screen = await diff_of(found)

        def line() -> str:
            return "".join(span.text for span in screen.pane.lines[screen.pane.cursor].spans)

        assert "color: blue" in line()
        await found.press("n")
        assert "timeout: 30s" in line()
        await found.press("f")
        assert "timeout: 30s" in line()
        await found.press("N")
        assert "color: blue" in line()
        await found.press("o")
        assert "color" in line()


async def test_a_difference_that_goes_away_goes_from_the_screen() -> None:
    async with console(small_fleet()) as found:
        await diff_of(found)
        fleet = cast(FakeFleet, found.app.fleet)
        fleet.diffs[PAYMENTS, None] = replace(settings_diff(), objects=())
        fleet.publish(trees=(PAYMENTS,))
        await found.shows("Nothing differs from Git")
        assert "no differences" in found.text


async def test_what_can_not_be_compared_is_a_sentence() -> None:
    fleet = small_fleet()
    fleet.diffs[PAYMENTS, None] = GitError("https://git.example.com/apps.git: no such revision main", "check it")
    async with console(fleet) as found:
        await found.press("d")
        await found.shows("no such revision main (check it)")


async def test_the_diff_of_a_node_is_that_of_its_object_alone() -> None:
    fleet = small_fleet()
    what = ref("ConfigMap", "settings")
    fleet.diffs[PAYMENTS, what] = replace(settings_diff(), revision="c" * 40)
    async with console(fleet) as found:
        await found.press("enter")
        await found.shows("payments-api-7c9-x2x")
        await found.press("G", "k", "enter")
        text = await found.shows("ccccccc")
        assert "› ConfigMap settings" in text
