"""What differs from Git, as lines of text.

Owns: folding, one column or two, what is said of each object. Pure; the rows come from `fleetui.diff.render`.

The marks say what a sync would do, as in `Change`: ``+`` adds the field, ``-`` removes it, ``~`` changes it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from fleetui.diff.render import DiffRow, RowKind, differs, near_differences, rows
from fleetui.fleet.views import AppDiff
from fleetui.model.change import Change, ObjectDiff, Path
from fleetui.model.objects import ObjectRef
from fleetui.model.times import age
from screens.cells import Span, cell_len, clean, fit, wrap
from screens.glyphs import Glyphs
from screens.widgets.lines import Text
from screens.words import commit_spans, plural, short_revision

MARKS = {
    RowKind.ADD: ("+", "add"),
    RowKind.REMOVE: ("-", "remove"),
    RowKind.CHANGE: ("~", "warning"),
    RowKind.EQUAL: ("~", "warning"),  # the same line, and yet a change: an item of a list changes its place
}
ABSENT = "(absent)"
CONTEXT = 1
"""Equal fields that stay beside a difference when the others are folded."""
LEAST_TWO = 72
"""The width from which Git and live stand side by side."""


class Shape(NamedTuple):
    """How a diff is shown: `width` in cells, folded or whole, two columns or one; `left` is the width of the first."""

    width: int
    glyphs: Glyphs
    now: float
    folded: bool = True
    two: bool = True
    left: int = 0


def diff_lines(diff: AppDiff, cluster: str, shape: Shape) -> list[Text]:
    """How it was compared, where that is worth knowing, then all objects of a diff, one after the other."""
    lines = [
        Text((Span(f" {line}", "warning"),), key=(note, number))
        for note in diff.notes
        for number, line in enumerate(wrap(note, shape.width - 2, 3, ellipsis=shape.glyphs.ellipsis))
    ]
    for found in diff.objects:
        lines += [Text(())] if lines else []
        lines += _object(found, diff, cluster, shape)
    return lines


def differences(diff: AppDiff) -> str:
    """``2 differences in 1 object``, ``no differences``."""
    differing = [found for found in diff.objects if found.differs]
    changes = sum(len(found.changes) for found in differing)
    if not differing:
        return "no differences"
    where = plural(len(differing), "object")
    return f"{plural(changes, 'difference')} in {where}" if changes else f"{where} to be made or pruned"


def _object(found: ObjectDiff, diff: AppDiff, cluster: str, shape: Shape) -> list[Text]:
    ref = found.ref
    where = f" in {ref.namespace}" if ref.namespace else ""
    place = f"   {found.file}" + (f":{found.line}" if found.line else "") if found.file else ""
    git = Span(f" Git   {short_revision(diff.revision)}", "muted")
    room = shape.width - cell_len(git.text)
    commit = commit_spans(diff.commit, shape.now, room=room, ellipsis=shape.glyphs.ellipsis)
    head = [
        Text(
            (Span(f" {ref.kind} {ref.name}", "title"), Span(where + place, "muted")),
            key=(ref, "name"),
            stop=not found.changes,
        ),
        Text((git, *commit), key=(ref, "git")),
        Text((Span(f" live  {cluster}", "muted"), *_absence(found)), key=(ref, "live")),
    ]
    if found.live is None and found.desired is None:
        return head
    every = rows(found)
    shape = shape._replace(left=_left_width(every, shape.width))
    lines = folded(every) if shape.folded else every
    seen: Counter[Path] = Counter()  # the lines of a longer text have its path in common
    for row in lines:
        if isinstance(row, Fold):
            head.append(_fold(ref, row, shape))
        else:
            head += _row((ref, row.path, seen[row.path]), row, shape)
            seen[row.path] += 1
    return head


def _absence(found: ObjectDiff) -> tuple[Span, ...]:
    if found.live is None:
        return (Span("  not in the cluster: a sync creates it", "add"),)
    if found.desired is None:
        return (Span("  no longer in Git: a sync prunes it, where prune is on", "remove"),)
    if not found.changes:
        return (Span("  equal", "ok"),)
    return ()


class Fold(NamedTuple):
    """Fields that are equal and not shown; `first` is the first of them."""

    size: int
    first: DiffRow


def folded(found: Sequence[DiffRow]) -> list[DiffRow | Fold]:
    """The rows without the equal ones that explain nothing: what holds a difference, and what stands beside one,
    stays."""
    shown = near_differences(found, CONTEXT)
    lines: list[DiffRow | Fold] = []
    run: list[DiffRow] = []
    for place, row in enumerate(found):
        if place in shown:
            lines += _run(run)
            run = []
            lines.append(row)
        else:
            run.append(row)
    return [*lines, *_run(run)]


def _run(run: Sequence[DiffRow]) -> Iterable[DiffRow | Fold]:
    return run if len(run) < 2 else (Fold(len(run), run[0]),)


def _fold(ref: ObjectRef, fold: Fold, shape: Shape) -> Text:
    dots = shape.glyphs.ellipsis
    text = f"    {'  ' * fold.first.indent}{dots} {plural(fold.size, 'equal field')} {dots}"
    return Text((Span(text, "faint"),), key=(ref, "fold", fold.first.path))


def _row(key: tuple[ObjectRef, Path, int], row: DiffRow, shape: Shape) -> Iterable[Text]:
    stop = row.change is not None or row.move is not None
    if not differs(row):
        yield Text((Span(f"   {_field(row, row.desired)}", "muted"),), key=key)
        return
    if row.live == row.desired:  # an item that moves, or the name of a longer text
        mark, role = MARKS[row.kind]
        yield Text((Span(f" {mark} {_field(row, row.desired)}", role),), stop=stop, key=key)
    elif shape.two and shape.width >= LEAST_TWO and _fits(row, shape):
        yield Text(_side_by_side(row, shape), stop=stop, key=key)
    else:
        if row.live is not None:
            yield Text((Span(f" - {_field(row, row.live)}", "remove"),), stop=stop, key=(*key, "live"))
        if row.desired is not None:
            yield Text((Span(f" + {_field(row, row.desired)}", "add"),), stop=stop and row.live is None, key=key)
    margin = f"     {'  ' * row.indent}"
    if row.move is not None:
        yield Text(
            (Span(f"{margin}moves from position {row.move.before} to {row.move.after}", "muted"),), key=(*key, "move")
        )
    for number, said in enumerate(_sources(row.change, shape, room=shape.width - len(margin))):
        yield Text((Span(f"{margin}{said}", "muted"),), key=(*key, "by", number))


def _field(row: DiffRow, value: str | None) -> str:
    return f"{'  ' * row.indent}{row.key}{' ' if row.key and value else ''}{value or ''}"


def _sides(row: DiffRow) -> tuple[str, str]:
    """The field as Git has it, and the live value."""
    return _field(row, ABSENT if row.desired is None else row.desired), ABSENT if row.live is None else row.live


def _fits(row: DiffRow, shape: Shape) -> bool:
    """Whether both sides are seen whole beside each other: what is cut may be the very difference."""
    left, right = _sides(row)
    room = shape.width - shape.left - 5 - cell_len(shape.glyphs.arrow)
    return cell_len(clean(left)) <= shape.left and cell_len(clean(right)) <= room


def _left_width(found: Sequence[DiffRow], width: int) -> int:
    """As wide as the widest difference needs, and no more than three fifths of the screen."""
    fields = (_sides(row)[0] for row in found if differs(row))
    return min(width * 6 // 10 - 4, max((cell_len(clean(field)) for field in fields), default=0) + 2)


def _side_by_side(row: DiffRow, shape: Shape) -> tuple[Span, ...]:
    """Git on the left with the field's name, live on the right."""
    mark, role = MARKS[row.kind]
    left, right = _sides(row)
    return (
        Span(f" {mark} ", role),
        Span(fit(left, shape.left, ellipsis=shape.glyphs.ellipsis), "faint" if row.desired is None else "add"),
        Span(f" {shape.glyphs.arrow} ", "muted"),
        Span(right, "faint" if row.live is None else "remove"),
    )


def _sources(change: Change | None, shape: Shape, *, room: int) -> list[str]:
    """Who wrote the value in Git, and who set the live one; in one line where there is room."""
    if change is None:
        return []
    git, live = _written(change, shape.now), _set(change, shape.now)
    both = f"{git}   {live}"
    return [both] if git and live and cell_len(clean(both)) <= room else [said for said in (git, live) if said]


def _written(change: Change, now: float) -> str:
    commit = change.commit
    if commit is None:
        return ""
    return f"Git {short_revision(commit.sha)} by {commit.author}, {age(now - commit.time)} ago “{commit.subject}”"


def _set(change: Change, now: float) -> str:
    blame = change.blame
    if blame is None or not blame.manager:
        return ""
    how = f" ({blame.operation})" if blame.operation else ""
    when = f", {age(now - blame.time)} ago" if blame.time is not None else ""
    return f"live by {blame.manager}{how}{when}"
