"""What differs from Git, as lines of text.

Owns: folding, one column or two, what is said of each object. Pure; the rows come from `fleetui.diff.render`.

The marks say what a sync would do, as in `Change`: ``+`` adds the field, ``-`` removes it, ``~`` changes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from fleetui.diff.render import DiffRow, rows
from fleetui.fleet.views import AppDiff
from fleetui.model.change import Change, ObjectDiff
from fleetui.model.times import age
from screens.cells import Span, cell_len, clean, cut_end, fit
from screens.glyphs import Glyphs
from screens.widgets.lines import Text
from screens.words import commit_spans, plural, short_revision

MARKS = {"add": ("+", "add"), "remove": ("-", "remove"), "change": ("~", "warning")}
CONTEXT = 1
"""Equal fields that stay beside a difference when the others are folded."""
LEAST_TWO = 72
"""The width from which Git and live stand side by side."""


class Shape(NamedTuple):
    """How a diff is shown: `width` in cells, folded or whole, two columns or one."""

    width: int
    glyphs: Glyphs
    now: float
    folded: bool = True
    two: bool = True


def diff_lines(diff: AppDiff, cluster: str, shape: Shape) -> list[Text]:
    """All objects of a diff, one after the other."""
    lines: list[Text] = []
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
    commit = tuple(span for part in commit_spans(diff.commit, shape.now) for span in (Span("  "), part))
    head = [
        Text(
            (Span(f" {ref.kind} {ref.name}", "title"), Span(where + place, "muted")),
            key=(ref, "name"),
            stop=not found.changes,
        ),
        Text((Span(f" Git   {short_revision(diff.revision)}", "muted"), *commit), key=(ref, "git")),
        Text((Span(f" live  {cluster}", "muted"), *_absence(found)), key=(ref, "live")),
    ]
    if found.live is None and found.desired is None:
        return head
    lines = folded(rows(found)) if shape.folded else list(rows(found))
    for row in lines:
        head += [_fold(ref, row, shape)] if isinstance(row, Fold) else list(_row(ref, row, shape))
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
    paths = {row.path[:length] for row in found if row.kind != "equal" for length in range(len(row.path))}
    different = [place for place, row in enumerate(found) if row.kind != "equal"]
    near = {place + step for place in different for step in range(-CONTEXT, CONTEXT + 1)}
    lines: list[DiffRow | Fold] = []
    run: list[DiffRow] = []
    for place, row in enumerate(found):
        if row.kind != "equal" or row.path in paths or place in near:
            lines += _run(run)
            run = []
            lines.append(row)
        else:
            run.append(row)
    return [*lines, *_run(run)]


def _run(run: Sequence[DiffRow]) -> Iterable[DiffRow | Fold]:
    return run if len(run) < 2 else (Fold(len(run), run[0]),)


def _fold(ref: object, fold: Fold, shape: Shape) -> Text:
    dots = shape.glyphs.ellipsis
    text = f"    {'  ' * fold.first.indent}{dots} {plural(fold.size, 'equal field')} {dots}"
    return Text((Span(text, "faint"),), key=(ref, "fold", fold.first.path))


def _row(ref: object, row: DiffRow, shape: Shape) -> Iterable[Text]:
    key = (ref, row.path)
    if row.kind == "equal":
        yield Text((Span(f"   {_field(row, row.desired)}", "muted"),), key=key)
        return
    if shape.two and shape.width >= LEAST_TWO:
        yield Text(_side_by_side(row, shape), stop=row.change is not None, key=key)
    else:
        if row.kind != "add":
            yield Text(
                (Span(f" - {_field(row, row.live)}", "remove"),), stop=row.change is not None, key=(*key, "live")
            )
        if row.kind != "remove":
            stop = row.change is not None and row.kind == "add"
            yield Text((Span(f" + {_field(row, row.desired)}", "add"),), stop=stop, key=key)
    if row.change is not None and (said := _blame(row.change, shape.now)):
        yield Text((Span(f"     {'  ' * row.indent}{said}", "muted"),), key=(*key, "blame"))


def _field(row: DiffRow, value: str) -> str:
    return f"{'  ' * row.indent}{row.key}{' ' if row.key and value else ''}{value}"


def _side_by_side(row: DiffRow, shape: Shape) -> tuple[Span, ...]:
    mark, role = MARKS[row.kind]
    half = shape.width * 6 // 10 - 4
    absent = "(absent)"
    left = fit(_field(row, absent if row.kind == "remove" else row.desired), half, ellipsis=shape.glyphs.ellipsis)
    room = shape.width - half - 3 - cell_len(shape.glyphs.arrow) - 2
    right = cut_end(absent if row.kind == "add" else row.live, room, shape.glyphs.ellipsis)
    gone = "faint" if row.kind == "add" else "remove"
    here = "faint" if row.kind == "remove" else "add"
    return Span(f" {mark} ", role), Span(left, here), Span(f" {shape.glyphs.arrow} ", "muted"), Span(clean(right), gone)


def _blame(change: Change, now: float) -> str:
    """Who set the live value, and when."""
    blame = change.blame
    if blame is None or not blame.manager:
        return ""
    how = f" ({blame.operation})" if blame.operation else ""
    when = f", {age(now - blame.time)} ago" if blame.time is not None else ""
    return f"live by {blame.manager}{how}{when}"
