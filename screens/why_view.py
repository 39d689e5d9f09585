"""What an application waits for: the paragraph, the way to the object that holds it up, and where that was read.

Owns: `WhyScreen` and `why_lines`, which is pure. Live: asked again when the tree or the application has changed. Each
line of the way and of the evidence is about an object, and the keys of the other views work for that one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from textual.app import ComposeResult
from textual.timer import Timer

from screens import causes
from screens.app_base import AppViewScreen
from screens.cells import Span, cell_len, clean, cut, cut_end, pad, wrap
from screens.host import Refetch
from screens.widgets.lines import BarLine, Pager, Text
from screens.widgets.rows import Key
from screens.words import ago

if TYPE_CHECKING:
    from fleetui.fleet.views import ChangeSet, Link, Why
    from fleetui.model.app import AppKey
    from fleetui.model.objects import ObjectRef
    from fleetui.ports import Subscription
    from screens.glyphs import Glyphs

READABLE = 110
"""Cells of a paragraph's line, however wide the screen is."""
_NAMES = 48
"""Cells of the longest name beside which something stands."""


class Place(NamedTuple):
    """Names a line: of which part, of which entry of it, and which of its lines."""

    part: str
    entry: int = 0
    line: int = 0


class WhyScreen(AppViewScreen):
    """Why one application is as it is."""

    SCOPES: ClassVar[tuple[str, ...]] = ("view", "pods", "why", "rows", "pager")
    HINTS: ClassVar[tuple[str, ...]] = (
        "rows.open",
        "view.yaml",
        "pods.logs",
        "pods.events",
        "view.sync",
        "view.refresh",
        "screen.copy_command",
        "screen.help",
    )
    HERE = "w"

    def __init__(self, key: AppKey) -> None:
        super().__init__(key)
        self.pager = Pager(id="why-lines")
        self.pager.opens = self._open
        self._found: Why | None = None
        self._refetch = Refetch(self._ask_why)
        self._watch: Subscription | None = None
        self._due: Timer | None = None

    def body(self) -> ComposeResult:
        yield self.pager

    # --- asking --------------------------------------------------------------------------------------------------

    def load(self) -> None:
        self.pager.say([f"Looking for what it waits for{self.host.glyphs.ellipsis}"])
        self._watch = self.host.hold(lambda fleet: fleet.watch_tree(self.key))
        self._refetch.want()

    def on_unmount(self) -> None:
        if self._watch is not None:
            self._watch.close()

    def _ask_why(self) -> None:
        self.ask(lambda fleet: fleet.why(self.key), self._take, doing="looking for the cause", failed=self._failed)

    def _take(self, found: Why) -> None:
        self._found = found
        self._draw()
        self._refetch.done()

    def _failed(self, message: str) -> None:
        if self._found is None:
            self.say_in(self.pager, message)
        else:
            self.host.tell(message, error=True)
        self._refetch.done()

    def picture_changed(self, change: ChangeSet) -> None:
        if self.key in change.trees or self.key in change.apps or self.key.hub in change.clusters:
            self._soon()
        super().picture_changed(change)

    def _soon(self) -> None:
        """Behind another screen nobody reads it: it is asked again when that is gone."""
        if self._due is None and self.app.screen is self:
            self._due = self.set_timer(causes.SETTLE, self._again, name="why")

    def _again(self) -> None:
        self._due = None
        self._refetch.want()

    def on_screen_resume(self) -> None:
        if self._found is not None:
            self._refetch.want()

    # --- what is shown -------------------------------------------------------------------------------------------

    def head(self) -> Sequence[BarLine]:
        cause = self._found.cause if self._found is not None else ""
        return (*self.title_line(), self.views_line(Span(cause, "bright")))

    def tick(self) -> None:
        """Nobody tells of objects beyond the tree: they are looked at again."""
        if self._found is not None and any(link.by for link in self._found.chain):
            self._soon()
        self._draw()

    def on_resize(self) -> None:  # the base's own handler is called too, after this one
        self._draw()

    def _draw(self) -> None:
        if self._found is not None:
            self.pager.set_lines(why_lines(self._found, self.host.now(), self.size.width, self.host.glyphs))
        self.draw_frame()

    # --- the object under the cursor -----------------------------------------------------------------------------

    def _ref(self) -> ObjectRef | None:
        """What the line under the cursor is about, or else what holds the application up."""
        found, place = self._found, self.pager.key
        if found is None:
            return None
        if isinstance(place, Place) and place.part == "way":
            return found.chain[place.entry].ref
        if isinstance(place, Place) and place.part == "evidence" and (ref := found.evidence[place.entry].ref):
            return ref
        return found.culprit.ref if found.culprit is not None else None

    def about(self) -> tuple[AppKey, ObjectRef | None]:
        ref = self._ref()
        chain = self._found.chain if self._found is not None else ()
        owner = self.key
        for link in chain:
            if (child := self.host.picture.app_at(link.cluster, link.ref)) is not None:
                owner = child
                if link.ref == ref:
                    return owner, None
            elif link.ref == ref:
                break
        return owner, ref

    def _open(self, key: Key) -> None:
        """Goes to the object in the tree; one that the tree does not have is shown as YAML."""
        owner, ref = self.about()
        chain = self._found.chain if self._found is not None else ()
        below = [link for link in chain if link.ref == ref and not link.by]
        if ref is None or below:
            self.show_in_tree(owner, ref)
        else:
            self.action_yaml()


