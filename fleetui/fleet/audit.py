"""Who did what: one JSON line for each action that was asked for, however it ended.

Owns: `AuditRecord`, `Operator`, `Audit` and the file it appends to. Called by `fleetui.fleet.dispatch` alone. Never
here: values of objects; a record names things and revisions, so that a secret can't get into it.
"""

from __future__ import annotations

import getpass
import logging
import os
import re
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Protocol

import msgspec

from fleetui.config import Paths
from fleetui.model.text import one_line
from fleetui.model.times import format_time

_log = logging.getLogger(__name__)

_USER_INFO = re.compile(r"(?<=://)[^/\s@]+@")
_LONGEST = 500
_TAIL = 1024 * 1024


class Ending(StrEnum):
    """How an action ended."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    FAILED = "failed"


class AuditRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of the audit log. `time` is RFC 3339; `cluster` is the hub that was written to, `destination` where the
    application runs; `message` tells the refusal or the failure; `rollout` names the rollout that asked for it."""

    time: str
    who: str
    origin: str
    action: str
    app: str
    cluster: str
    ending: Ending
    destination: str = ""
    from_revision: str = ""
    to_revision: str = ""
    message: str = ""
    prune: bool = False
    dry_run: bool = False
    hard: bool = False
    history_id: int | None = None
    resources: tuple[str, ...] = ()
    rollout: str = ""


class Operator(msgspec.Struct, frozen=True):
    """Who sits before the terminal. `origin` is where from: ``ssh 10.0.0.7``, ``tty /dev/pts/3`` or ``no terminal``."""

    user: str
    host: str
    origin: str

    @property
    def who(self) -> str:
        return f"{self.user}@{self.host}"

    @classmethod
    def current(cls, environ: Mapping[str, str] = os.environ) -> Operator:
        """The user of this process, as the operating system says it."""
        return cls(user=_user(), host=socket.gethostname(), origin=_origin(environ))


class Journal(Protocol):
    """Where records go."""

    def append(self, line: bytes) -> None:
        """Adds one line, whole or not at all.

        Raises:
            OSError: it can't be written.
        """
        ...

    def tail(self) -> bytes:
        """The newest lines, at most `_TAIL` bytes; the first may be cut.

        Raises:
            OSError: it can't be read.
        """
        ...


class FileJournal:
    """A file that only grows; made with its folder at the first record, readable by its owner alone."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, line: bytes) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # One write on O_APPEND: lines of two processes never mix.
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, line)
        finally:
            os.close(descriptor)

    def tail(self) -> bytes:
        try:
            with self._path.open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
                return file.read()
        except FileNotFoundError:
            return b""


class Audit:
    """Writes records for one operator."""

    def __init__(self, journal: Journal, operator: Operator, *, now: Callable[[], float]) -> None:
        self._journal = journal
        self.operator = operator
        self._now = now

    def write(self, record: Callable[[str, Operator], AuditRecord]) -> str:
        """Writes what `record` makes of the time and the operator.

        Returns an empty string, or the sentence that tells why it could not be written: an action that has been
        carried out is not undone for it.
        """
        made = record(format_time(self._now()), self.operator)
        try:
            self._journal.append(msgspec.json.encode(_harmless(made)) + b"\n")
        except OSError as error:
            _log.error("the audit record could not be written: %s", error)
            return f"the audit record could not be written: {error.strerror or error}"
        return ""

    def records(self, *, cluster: str, app: str) -> list[AuditRecord]:
        """What has lately been asked of one application, the oldest first; what can't be read is left out."""
        found = []
        try:
            lines = self._journal.tail().splitlines()
        except OSError:
            return []
        for line in lines:
            with suppress(msgspec.DecodeError):
                record = msgspec.json.decode(line, type=AuditRecord)
                if (record.cluster, record.app) == (cluster, app):
                    found.append(record)
        return found


def default_audit(now: Callable[[], float]) -> Audit:
    """The audit log of this user: ``audit.jsonl`` in the XDG state folder."""
    return Audit(FileJournal(Paths.of().audit_file), Operator.current(), now=now)


def _harmless(record: AuditRecord) -> AuditRecord:
    """The record with its message on one line, cut, and without the user information of a URL."""
    message = _USER_INFO.sub("***@", one_line(record.message))[:_LONGEST]
    return msgspec.structs.replace(record, message=message)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without an entry in the password file, as containers have
        return f"uid-{os.getuid()}"


def _origin(environ: Mapping[str, str]) -> str:
    client = environ.get("SSH_CONNECTION", environ.get("SSH_CLIENT", "")).split()
    if client:
        return f"ssh {client[0]}"
    try:
        return f"tty {os.ttyname(0)}"
    except OSError:
        return "no terminal"
