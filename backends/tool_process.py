"""Programs that turn files into manifests: a private folder for them, how they are run, and how they end.

Owns: `workplace`, `lay_out` and `run`. Called by `backends.helm` and `backends.kustomize` on the event loop. Git has
`backends.git_process`, which runs on threads.
"""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import TypeVar

import msgspec

from fleetui.model.errors import ManifestError, RefusedError, ToolMissingError
from fleetui.model.text import one_line, quoted

T = TypeVar("T")

MOST_BYTES = 128 * 1024 * 1024
"""Of the files that are laid out for one run."""
MOST_FILES = 20_000
_STDERR = 64 * 1024
_BURIAL = 2.0
"""Seconds that a process which was killed is waited for."""


class Finished(msgspec.Struct, frozen=True):
    """How a program ended; `stderr` is the end of what it said."""

    code: int
    stdout: bytes
    stderr: str


@asynccontextmanager
async def workplace(tool: str) -> AsyncIterator[Path]:
    """A folder that only this user may read, gone afterwards whatever happens.

    Raises:
        ToolMissingError: there is no room for one.
    """
    try:
        # Not on a thread: one who is cancelled meanwhile would never learn its name.
        folder = Path(tempfile.mkdtemp(prefix=f"fleetui-{tool}-"))
    except OSError as error:
        raise ToolMissingError(
            f"no folder can be made for {tool}: {error.strerror}", "set TMPDIR to a folder with room"
        ) from error
    try:
        yield folder
    finally:
        await _on_thread(lambda: shutil.rmtree(folder, ignore_errors=True))


async def lay_out(folder: Path, files: Mapping[str, bytes], *, what: str) -> None:
    """Writes `files`, by their path with forward slashes, below `folder`; they are read on a thread.

    Raises:
        ManifestError: they are too large or too many together, or no files that can be; `what` names them.
        ToolMissingError: there is no room for them.
        RefusedError: a path leads out of the folder.
    """
    await _on_thread(lambda: _write(folder, files, what))


async def run(
    command: Sequence[str], *, folder: Path, environment: Mapping[str, str], timeout: float, most: int, path: str
) -> Finished:
    """Runs a program in `folder` to its end. It and all that it started are killed when the time (seconds) is over,
    when it prints more than `most` bytes, and when the caller is cancelled. `path`: what messages say that it works on.

    Raises:
        ToolMissingError: it can't be started.
        ManifestError: it took too long, or printed too much.
    """
    name = PurePosixPath(command[0]).name
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=folder,
            env=dict(environment),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        reason = one_line(getattr(error, "strerror", None) or str(error))
        raise ToolMissingError(f"{name} can't be run: {reason}") from error
    assert process.stdout is not None
    assert process.stderr is not None
    # At the same time: a program that fills one pipe must not wait for us to come to the other.
    saying = asyncio.create_task(_tail(process.stderr), name=f"errors of {name}")
    ended = False
    try:
        async with asyncio.timeout(timeout):
            printed = await _all(process.stdout, most)
            said = await saying
            code = await process.wait()
        ended = True
    except TimeoutError as error:
        raise ManifestError(f"{name} did not end within {timeout:g} s", path=path) from error
    except _TooMuchError as error:
        raise ManifestError(
            f"{name} printed more than {most // 2**20} MiB, which are no manifests", path=path
        ) from error
    finally:
        saying.cancel()
        if not ended:
            await _kill(process, saying)
    return Finished(code, printed, said)


class _TooMuchError(Exception):
    pass


def _write(folder: Path, files: Mapping[str, bytes], what: str) -> None:
    total = 0
    made: set[PurePosixPath] = set()
    for count, path in enumerate(files, start=1):
        pure = PurePosixPath(path)
        if pure.is_absolute() or ".." in pure.parts or "\0" in path:
            raise RefusedError(f"{what} holds a path that leads out of it: {quoted(path)}")
        content = files[path]
        total += len(content)
        if count > MOST_FILES or total > MOST_BYTES:
            raise ManifestError(f"{what} is too large: more than {MOST_BYTES // 2**20} MiB or {MOST_FILES} files")
        try:
            if pure.parent not in made:
                (folder / pure.parent).mkdir(parents=True, exist_ok=True)
                made.add(pure.parent)
            (folder / pure).write_bytes(content)
        except OSError as error:
            reason = f"can't be laid out for its tool: {quoted(path)}: {error.strerror}"
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise ToolMissingError(f"{what} {reason}", "set TMPDIR to a folder with room") from error
            raise ManifestError(f"{what} {reason}") from error


async def _on_thread(act: Callable[[], T]) -> T:
    """What `act` returns; also where the caller is cancelled its end is waited for, so that nothing works behind the
    back of whoever cleans up."""
    running = asyncio.ensure_future(asyncio.to_thread(act))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        with suppress(Exception):
            await running
        raise


async def _all(stream: asyncio.StreamReader, most: int) -> bytes:
    chunks, length = [], 0
    while chunk := await stream.read(262_144):
        chunks.append(chunk)
        length += len(chunk)
        if length > most:
            raise _TooMuchError
    return b"".join(chunks)


async def _tail(stream: asyncio.StreamReader) -> str:
    tail = b""
    while chunk := await stream.read(65_536):
        tail = (tail + chunk)[-_STDERR:]
    return tail.decode(errors="replace")


async def _kill(process: asyncio.subprocess.Process, reading: asyncio.Task[str]) -> None:
    """Nothing of it is left, nor of what it started, which may go on when it has ended."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(TimeoutError):
        async with asyncio.timeout(_BURIAL):
            await asyncio.wait({reading})  # two can't read one stream
            # What is left in the pipes has to be taken, or their end is never seen.
            for stream in (process.stdout, process.stderr):
                while stream is not None and await stream.read(65_536):
                    pass
            await process.wait()
