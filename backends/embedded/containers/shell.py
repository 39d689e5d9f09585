"""Running a command in a container.

Owns: `run`, and `sh` as far as it is spoken here. Called by `backends.embedded.podstreams`. A command is one of
`commands`, or a shell with a script, or a shell that reads commands from its input.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from backends.embedded.containers.commands import BUILTINS, COMMANDS, Machine, Program, Streams, files, listing
from backends.embedded.containers.words import Command, ShellSyntaxError, Step, expand, parse

SHELLS = ("sh", "bash", "ash")
INTERRUPTED = 130
_BACKLOG = 16
"""Pieces between two commands of a pipeline."""
Foreground = Callable[[asyncio.Task[int] | None], None]


class NoCommandError(Exception):
    """There is no such program; the message is Go's."""


class _ExitError(Exception):
    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def name_of(word: str) -> str:
    """``/bin/ls`` is ``ls``."""
    folder, _, name = word.rpartition("/")
    return name if folder in ("", "/bin", "/usr/bin", "/usr/local/bin") else word


async def run(machine: Machine, argv: Sequence[str], streams: Streams, foreground: Foreground = lambda _: None) -> int:
    """Runs a command and returns its exit code.

    Args:
        foreground: told which task an interrupt is for; None for nobody.

    Raises:
        NoCommandError: there is no such program.
    """
    name, *args = [name_of(argv[0]), *argv[1:]]
    if name in SHELLS:
        return await Shell(machine, streams, foreground).main(list(args))
    program = COMMANDS.get(name)
    if program is None:
        where = "stat " if "/" in argv[0] else ""
        why = "no such file or directory" if where else "executable file not found in $PATH"
        raise NoCommandError(f'exec: "{argv[0]}": {where}{argv[0] + ": " if where else ""}{why}')
    return await _interruptible(program(machine, args, streams), foreground)


async def _interruptible(work: Coroutine[Any, Any, int], foreground: Foreground) -> int:
    task = asyncio.create_task(work)
    foreground(task)
    try:
        return await task
    except asyncio.CancelledError:
        if task.cancelled() and not _cancelling():
            return INTERRUPTED
        task.cancel()
        raise
    finally:
        foreground(None)


def _cancelling() -> bool:
    current = asyncio.current_task()
    return current is not None and current.cancelling() > 0


class Shell:
    """One shell: its variables are the machine's, its last exit code is ``$?``."""

    def __init__(self, machine: Machine, streams: Streams, foreground: Foreground) -> None:
        self._machine = machine
        self._streams = streams
        self._foreground = foreground
        self._code = 0

    async def main(self, args: list[str]) -> int:
        while args and args[0] in ("-l", "-i", "--login"):
            args.pop(0)
        try:
            if args and args[0].startswith("-") and args[0].endswith("c"):
                script, *parameters = args[1:] or [""]
                self._machine.variables |= {str(at): text for at, text in enumerate(parameters)}
                return await self._script(script)
            return await self._interactive()
        except _ExitError as ended:
            return ended.code

    async def _interactive(self) -> int:
        prompt = f"{self._machine.variables.get('PWD', '/')} # ".encode() if self._streams.size is not None else b""
        while True:
            if prompt:
                await self._streams.out(prompt)
            read = await BUILTINS["read"](self._machine, ["0"], self._streams)
            line = self._machine.variables.pop("0", "")
            if read and not line:
                return self._code
            await self._script(line)

    async def _script(self, text: str) -> int:
        try:
            for step in parse(text):
                if (step.when == "&&" and self._code) or (step.when == "||" and not self._code):
                    continue
                self._machine.variables["?"] = str(self._code)
                self._code = await self._pipeline(step)
        except ShellSyntaxError as error:
            await self._streams.err(f"sh: {error}\n".encode())
            self._code = 2
        return self._code

    async def _pipeline(self, step: Step) -> int:
        if len(step.pipeline) == 1:
            return await self._command(step.pipeline[0], self._streams, alone=True)
        tasks: list[Coroutine[Any, Any, int]] = []
        streams = self._streams
        for command in step.pipeline[:-1]:
            pipe: asyncio.Queue[bytes] = asyncio.Queue(_BACKLOG)
            tasks.append(self._piped(command, streams, pipe))
            streams = Streams(pipe.get, self._streams.out, self._streams.err, self._streams.size)
        tasks.append(self._subshell(step.pipeline[-1], streams))
        return await _interruptible(_all(tasks), self._foreground)

    async def _piped(self, command: Command, streams: Streams, pipe: asyncio.Queue[bytes]) -> int:
        async def out(data: bytes) -> None:
            if data:
                await pipe.put(data)

        try:
            return await self._subshell(command, Streams(streams.read, out, streams.err, streams.size))
        finally:
            await pipe.put(b"")

    async def _subshell(self, command: Command, streams: Streams) -> int:
        try:
            return await self._command(command, streams)
        except _ExitError as ended:
            return ended.code

    async def _command(self, command: Command, streams: Streams, *, alone: bool = False) -> int:
        words = [part for word in command.words for part in expand(word, self._machine.variables)]
        while words and "=" in words[0] and words[0].partition("=")[0].isidentifier():
            name, _, value = words.pop(0).partition("=")
            self._machine.variables[name] = value
        if not words:
            return 0
        streams = _redirected(command, streams)
        if words[0] == "exec" and words[1:]:
            raise _ExitError(await self._program(words[1:], streams, alone=alone))
        found = self._builtin(words)
        return await self._program(words, streams, alone=alone) if found is None else found

    async def _program(self, words: list[str], streams: Streams, *, alone: bool) -> int:
        name = name_of(words[0])
        if name in SHELLS:
            # A shell in a shell: its `exit` is its own.
            return await Shell(self._machine, streams, self._foreground).main(words[1:])
        program: Program | None = BUILTINS.get(words[0]) or COMMANDS.get(name)
        if program is None:
            await streams.err(f"sh: {words[0]}: not found\n".encode())
            return 127
        work = program(self._machine, words[1:], streams)
        return await (_interruptible(work, self._foreground) if alone else work)

    def _builtin(self, words: list[str]) -> int | None:
        """What a shell does itself; None where it is something else."""
        match words:
            case ["exit", *code]:
                raise _ExitError(int(code[0]) & 255 if code and code[0].isdigit() else self._code)
            case ["cd", *path]:
                target = path[0] if path else "/root"
                if listing(self._machine.container, target) is None:
                    return 1
                self._machine.variables["PWD"] = target
                return 0
            case ["export", *_] | ["set", *_]:
                return 0
            case ["command", "-v", name] | ["which", name]:
                return 0 if name in SHELLS or name in COMMANDS else 127
            case ["test" | "[", "-f" | "-e" | "-r", path, *_]:
                return 0 if path in files(self._machine.container) else 1
            case _:
                return None


async def _all(work: list[Coroutine[Any, Any, int]]) -> int:
    """The exit code of the last; the others end with it."""
    tasks = [asyncio.create_task(one) for one in work]
    try:
        return await tasks[-1]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _redirected(command: Command, streams: Streams) -> Streams:
    async def nothing(data: bytes) -> None:
        return None

    async def empty() -> bytes:
        return b""

    out = streams.err if command.stdout == "2" else (nothing if command.stdout not in ("", "1") else streams.out)
    err = out if command.stderr == "1" else (nothing if command.stderr not in ("", "2") else streams.err)
    return Streams(empty if command.stdin else streams.read, out, err, streams.size)
