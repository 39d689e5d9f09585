"""One live object as YAML, secrets masked.

Owns: `ManifestScreen`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult

from screens.app_base import AppViewScreen
from screens.cells import Span
from screens.widgets.lines import BarLine, Pager, Text

if TYPE_CHECKING:
    from fleetui.fleet.api import Fleet
    from fleetui.model.app import AppKey
    from fleetui.model.objects import Obj, ObjectRef


class ManifestScreen(AppViewScreen):
    """The object of `ref`; without one the application's own."""

    SCOPES: ClassVar[tuple[str, ...]] = ("view", "pods", "why", "rows", "pager")
    HINTS: ClassVar[tuple[str, ...]] = ("view.tree", "view.diff", "view.history", "screen.copy_name", "screen.help")
    HERE = "y"

    def __init__(self, key: AppKey, ref: ObjectRef | None = None) -> None:
        super().__init__(key)
        self._ref = ref
        self.pager = Pager(id="manifest")

    def body(self) -> ComposeResult:
        yield self.pager

    def node(self) -> ObjectRef | None:
        return self._ref

    def load(self) -> None:
        self.pager.say([f"Reading the object{self.host.glyphs.ellipsis}"])
        self.ask(self._question, self._answer, doing="reading the object", failed=self.say_failed)

    async def _question(self, fleet: Fleet) -> tuple[ObjectRef, Obj]:
        ref = self._ref or (await fleet.tree(self.key)).nodes[0].ref
        return ref, await fleet.manifest(self.key, ref)

    def _answer(self, found: tuple[ObjectRef, Obj]) -> None:
        self._ref, obj = found
        self.pager.set_lines([yaml_line(line) for line in to_yaml(obj).splitlines()])
        self.draw_frame()

    def say_failed(self, message: str) -> None:
        self.pager.set_lines([])
        self.say_in(self.pager, message)

    def head(self) -> Sequence[BarLine]:
        ref = self._ref
        what = [Span(f"{ref.kind} {ref.name}", "bright")] if ref is not None else []
        return (*self.title_line(*what), self.views_line())

    def name_under_cursor(self) -> str:
        return self._ref.name if self._ref else self.key.name


def to_yaml(obj: Obj) -> str:
    """An object as YAML, keys in the object's order; what isn't printable comes out escaped."""
    import yaml

    text: str = yaml.dump(
        obj, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper), sort_keys=False, allow_unicode=True, width=10_000
    )
    return text


def yaml_line(line: str) -> Text:
    """A line of YAML: the key stands back, the value forward."""
    body = line.lstrip(" -")
    lead = line[: len(line) - len(body)]
    key, colon, value = body.partition(":")
    if not colon or key.startswith(("'", '"', "|", ">")) or (value and not value.startswith(" ")):
        return Text((Span(line),))
    return Text((Span(f"{lead}{key}:", "muted"), Span(value)))
