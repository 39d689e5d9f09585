"""Which folders and files of a commit or an artifact a generator finds.

Owns: `folders_of`, `files_of`, and the two ways in which patterns are meant: `pathspec` for Git, `doublestar` for OCI
artifacts. Blocking, for threads: contents are read. Called by `backends.appset_answers`. (Argo CD v3.6.1:
reposerver/repository/repository.go, `GetGitFiles`, `GetOciFiles`; reposerver/repository/utils.go, `walkDirectoryTree`.)
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping

from fleetui.model.errors import GitError, RefusedError
from fleetui.model.goregexes import GoRegex, compiled
from fleetui.model.text import quoted
from fleetui.renderports import Files

_MOST_FILES = 10_000
_MOST_BYTES = 64 * 1024 * 1024
Matches = Callable[[str], bool]


def folders_of(files: Files) -> tuple[str, ...]:
    """Every folder that holds something, parents first and in the order of their names; hidden ones, and what lies in
    them, are left out."""
    found: set[tuple[str, ...]] = set()
    for path in files:
        parts = tuple(path.split("/")[:-1])
        hidden = next((at for at, part in enumerate(parts) if part.startswith(".")), len(parts))
        found.update(parts[:length] for length in range(1, hidden + 1))
    return tuple("/".join(parts) for parts in sorted(found))


def files_of(files: Files, matches: Matches, what: str) -> Mapping[str, bytes]:
    """The contents of the files that a pattern finds, by their paths.

    Args:
        what: how a message names pattern and repository.

    Raises:
        GitError: they are too many or too large.
    """
    found: dict[str, bytes] = {}
    size = 0
    for path in files:
        if matches(path):
            found[path] = files[path]
            size += len(found[path])
            if len(found) > _MOST_FILES or size > _MOST_BYTES:
                limit = f"{_MOST_FILES} files or {_MOST_BYTES >> 20} MiB"
                raise GitError(f"{what} finds more than {limit}", "write a narrower pattern")
    return found


def pathspec(pattern: str) -> Matches:
    """Whether a path is found by a pathspec, as ``git ls-files`` in the repository's root has it (gitglossary(7); git's
    `match_pathspec_item`, dir.c): a star crosses slashes, and the name of a folder is all that lies below it.

    Raises:
        RefusedError: it leads out of the repository, is one with magic words, or is none.
    """
    if pattern.startswith(":"):
        raise RefusedError(f"the pattern {quoted(pattern)} begins with magic words of Git, which are not supported")
    plain = posixpath.normpath(pattern) if pattern else "."
    if plain.startswith("/") or plain.split("/")[0] == "..":
        raise RefusedError(f"the pattern {quoted(pattern)} leads out of the repository", "write it from its root")
    if plain == ".":
        return lambda _: True
    if pattern.endswith("/"):
        # Nothing but a folder has a slash at its end, and patterns that end so find no file.
        folder = f"{plain}/"
        return lambda path: path.startswith(folder)
    wild = _compiled(plain, crossing=True)
    return lambda path: path == plain or path.startswith(f"{plain}/") or wild.fullmatch(path)


def doublestar(pattern: str) -> Matches:
    """Whether a path fits a pattern of github.com/bmatcuk/doublestar v4: ``**`` alone between slashes is any number of
    folders, other stars stop at a slash, ``{a,b}`` is one of some.

    Raises:
        RefusedError: it is none.
    """
    plain = pattern.removeprefix("./")
    return _compiled(plain, crossing=False).fullmatch if plain not in ("", ".") else lambda _: True


_TOKEN = re.compile(
    r"""(?P<folders>(?:(?<=/)|\A)\*\*(?:/|\Z))
    |(?P<star>\*+)
    |(?P<any>\?)
    |\[(?P<not>[!^]?)(?P<class>(?:\[:\w+:\]|\\.|\]|[^\\])(?:\[:\w+:\]|\\.|[^\]\\])*)\]
    |\\(?P<escaped>.)
    |(?P<brace>[{},])
    |(?P<char>.)""",
    re.DOTALL | re.VERBOSE,
)


def _compiled(pattern: str, *, crossing: bool) -> GoRegex:
    try:
        return compiled(f"(?s:{_translated(pattern, crossing=crossing)})")
    except ValueError as error:
        raise RefusedError(f"{quoted(pattern)} is no pattern of paths") from error


def _translated(pattern: str, *, crossing: bool) -> str:
    """A regular expression for a glob; `crossing`: as wildmatch.c without WM_PATHNAME, else as doublestar."""
    parts: list[str] = []
    depth = 0
    for found in _TOKEN.finditer(pattern):
        text = found[0]
        if found["star"] or (crossing and found["folders"]):
            parts.append(".*" + ("/" if text.endswith("/") else "") if crossing else "[^/]*")
        elif found["folders"]:
            parts.append("(?:[^/]+/)*" if text.endswith("/") else ".*")
        elif found["any"]:
            parts.append("." if crossing else "[^/]")
        elif found["class"]:
            parts.append(f"[{'^' if found['not'] else ''}{_class(found['class'])}]")
        elif found["brace"] and not crossing and (depth or text == "{"):
            depth += {"{": 1, "}": -1, ",": 0}[text]
            parts.append({"{": "(?:", "}": ")", ",": "|"}[text])
        else:
            parts.append(re.escape(found["escaped"] or text))
    return "".join(parts)


def _class(text: str) -> str:
    """The inside of a class: ranges and named classes stay, what else Go's expressions give a meaning is escaped."""
    return re.sub(r"\[:\w+:\]|\\.|[\[\]\\^]", lambda found: found[0] if len(found[0]) > 1 else f"\\{found[0]}", text)
