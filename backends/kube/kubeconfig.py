"""Kubeconfig files: found, read once, merged.

Owns: `load` and `Kubeconfig`. Called by the command line, before anything is connected; no network here.
Rules: client-go 0.37 tools/clientcmd/loader.go (which files, in which order, the first one wins) and
``kubectl config`` (entry and field names).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backends.kube.context import ContextConfig, Fields, shown, type_name
from backends.kube.entries import build
from backends.kube.incluster import in_cluster
from fleetui.model.errors import UsageError
from fleetui.model.text import one_line

__all__ = ["ContextConfig", "Kubeconfig", "load"]

_DEMO = "`fleetui demo` shows a fleet without any cluster"
_SECTIONS = ("clusters", "contexts", "users")
_LISTED = 8
"""How many names an error message lists."""
_TOO_DEEP = re.compile(rb"(?:[\[{]\s*){200}|(?:- +){200}")
"""libyaml's composer recurses on the C stack: 50,000 brackets are a segmentation fault, not an error."""


@dataclass(frozen=True, slots=True)
class Kubeconfig:
    """The merged kubeconfig files; made by `load`."""

    files: tuple[Path, ...]
    current: str
    """``current-context``; empty where no file sets it."""
    _contexts: Mapping[str, Fields]
    _clusters: Mapping[str, Fields]
    _users: Mapping[str, Fields]
    _inside: ContextConfig | None = None
    """The cluster that this process runs in, where no context is chosen."""

    @property
    def contexts(self) -> tuple[str, ...]:
        """The contexts' names, in the order of the files."""
        if not self._contexts and self._inside is not None:
            return (self._inside.name,)
        return tuple(self._contexts)

    def context(self, name: str = "") -> ContextConfig:
        """The context `name`, or the current one.

        Reads no certificate, but opens each file that the context names, so that a missing one is told now.

        Raises:
            UsageError: no such context, no current one, an entry that it names is absent, or something in it can't be
                used.
        """
        inside = self._inside
        chosen = one_line(name or self.current)
        if inside is not None and chosen not in self._contexts and chosen in {"", inside.name}:
            return inside
        name = chosen or self._current_or_complain()
        context = self._contexts.get(name)
        if context is None:
            raise self._unknown(name)
        cluster = self._entry(self._clusters, context, "cluster")
        user = Fields({}, file=context.file, what="user")
        if context.text("user"):
            user = self._entry(self._users, context, "user")
        return build(name, context, cluster, user)

    def context_or_problem(self, name: str) -> ContextConfig:
        """The context `name`; one that can't be used costs the others nothing, and says what is wrong with it."""
        try:
            return self.context(name)
        except UsageError as error:
            return ContextConfig(name=name, server="", problem=str(error))

    def _entry(self, section: Mapping[str, Fields], context: Fields, kind: str) -> Fields:
        name = one_line(context.text(kind))
        if not name:
            raise context.refused(f"names no {kind}")
        found = section.get(name)
        if found is None:
            raise context.wrong(kind, f"{name} does not exist{_among(section)}")
        return found

    def _current_or_complain(self) -> str:
        if not self.current:
            raise UsageError(
                f"no context is chosen: current-context is empty in {_files(self.files)}",
                f"name one with --context{_among(self._contexts)}",
            )
        return self.current

    def _unknown(self, name: str) -> UsageError:
        from difflib import get_close_matches

        who = f"the current-context {name}" if name == self.current else f"the context {name}"
        near = get_close_matches(name, self._contexts, n=3, cutoff=0.6)
        hint = f"did you mean {' or '.join(near)}?" if near else _among(self._contexts).lstrip("; ")
        return UsageError(f"{who} does not exist in {_files(self.files)}", hint)


def load(
    paths: Sequence[Path] | None = None, env: Mapping[str, str] | None = None, *, root: Path = Path("/")
) -> Kubeconfig:
    """Reads and merges kubeconfig files.

    Where none is there, all are empty or none chooses a context, the cluster that this process runs in takes their
    place, as for kubectl (client-go 0.37 tools/clientcmd/merged_client_builder.go).

    Args:
        paths: the files, each of which must exist; None: those of ``$KUBECONFIG`` (absent ones are passed over, as
            kubectl does), or else ``~/.kube/config``.
        env: the environment; None: that of the process.
        root: of the file system in which a pod finds its service account.

    Raises:
        UsageError: no file is there, one is not a kubeconfig, or all are empty.
    """
    env = os.environ if env is None else env
    inside = in_cluster(env, root)
    try:
        files = [_expanded(path) for path in paths] if paths else _found(env)
    except _NoFileError:
        if inside is None:
            raise
        files = []
    documents = [_read(file) for file in files]
    sections = {section: _merged(documents, section) for section in _SECTIONS}
    if inside is None:
        _insist_on_contexts(sections, files)
    currents = (one_line(document.text("current-context")) for document in documents)
    return Kubeconfig(
        files=tuple(files),
        current=next(filter(None, currents), ""),
        _contexts=sections["contexts"],
        _clusters=sections["clusters"],
        _users=sections["users"],
        _inside=inside,
    )


