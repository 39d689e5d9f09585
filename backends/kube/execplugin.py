"""One run of a credential plugin (``users[].user.exec``).

Owns: `run_plugin`. Called by `backends.kube.credentials` through a `SharedLogin`. What is asked and what is accepted is
as in client-go 0.37 plugin/pkg/client/auth/exec/exec.go. Ours besides, because a console must go on: without a terminal
the plugin gets a session of its own, so that it can't open the terminal by name either; its stderr is kept for the
error and never shown; it has a time limit and a limit of output; a login that has ended already is none.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from typing import Any

from backends.kube.context import ExecPlugin
from backends.kube.kuberc import refusal
from backends.kube.logins import Credential, NoLoginError
from fleetui.model.text import one_line
from fleetui.model.times import parse_time

TIMEOUT = 60.0
"""Seconds that a plugin may take that nobody talks with."""
_BURIAL = 2.0
"""Seconds until a plugin that was killed is given up; what it started may keep its pipes open."""
_MOST = 2**20
"""Bytes of an answer; the largest tokens have some ten thousand."""
_TAIL = 4096
"""Bytes of what a plugin says on stderr that are kept: the end of it says why."""
_WORDS = 300
"""Characters of it that are told."""


async def run_plugin(plugin: ExecPlugin, *, at_terminal: bool, timeout: float, now: float) -> Credential:
    """Runs a plugin once.

    Args:
        at_terminal: the operator asked for it and the terminal is free: a plugin that wants one gets it, without a
            time limit.
        timeout: seconds that it may take otherwise.
        now: seconds since the epoch.

    Raises:
        NoLoginError: kubectl's preferences forbid it, it needs a terminal and may not have one, failed, hung, or gave
            nothing that can be used.
    """
    if problem := await asyncio.to_thread(refusal, plugin.command, os.environ):
        raise NoLoginError(f"{plugin} {problem}")
    interactive = _is_interactive(plugin, at_terminal=at_terminal)
    spec: dict[str, Any] = {"interactive": interactive}
    if plugin.cluster is not None:
        spec["cluster"] = dict(plugin.cluster)
    # YAML has dates, JSON none; kubectl tells them as they are written.
    info = json.dumps({"apiVersion": plugin.api_version, "kind": "ExecCredential", "spec": spec}, default=str)
    env = {**os.environ, **plugin.env, "KUBERNETES_EXEC_INFO": info}
    with _terminal_kept() if interactive else nullcontext():
        process = await _started(plugin, env, interactive=interactive)
        try:
            answer = await _answer(plugin, process, timeout=None if interactive else timeout)
        finally:
            await _end(process, group=not interactive)
    found = _credential(plugin, answer)
    if found.expires is not None and found.expires <= now:
        raise NoLoginError(f"{plugin} gave a login that has ended already; is this machine's clock right?")
    return found


def _is_interactive(plugin: ExecPlugin, *, at_terminal: bool) -> bool:
    """As `isInteractive` of client-go, whose question whether stdin is available is here who asks for the login."""
    if plugin.interactive_mode == "Never":
        return False
    terminal = at_terminal and sys.__stdin__ is not None and sys.__stdin__.isatty()
    if plugin.interactive_mode == "Always" and not terminal:
        if at_terminal:
            raise NoLoginError(f"{plugin} asks in a terminal, and standard input is none")
        raise NoLoginError(f"{plugin} asks in a terminal", by_hand=True)
    return terminal


@contextmanager
def _terminal_kept() -> Iterator[None]:
    """A plugin that is ended while it asks for a password can't switch the echo on again."""
    import termios

    assert sys.__stdin__ is not None
    terminal = sys.__stdin__.fileno()
    before = termios.tcgetattr(terminal)
    try:
        yield
    finally:
        with suppress(termios.error):  # it has gone
            termios.tcsetattr(terminal, termios.TCSANOW, before)


async def _started(plugin: ExecPlugin, env: Mapping[str, str], *, interactive: bool) -> asyncio.subprocess.Process:
    pipe, null = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    theirs = None if interactive else pipe
    try:
        return await asyncio.create_subprocess_exec(
            plugin.command,
            *plugin.args,
            env=env,
            stdin=None if interactive else null,
            stdout=pipe,
            stderr=theirs,
            start_new_session=not interactive,
        )
    except (OSError, ValueError) as error:
        reason = one_line(getattr(error, "strerror", None) or str(error))
        hint = f"; {plugin.install_hint}" if plugin.install_hint else ""
        raise NoLoginError(f"{plugin} can't be run: {reason}{hint}") from error


