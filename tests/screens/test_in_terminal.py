"""The console as a program in a terminal: the first frame, bytes on the line, colours, and the ways it ends."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from screens.driver import HUNG_UP
from tests.terminal import Terminal
from tests.waiting import wait_until

READY = "enter open"
Start = Callable[..., Terminal]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts the console: scenario, size, and more of the environment."""
    opened: list[Terminal] = []

    def starting(scenario: str = "small", *, columns: int = 80, rows: int = 24, **environment: str) -> Terminal:
        given = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LANG": "C.UTF-8", "COLORTERM": "truecolor"}
        command = [sys.executable, "-m", "tests.screens.run_console", scenario, str(tmp_path / "noted")]
        terminal = Terminal(command, columns=columns, rows=rows, environment=given | environment)
        opened.append(terminal)
        return terminal

    yield starting
    for terminal in opened:
        terminal.close()


def is_wrong_in_the_first_row(text: str) -> bool:
    return "✖" in text.split("\n")[3]


def settled(terminal: Terminal, shows: str | Callable[[str], bool]) -> int:
    """Waits until the screen shows `shows` and nothing more comes; the bytes received until then."""
    terminal.wait_for(shows)
    while terminal.read(timeout=0.3):
        pass
    return terminal.received


def test_the_first_frame_is_painted_before_anything_else_is_loaded(start: Start, tmp_path: Path) -> None:
    start().wait_for("payments-service")
    frames, *modules = (tmp_path / "noted").read_text(encoding="utf-8").split("\n")
    assert int(frames) > 0
    assert not {"aiohttp", "kubernetes", "git", "aiomqtt", "yaml", "backends"} & set(modules)


def test_an_idle_console_is_silent_and_a_move_of_the_cursor_is_cheap(start: Start) -> None:
    terminal = start("many", columns=160, rows=50)
    terminal.wait_for("1,000")
    before = settled(terminal, "app-0040")
    assert terminal.read(timeout=1.0) == 0
    terminal.send("j")
    assert 0 < settled(terminal, "app-0000") - before < 1000


def test_a_page_costs_no_more_than_a_screen(start: Start) -> None:
    terminal = start("many", columns=160, rows=50)
    before = settled(terminal, "app-0040")
    terminal.send("\x06")
    assert settled(terminal, "app-0080") - before < 20_000


def test_without_colours_there_are_none_and_the_cursor_is_still_seen(start: Start) -> None:
    terminal = start(NO_COLOR="1")
    settled(terminal, "payments-service")
    cells = [cell for row in terminal.screen.buffer.values() for cell in row.values()]
    assert {(cell.fg, cell.bg) for cell in cells} == {("default", "default")}
    assert all(terminal.screen.buffer[3][column].reverse for column in range(5, 70))


@pytest.mark.parametrize(
    ("environment", "colours"),
    [
        pytest.param({"COLORTERM": "", "TEXTUAL_COLOR_SYSTEM": "256"}, 256, id="256"),
        pytest.param({"COLORTERM": "", "TEXTUAL_COLOR_SYSTEM": "standard"}, 16, id="16"),
    ],
)
def test_with_fewer_colours_what_is_wrong_still_stands_out(
    start: Start, environment: dict[str, str], colours: int
) -> None:
    terminal = start(**environment)
    settled(terminal, is_wrong_in_the_first_row)
    column = terminal.text.split("\n")[3].index("✖")
    cell = terminal.screen.buffer[3][column]
    assert cell.fg == ("ff5f5f" if colours == 256 else "red")


def test_a_terminal_without_utf_8_gets_ascii_alone(start: Start) -> None:
    terminal = start("hostile", LANG="C")
    settled(terminal, "X Degraded")
    assert terminal.text.isascii()
    assert "X Degraded" in terminal.text
    terminal.send("S")
    assert settled(terminal, "esc cancel")
    assert terminal.text.isascii()


def test_columns_hold_in_a_terminal_that_measures_text_itself(start: Start) -> None:
    terminal = start("hostile")
    settled(terminal, is_wrong_in_the_first_row)
    column = terminal.text.split("\n")[2].index("HEALTH")
    for row in range(3, 14):
        assert terminal.screen.buffer[row][column].data == "✖"
    assert "pwned" not in terminal.screen.title