def why_lines(found: Why, now: float, width: int, glyphs: Glyphs) -> list[Text]:
    """The lines of an answer: words, what to do, what could not be asked, the way, the evidence."""
    room = min(width - 3, READABLE)
    parts = [_paragraph("words", found.words, room, "bright"), _paragraph("remedy", found.remedy, room, "")]
    parts.append(_paragraph("notes", " ".join(f"{note.rstrip('.')}." for note in found.notes), room, "warning"))
    parts.append([*_titled("way", "The way", _way(found.chain, width, glyphs))])
    parts.append([*_titled("evidence", "Evidence", _evidence(found, now, width, glyphs.ellipsis))])
    lines = [Text((), key=Place("top"))]
    for number, part in enumerate(filter(None, parts)):
        lines += [*part, Text((), key=Place("blank", number))]
    return lines[:-1]


def _paragraph(part: str, words: str, width: int, role: str) -> list[Text]:
    return [
        Text((Span(f" {line}", role),), key=Place(part, 0, number))
        for number, line in enumerate(wrap(words, width, 20))
    ]


def _titled(part: str, title: str, lines: Iterator[Text]) -> Iterator[Text]:
    first = next(lines, None)
    if first is not None:
        yield Text((Span(f" {title}", "title"),), key=Place(f"title of {part}"))
        yield first
        yield from lines


def _way(chain: Sequence[Link], width: int, glyphs: Glyphs) -> Iterator[Text]:
    """From the application down, each object further in; the last is the one that it is about."""
    names = [f"{'  ' * depth}{link.ref.kind} {link.ref.name}" for depth, link in enumerate(chain)]
    column = min(max((cell_len(clean(name)) for name in names), default=0), _NAMES, width * 3 // 5)
    for entry, (name, link) in enumerate(zip(names, chain, strict=True)):
        is_last = entry == len(chain) - 1
        by = f"{glyphs.arrow} {link.by.removeprefix('spec.')}" if link.by.startswith(("spec.", "status.")) else ""
        shown = pad(cut(name, width - 2, glyphs.ellipsis), column)
        said = cut_end(", ".join(filter(None, (by, link.said))), width - cell_len(shown) - 4, glyphs.ellipsis)
        spans = (Span(f" {shown}", "error" if is_last else ""), Span(f"  {said}", "muted"))
        yield Text(spans, stop=is_last, key=Place("way", entry))


def _evidence(found: Why, now: float, width: int, ellipsis: str) -> Iterator[Text]:
    """What was read, and of which object, unless that is the one before: at first the one with which the way ends."""
    evidence = found.evidence
    heads = [f"{one.kind} {ago(one.time, now).removesuffix(' ago')}".strip() for one in evidence]
    column = max((cell_len(head) for head in heads), default=0)
    last = found.culprit.ref if found.culprit is not None else None
    for entry, (head, one) in enumerate(zip(heads, evidence, strict=True)):
        about = f"{one.ref.kind} {one.ref.name}: " if one.ref is not None and one.ref != last else ""
        last = one.ref
        is_log = one.kind == "log"
        said = f"{about}{' '.join(one.text.split()) if not is_log else one.text}"
        lines = wrap(said, max(20, min(width, READABLE + 20) - column - 5), 4, ellipsis=ellipsis)
        for number, line in enumerate(lines or [""]):
            lead = Span(f" {pad(head if number == 0 else '', column)}", "muted")
            yield Text(
                (lead, Span(f"  {line}", "warning" if one.kind == "event" else "")),
                key=Place("evidence", entry, number),
            )
