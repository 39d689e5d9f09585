"""Small texts that every screen shares: times, revisions, people.

Owns: how the model's values are worded. Pure.
"""

from __future__ import annotations

import re

from fleetui.model.change import Commit
from fleetui.model.times import age
from screens.cells import Span

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


def commit_spans(commit: Commit | None, now: float) -> tuple[Span, ...]:
    """A commit's subject, author and age; nothing for None."""
    if commit is None:
        return ()
    return Span(f"“{commit.subject}”"), Span(f"{commit.author} {ago(commit.time, now)}", "muted")


def plural(count: int, one: str, more: str = "") -> str:
    """``1 object``, ``2 objects``, ``1,204 objects``."""
    return f"{count:,} {one if count == 1 else more or f'{one}s'}"
