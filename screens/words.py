"""Small texts that every screen shares: times, revisions, people.

Owns: how the model's values are worded. Pure.
"""

from __future__ import annotations

import re

from fleetui.model.change import Commit
from fleetui.model.times import age
from screens.cells import Span, cell_len, clean, cut

_SHA = re.compile(r"[0-9a-f]{40}")


def short_revision(revision: str) -> str:
    """A SHA in the seven characters that Git shows; any other revision as it is."""
    return revision[:7] if _SHA.fullmatch(revision) else revision


def ago(moment: float | None, now: float) -> str:
    """How long ago a moment was, both in seconds since the epoch: ``4m ago``; empty for None."""
    return "" if moment is None else f"{age(now - moment)} ago"


def who(initiated_by: str, automated: bool) -> str:
    """Who began a sync."""
    return "automated" if automated else f"by {initiated_by}" if initiated_by else "by unknown"


LEAST_SUBJECT = 16
"""Cells that a commit's subject keeps: with fewer left, author and age go."""


def commit_spans(commit: Commit | None, now: float, *, room: int, ellipsis: str = "…") -> tuple[Span, ...]:
    """A commit's subject, author and age, two blanks before each; nothing for None.

    Where that is wider than `room` cells the subject is cut in its middle: author and age stay.
    """
    if commit is None:
        return ()
    by = f"{commit.author} {ago(commit.time, now)}"
    left = room - cell_len(clean(by)) - len("  “”  ")
    if left < LEAST_SUBJECT:
        return Span("  "), Span(f"“{cut(commit.subject, max(0, room - len('  “”')), ellipsis)}”")
    subject = cut(commit.subject, left, ellipsis)
    return Span("  "), Span(f"“{subject}”"), Span("  "), Span(by, "muted")


def plural(count: int, one: str, more: str = "") -> str:
    """``1 object``, ``2 objects``, ``1,204 objects``."""
    return f"{count:,} {one if count == 1 else more or f'{one}s'}"