async def _answer(plugin: ExecPlugin, process: asyncio.subprocess.Process, *, timeout: float | None) -> bytes:
    """What a plugin that ended well printed."""
    # Read at the same time: a plugin that fills one pipe must not wait for us to come to the other.
    tail = asyncio.get_running_loop().create_task(_tail(process.stderr), name="stderr of a plugin")
    try:
        async with asyncio.timeout(timeout):
            answer = await _all(plugin, process.stdout)
            words = await tail
            await process.wait()
    except TimeoutError as error:
        what = f"{plugin} did not end within {timeout:g} s"
        raise NoLoginError(what, by_hand=plugin.interactive_mode != "Never") from error
    finally:
        tail.cancel()
        with suppress(asyncio.CancelledError):
            await tail
    if process.returncode:
        said = words or ("see above" if process.stderr is None else "it said nothing")
        by_hand = plugin.interactive_mode != "Never" and process.stderr is not None
        raise NoLoginError(f"{plugin} failed ({process.returncode}): {said}", by_hand=by_hand)
    return answer


async def _all(plugin: ExecPlugin, stream: asyncio.StreamReader | None) -> bytes:
    assert stream is not None
    chunks, length = [], 0
    while chunk := await stream.read(65_536):
        chunks.append(chunk)
        length += len(chunk)
        if length > _MOST:
            raise NoLoginError(f"{plugin} printed more than {_MOST // 2**20} MB, which is no login")
    return b"".join(chunks)


async def _tail(stream: asyncio.StreamReader | None) -> str:
    """The end of it, in one line."""
    if stream is None:
        return ""
    tail = b""
    while chunk := await stream.read(65_536):
        tail = (tail + chunk)[-_TAIL:]
    words = one_line(tail.decode(errors="replace").strip())
    return words if len(words) <= _WORDS else f"…{words[-_WORDS:]}"


async def _end(process: asyncio.subprocess.Process, *, group: bool) -> None:
    """Nothing of it is left: neither the plugin nor, where it has a session of its own, what it started."""
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        if group:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    with suppress(TimeoutError):
        async with asyncio.timeout(_BURIAL):
            # What is left in the pipes has to be taken, or their end is never seen.
            for stream in (process.stdout, process.stderr):
                while stream is not None and await stream.read(65_536):
                    pass
            await process.wait()


def _credential(plugin: ExecPlugin, answer: bytes) -> Credential:
    try:
        printed = json.loads(answer)
        version, kind = printed["apiVersion"], printed["kind"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise NoLoginError(f"{plugin} did not print an ExecCredential") from error
    if (version, kind) != (plugin.api_version, "ExecCredential"):
        given = one_line(f"{version} {kind}")[:100]
        raise NoLoginError(f"{plugin} answered {given}, not {plugin.api_version} ExecCredential")
    status = printed.get("status")
    if not isinstance(status, dict):
        raise NoLoginError(f"{plugin} printed an ExecCredential without a status")
    token, cert, key = (_text(plugin, status, name) for name in ("token", "clientCertificateData", "clientKeyData"))
    if bool(cert) != bool(key):
        raise NoLoginError(f"{plugin} gave a client certificate without its key, or a key alone")
    if not token and not cert:
        raise NoLoginError(f"{plugin} gave neither a token nor a client certificate")
    if not (token.isascii() and token.isprintable()):
        raise NoLoginError(f"{plugin} gave a token with a character in it that no header may have")
    return Credential(
        token=token,
        cert=cert.encode() if cert else None,
        key=key.encode() if key else None,
        expires=_expiry(plugin, status),
    )


def _text(plugin: ExecPlugin, status: Mapping[str, Any], name: str) -> str:
    value = status.get(name)
    if value is not None and not isinstance(value, str):
        raise NoLoginError(f"{plugin} gave a {name} that is no text")
    return (value or "").strip()


def _expiry(plugin: ExecPlugin, status: Mapping[str, Any]) -> float | None:
    text = _text(plugin, status, "expirationTimestamp")
    if not text:
        return None
    ends = parse_time(text)
    if ends is None:
        raise NoLoginError(f"{plugin} gave an expirationTimestamp that is no time: {one_line(text)[:60]}")
    return ends
