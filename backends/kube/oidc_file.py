"""New OIDC tokens written into the kubeconfig that they came from.

Owns: `insist` and `save`. Called by `backends.kube.oidc` in a worker thread. kubectl writes the file anew from what it
has read (client-go 0.37 tools/clientcmd/config.go, `ModifyConfig`) under a lock file, which is taken here too. Only the
two values are touched here: comments, order and every other byte stay.
"""

from __future__ import annotations

import errno
import json
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import yaml

from backends.kube.context import shown
from backends.kube.logins import NoLoginError

_LOCK_TRIES = 20
_LOCK_PAUSE = 0.1
"""Seconds between two tries to have the file to ourselves."""


def insist(file: Path) -> None:
    """Returns where new tokens can be saved: a refresh token must not be used up that could not be replaced.

    Raises:
        NoLoginError: the file can't be written, or somebody else is writing it.
    """
    target = file.resolve()
    try:
        if not os.access(target, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        with _alone(target):
            pass
    except OSError as error:
        reason = f"a new one could not be saved in {shown(file)}: {error.strerror}"
        raise NoLoginError(f"its OIDC token has ended, and {reason}") from error


def save(file: Path, user: str, *, old: Mapping[str, str], new: Mapping[str, str]) -> None:
    """Replaces the tokens of `user`, whole or not at all; does nothing where somebody else has renewed them meanwhile.

    Args:
        old: the user's settings as they were read.
        new: the values that replace theirs.

    Raises:
        NoLoginError: the file can't be written.
    """
    target = file.resolve()
    try:
        with _alone(target):
            text = target.read_text(encoding="utf-8")
            changed = replaced(text, user, old=old, new=new)
            if changed is not None:
                _write(target, changed)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = getattr(error, "strerror", None) or "it is not as it was read"
        raise NoLoginError(f"the new OIDC token can't be saved in {shown(file)}: {reason}") from error


def replaced(text: str, user: str, *, old: Mapping[str, str], new: Mapping[str, str]) -> str | None:
    """The text of a kubeconfig with new values in the settings of `user`; None where theirs are not `old` any more."""
    settings = _settings(yaml.compose(text, Loader=yaml.SafeLoader), user)
    if settings is None:
        return None
    there = {key.value: value for key, value in settings.value}
    if any(_text(there.get(key)) != old.get(key, "") for key in new):
        return None
    # From the end, so that what is still to be replaced stays where it is.
    for key in sorted(there.keys() & new.keys(), key=lambda key: -there[key].start_mark.index):
        text = _put(text, there[key], new[key])
    absent = {key: value for key, value in new.items() if key not in there}
    if absent:
        first = settings.value[0][0].start_mark
        between = ", " if settings.flow_style else f"\n{' ' * first.column}"
        head = "".join(f"{json.dumps(key)}: {json.dumps(value)}{between}" for key, value in absent.items())
        text = text[: first.index] + head + text[first.index :]
    return text


def _put(text: str, node: yaml.Node, value: str) -> str:
    start, end = node.start_mark.index, node.end_mark.index
    before = "" if text[start - 1].isspace() else " "
    after = "\n" if text[start:end].endswith("\n") else ""
    return f"{text[:start]}{before}{json.dumps(value)}{after}{text[end:]}"


def _text(node: yaml.Node | None) -> str:
    return node.value if isinstance(node, yaml.ScalarNode) and not node.tag.endswith(":null") else ""


def _settings(document: yaml.Node | None, user: str) -> yaml.MappingNode | None:
    users = _below(document, "users")
    for entry in users.value if isinstance(users, yaml.SequenceNode) else ():
        name = _below(entry, "name")
        if isinstance(name, yaml.ScalarNode) and name.value == user:
            found = _below(_below(_below(entry, "user"), "auth-provider"), "config")
            return found if isinstance(found, yaml.MappingNode) and found.value else None
    return None


def _below(node: yaml.Node | None, key: str) -> yaml.Node | None:
    pairs = node.value if isinstance(node, yaml.MappingNode) else ()
    return next((value for name, value in pairs if name.value == key), None)


@contextmanager
def _alone(target: Path) -> Iterator[None]:
    """kubectl's lock: a file beside the kubeconfig that only one can make."""
    lock = target.with_name(f"{target.name}.lock")
    for attempt in range(1, _LOCK_TRIES + 1):
        try:
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL, 0o600))
            break
        except FileExistsError as error:
            if attempt == _LOCK_TRIES:
                raise NoLoginError(
                    f"{shown(lock)} says that the kubeconfig is being written; if not, delete it"
                ) from error
            time.sleep(_LOCK_PAUSE)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)


def _write(target: Path, text: str) -> None:
    found = target.stat()
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            os.fchmod(file.fileno(), found.st_mode & 0o7777)
            with suppress(PermissionError):
                os.fchown(file.fileno(), found.st_uid, found.st_gid)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