class _NoFileError(UsageError):
    """There is no kubeconfig at all."""


def _insist_on_contexts(sections: Mapping[str, Mapping[str, Fields]], files: Sequence[Path]) -> None:
    if not any(sections.values()):
        verb = "is" if len(files) == 1 else "are"
        raise UsageError(f"{_files(files)} {verb} empty: no cluster, no context", _DEMO)
    if not sections["contexts"]:
        raise UsageError(f"{_files(files)} has no contexts", _DEMO)


def saved_auth_provider(config: ContextConfig) -> Mapping[str, Any] | None:
    """The user's ``auth-provider`` as its file has it now: kubectl saves renewed tokens there."""
    try:
        user = _named(_read(config.source), "users").get(config.user) if config.source else None
        provider = user.inner("auth-provider") if user else None
        return provider.values if provider else config.auth_provider
    except UsageError:
        return config.auth_provider


def _expanded(path: Path) -> Path:
    return Path(os.path.abspath(path.expanduser()))  # noqa: PTH100 -- resolve() would follow a symlinked kubeconfig


def _found(env: Mapping[str, str]) -> list[Path]:
    named = [_expanded(Path(part)) for part in env.get("KUBECONFIG", "").split(os.pathsep) if part]
    if named:
        there = [path for path in dict.fromkeys(named) if path.exists()]
        if not there:
            verb = "which does not exist" if len(named) == 1 else "none of which exists"
            raise _NoFileError(f"no kubeconfig: $KUBECONFIG names {_files(named)}, {verb}", _DEMO)
        return there
    home = Path(env["HOME"]) if env.get("HOME") else Path.home()
    default = home / ".kube" / "config"
    if not default.exists():
        raise _NoFileError(f"no kubeconfig: $KUBECONFIG is not set, and {shown(default)} does not exist", _DEMO)
    return [default]


def _read(file: Path) -> Fields:
    try:
        text = file.read_bytes()
    except FileNotFoundError as error:
        raise UsageError(f"no kubeconfig: {shown(file)} does not exist", _DEMO) from error
    except OSError as error:
        raise UsageError(f"the kubeconfig {shown(file)} can't be read: {error.strerror}") from error
    document = _parse(text, file)
    if document is not None and not isinstance(document, dict):
        problem = f"it is {type_name(document)}, not a map with clusters, contexts and users"
        raise UsageError(f"{shown(file)}:1: not a kubeconfig: {problem}")
    return Fields(document, file=file)


def _parse(text: bytes, file: Path) -> Any:
    import yaml

    if deep := _TOO_DEEP.search(text):
        raise _not_yaml(file, text.count(b"\n", 0, deep.start()) + 1, "nested too deeply")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return yaml.load(text, Loader=loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _not_yaml(file, mark.line + 1 if mark else 1, error.problem or error.context or "") from error
    except yaml.reader.ReaderError as error:
        line = text.count(b"\n", 0, error.position) + 1
        raise _not_yaml(file, line, f"a character that YAML does not allow ({error.reason})") from error
    except (yaml.YAMLError, ValueError) as error:
        # A date such as 2024-13-45 is a ValueError of the constructor, and has no line.
        raise _not_yaml(file, 1, str(error)) from error


def _not_yaml(file: Path, line: int, problem: str) -> UsageError:
    return UsageError(f"{shown(file)}:{line}: not YAML: {one_line(problem)[:200]}")


def _merged(documents: Iterable[Fields], section: str) -> dict[str, Fields]:
    """The entries of one section by name; of two files with the same name, the first one's is taken whole."""
    merged: dict[str, Fields] = {}
    for document in documents:
        for name, entry in _named(document, section).items():
            merged.setdefault(name, entry)
    return merged


def _named(document: Fields, section: str) -> dict[str, Fields]:
    """The entries of one section of one file by name; the names made harmless, as whoever looks them up does too."""
    singular = section.removesuffix("s")
    named: dict[str, Fields] = {}
    for entry in document.entries(section):
        name = one_line(entry.text("name"))
        if not name:
            raise entry.wrong("name", "is missing")
        if name in named:
            raise document.wrong(section, f"has two entries named {name}")
        named[name] = Fields(entry.values.get(singular), file=document.file, what=f"{singular} {name}")
    return named


def _files(files: Sequence[Path]) -> str:
    return ", ".join(shown(file) for file in files)


def _among(names: Iterable[str]) -> str:
    known = list(names)
    if not known:
        return ""
    more = f" and {len(known) - _LISTED} more" if len(known) > _LISTED else ""
    return f"; there are: {', '.join(known[:_LISTED])}{more}"
