"""What differs from Git, to read: as a whole screen, or beside the tree.

Owns: `DiffPane`. The lines are made in `screens.diff_lines`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from screens.widgets.lines import Pager

if TYPE_CHECKING:
    from fleetui.fleet.views import AppDiff
    from screens.host import Host


class DiffPane(Pager):
    """A diff; equal fields are folded, Git and live stand side by side where there is room."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's own name for it
        super().__init__(id=id)
        self.diff: AppDiff | None = None
        self.folded = True
        self.two = True

    def set_diff(self, diff: AppDiff) -> None:
        """Shows a diff; the cursor stays on its field."""
        self.diff = diff
        self.draw_lines()

    def clear_to(self, message: str) -> None:
        """Shows a sentence instead of a diff."""
        self.diff = None
        self.set_lines([])
        self.say([message])

    def draw_lines(self) -> None:
        """Makes the lines anew: for another width, fold or number of columns."""
        if self.diff is None or not self.inner_width:
            return
        from screens.diff_lines import Shape, diff_lines

        host = cast("Host", self.app)
        app = host.picture.apps.get(self.diff.key)
        cluster = host.picture.cluster_of(app) if app is not None else self.diff.key.hub
        shape = Shape(self.inner_width, host.glyphs, host.now(), folded=self.folded, two=self.two)
        self.set_lines(diff_lines(self.diff, cluster, shape))
        if not self.diff.objects:
            self.say(["Nothing differs from Git"])

    def on_resize(self) -> None:  # the base's own handler is called too, after this one
        self.draw_lines()