def test_ctrl_c_twice_ends_it_and_gives_the_terminal_back(start: Start) -> None:
    terminal = start()
    settled(terminal, READY)
    terminal.send("\x03")
    terminal.wait_for("ctrl+c once more quits")
    terminal.send("\x03")
    assert terminal.exit_status() == 0


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_a_signal_ends_it_cleanly(start: Start, number: signal.Signals) -> None:
    terminal = start()
    settled(terminal, READY)
    terminal.signal(number)
    assert terminal.exit_status() == 128 + number


def test_a_terminal_that_is_lost_without_a_signal_ends_it_too(start: Start, tmp_path: Path) -> None:
    terminal = start()
    settled(terminal, READY)
    os.close(terminal._fd)  # what a dropped SSH connection leaves: reads and writes that fail, and SIGHUP
    terminal._fd = os.open(os.devnull, os.O_RDONLY)
    assert terminal.exit_status() == HUNG_UP


def test_suspended_and_back_it_is_painted_whole(start: Start) -> None:
    terminal = start()
    settled(terminal, READY)
    terminal.send("\x1a")
    wait_until(lambda: stopped(terminal._pid), 5, "the program is stopped")
    while terminal.read(timeout=0.1):
        pass
    terminal.screen.reset()
    terminal.signal(signal.SIGCONT)
    text = terminal.wait_for(lambda text: READY in text and text.startswith(" Apps"))
    assert "payments-service" in text


def test_a_login_has_the_terminal_and_what_it_said_stays_until_a_key_is_pressed(start: Start) -> None:
    terminal = start("expired")
    settled(terminal, READY)
    terminal.send(":clusters\r")
    terminal.wait_for("login expired 60s: x")
    terminal.send("x")
    terminal.wait_for("Password:")
    terminal.send("hunter2\n")  # a cooked terminal: echoed, and given out as a line
    text = terminal.wait_for("Press any key to go back.")
    assert "fleetui: logging in to stage-1; ctrl+c gives up" in text
    assert "stage-1: 'hunter2' is no password" in text
    assert terminal.read(timeout=0.5) == 0
    terminal.screen.reset()
    terminal.send(" ")
    terminal.wait_for(lambda text: text.startswith(" Fleet") and "login expired 60s: x" in text)
    terminal.send("q")
    terminal.wait_for(READY)


def test_ctrl_c_gives_a_login_up_and_not_the_console(start: Start) -> None:
    terminal = start("expired")
    settled(terminal, READY)
    terminal.send(":ctx\r")
    terminal.wait_for("login expired 60s: x")
    terminal.send("x")
    terminal.wait_for("Password:")
    terminal.send("\x03")
    terminal.wait_for("stage-1: the login was given up")
    terminal.wait_for("Press any key to go back.")
    terminal.send("\x03")
    terminal.wait_for("login expired 60s: x")


def test_a_shell_has_the_terminal_and_gives_it_back(start: Start) -> None:
    terminal = start("shell")
    settled(terminal, READY)
    terminal.send("x")
    terminal.wait_for("size 80x24")
    assert "fleetui: a shell in api of Pod payments/web on prod; exit or ctrl+d leaves it" in terminal.text
    terminal.send("j\x03\x1b[A")
    terminal.wait_for("<6a><03><1b><5b><41>")  # raw: not even ctrl+c is for the console
    terminal.screen.reset()
    terminal.send("q")
    terminal.wait_for(lambda text: text.startswith(" Apps") and READY in text)
    terminal.send("?")
    terminal.wait_for(lambda text: text.startswith(" Help") and "esc back" in text)
    terminal.send("q")
    terminal.wait_for(lambda text: text.startswith(" Apps") and READY in text)
    terminal.send("x")
    text = terminal.wait_for("Press any key to go back.")
    assert "fleetui: prod: you may not create pods/exec of payments/web (RBAC)" in text
    terminal.screen.reset()
    terminal.send(" ")
    terminal.wait_for(lambda text: text.startswith(" Apps") and READY in text)


def test_a_console_that_is_ended_during_a_shell_gives_the_terminal_back(start: Start) -> None:
    terminal = start("shell")
    settled(terminal, READY)
    terminal.send("x")
    terminal.wait_for("size 80x24")
    terminal.signal(signal.SIGTERM)
    assert terminal.exit_status() == 128 + signal.SIGTERM


def stopped(pid: int) -> bool:
    state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    return bool(re.search(r"\) T ", state))
