"""One difference between the desired and the live state of an object, and who made it.

Owns: `Change`, `Blame`, `ObjectDiff`, `Commit`. Pure data.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from fleetui.model.objects import Obj, ObjectRef

Path = tuple[str | int, ...]
"""Keys and list indexes from the object's root, e.g. ``("spec", "replicas")``."""


class ChangeKind(StrEnum):
    ADD = "add"
    REMOVE = "remove"
    CHANGE = "change"
    MOVE = "move"


class Commit(msgspec.Struct, frozen=True):
    """A Git commit; `time` is the author's, in seconds since the epoch. All text is sanitised."""

    sha: str
    author: str
    email: str
    time: float
    subject: str
    message: str = ""


class Blame(msgspec.Struct, frozen=True):
    """Who set the live value: a field manager, by which operation (``Apply`` or ``Update``), and when (epoch s)."""

    manager: str = ""
    operation: str = ""
    time: float | None = None


class Change(msgspec.Struct, frozen=True):
    """What a sync would do to one field: `before` is live, `after` is desired; a missing side is None.

    `kind` ADD: the field is only desired; REMOVE: only live; CHANGE: both, and they differ. MOVE: an item of a list,
    matched by its merge key, that lies elsewhere: `before` is its position in the live list, `after` that in the
    desired one; what differs within it are changes of their own.

    `blame` says who set the live value, `commit` which commit wrote the desired one in Git; None where that is not
    known or was not asked.

    Positions in `path` count in the live lists; only the last one of an ADD counts in the desired list.
    """

    path: Path
    kind: ChangeKind
    before: Any = None
    after: Any = None
    blame: Blame | None = None
    commit: Commit | None = None

    @property
    def dotted(self) -> str:
        """The path as people write it: ``spec.containers[0].image``."""
        text = ""
        for part in self.path:
            if isinstance(part, int):
                text += f"[{part}]"
            elif part.replace("-", "").replace("_", "").isalnum():
                text += f".{part}" if text else part
            else:
                text += f'["{part}"]'
        return text


class ObjectDiff(msgspec.Struct, frozen=True):
    """One object compared with Git, secrets masked on both sides.

    `live` is what runs and `desired` what a sync would make of it; None where the object is absent there.
    `file` and `line` say where in the repository the desired state is written.
    """

    ref: ObjectRef
    live: Obj | None
    desired: Obj | None
    changes: tuple[Change, ...] = ()
    file: str = ""
    line: int | None = None

    @property
    def differs(self) -> bool:
        return bool(self.changes) or self.live is None or self.desired is None
