"""A plan as lines of text.

Owns: what the dialog says of an action. Pure but for the host it reads names and colours from.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from screens.cells import Line, Span, cell_len, clean, pad, width_of, wrap
from screens.glyphs import Glyphs
from screens.theme import cluster_role
from screens.widgets.lines import Text
from screens.words import commit_spans, short_revision

if TYPE_CHECKING:
    from fleetui.fleet.views import Action, Plan, PlanEntry
    from fleetui.model.change import Commit
    from screens.host import Host

_IN_GIT = " in Git"
_VERBS = {
    "sync": "Sync",
    "rollback": "Roll back",
    "revert": f"Roll back{_IN_GIT}",
    "suspend": "Suspend",
    "resume": "Resume",
    "terminate": "Terminate",
}
_SAME_AS = " same as: "
VERB_ROLE = {"create": "add", "change": "info", "prune": "remove", "delete": "remove", "keep": "muted"}


def verb_of(action: Action) -> str:
    """What the button says."""
    if action.kind.value == "refresh":
        return "Hard refresh" if action.hard else "Refresh"
    verb = _VERBS[action.kind.value]
    return f"{verb} (dry run)" if action.dry_run else verb


def title_spans(action: Action, host: Host) -> Line:
    """``Sync payments-service on prod-eu-1 ⚿``."""
    app = host.picture.apps.get(action.app)
    cluster = host.picture.cluster_of(app) if app is not None else action.app.hub
    lock = (Span(f" {host.glyphs.protected}", "warning"),) if host.picture.protected(cluster) else ()
    role = cluster_role(host.picture.place(cluster))
    verb = verb_of(action)
    where = _IN_GIT if verb.endswith(_IN_GIT) else ""
    what = f"{verb.removesuffix(_IN_GIT)} {action.app.name}"
    return (Span(what, "title"), Span(" on "), Span(cluster, role), *lock, Span(where, "title"))


def plan_lines(plan: Plan, now: float, width: int, *, glyphs: Glyphs) -> list[Text]:
    """The plan: from which commit to which, what happens to each object, what forbids it, what is worth knowing."""
    lines = [*_revisions(plan, now, width, glyphs=glyphs), *_only(plan, width)]
    if plan.entries:
        lines += [Text(()), *_entries(plan.entries, width, glyphs)]
    for text in plan.refusals:
        lines += [Text(()), *_bullets(text, width, Span(f" {glyphs.degraded} ", "error"), "error")]
    if plan.notes:
        lines.append(Text(()))
    for text in plan.notes:
        lines += _bullets(text, width, Span(" - ", "muted"), "")
    return lines if not lines or lines[0].spans else lines[1:]


def _revisions(plan: Plan, now: float, width: int, *, glyphs: Glyphs) -> list[Text]:
    kind = plan.action.kind.value
    if kind == "refresh":
        more = ", and drops what is cached of it" if plan.action.hard else ""
        return [Text((Span(f" Compares it with Git anew{more}; nothing is applied", ""),))]
    lines = []
    if plan.from_revision:
        start: Line = (Span(" from  ", "muted"), Span(short_revision(plan.from_revision)))
        lines.append(_revision(start, plan.from_commit, now, width=width, glyphs=glyphs))
    if plan.to_revision:
        word = " to    " if plan.from_revision != plan.to_revision else " same  "
        start = (Span(word, "muted"), Span(short_revision(plan.to_revision), "bright"))
        lines.append(_revision(start, plan.to_commit, now, width=width, glyphs=glyphs))
    return lines


def _revision(start: Line, commit: Commit | None, now: float, *, width: int, glyphs: Glyphs) -> Text:
    return Text((*start, *commit_spans(commit, now, room=width - width_of(start), ellipsis=glyphs.ellipsis)))


def _only(plan: Plan, width: int) -> list[Text]:
    refs = plan.action.resources
    if not refs:
        return []
    names = ", ".join(f"{ref.kind} {ref.name}" for ref in refs)
    return _bullets(f"only {names}", width, Span(" ", ""), "warning")


def _entries(entries: Sequence[PlanEntry], width: int, glyphs: Glyphs) -> list[Text]:
    """Objects by what happens to them: the count and the verb stand beside the first of each."""
    order = list(dict.fromkeys(entry.verb for entry in entries))
    by_verb = sorted(entries, key=lambda entry: order.index(entry.verb))
    names = [f"{entry.ref.kind} {entry.ref.name}" for entry in entries]
    name_width = min(max(cell_len(clean(name)) for name in names), width // 2)
    lines = []
    for verb, group in groupby(by_verb, key=lambda entry: entry.verb):
        found = list(group)
        for number, entry in enumerate(found):
            head = f" {len(found)} {verb}" if number == 0 else ""
            name = pad(clean(f"{entry.ref.kind} {entry.ref.name}"), name_width)
            lines.append(
                Text(
                    (
                        Span(pad(head, 11), VERB_ROLE.get(verb, "")),
                        Span(name, "" if verb != "keep" else "muted"),
                        Span(f"  {entry.summary}", "muted"),
                    )
                )
            )
    return lines


def _bullets(text: str, width: int, bullet: Span, role: str) -> list[Text]:
    indent = Span(" " * cell_len(bullet.text))
    room = width - cell_len(bullet.text)
    return [
        Text((bullet if number == 0 else indent, Span(line, role))) for number, line in enumerate(wrap(text, room, 6))
    ]


def command_lines(command: str, width: int) -> list[Line]:
    """The same action as a command line."""
    return [text.spans for text in _bullets(command, width, Span(_SAME_AS, "muted"), "muted")]
