"""What stands where there are no applications: why, and what to do.

Owns: `no_applications`. Pure but for the host it reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from screens.cells import wrap

if TYPE_CHECKING:
    from screens.host import Host

LOOKED_FOR = "applications.argoproj.io and Flux's Kustomizations and HelmReleases"


def no_applications(host: Host, width: int) -> list[str]:
    """The lines for a list in which there is not one application, on a screen of `width` cells; the first is the
    answer."""
    picture, room = host.picture, width - 4
    names = ", ".join(sorted(picture.clusters) or host.contexts)
    if host.failure:
        return [*wrap(host.failure, room, 6), "", "r tries again, q quits"]
    if host.fleet is None or not picture.clusters:
        return [f"Connecting to {names or 'the current context'}{host.glyphs.ellipsis}"]
    if picture.loading:
        waiting = ", ".join(sorted(picture.loading))
        return [f"Loading the applications of {waiting}{host.glyphs.ellipsis}"]
    if picture.problems:
        told = [f"{name}: {problem}" for name, problem in sorted(picture.problems.items())]
        return [line for text in told for line in wrap(text, room, 4)]
    if picture.narrowed:
        seen = [f"{name}: {part.words}: {part.refusal}" for name, part in sorted(picture.narrowed.items())]
        return [
            *wrap(f"No applications on {names}", room, 2),
            *(line for text in seen for line in wrap(text, room, 4)),
        ]
    silent = [f"{s.name} is {s.state.value}: {s.message}" for s in picture.clusters.values() if s.message]
    where = [line for text in silent for line in wrap(text, room, 3)]
    looked_for = wrap(f"Looked for {LOOKED_FOR} in every namespace", room, 2)
    return [*wrap(f"No applications on {names}", room, 2), *looked_for, *where]
