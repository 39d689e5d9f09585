"""What a rollout is planned from, as a form: its fields, what can be chosen in each, and how each is typed.

Owns: `Form` and `Field`. Pure; the screen is `screens.rollout_wizard`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

import msgspec
from msgspec.structs import replace

from fleetui.fleet import rolloutrules
from fleetui.fleet.rolloutapi import RolloutRequest, WaveRule
from fleetui.fleet.rolloutpick import newest_first
from fleetui.model.app import AppKey
from fleetui.model.errors import UsageError
from fleetui.model.rollout import CellKey, Delivery, Gate, GateKind
from fleetui.versions import Version, VersionError

T = TypeVar("T")

SEPARATOR = ";"
"""Between waves and between gates, where they are typed."""

_REST = WaveRule("rest", rest=True)
WAVES: tuple[tuple[str, tuple[WaveRule, ...]], ...] = (
    ("canary first", (WaveRule("canary", count=1), WaveRule("25%", percent=25.0), _REST)),
    ("in four", (*(WaveRule(f"{part:g}%", percent=part) for part in (10.0, 25.0, 50.0)), _REST)),
    ("all at once", (WaveRule("all", rest=True),)),
)
_SYNCED = Gate(GateKind.SYNCED)
GATES: tuple[tuple[Gate, ...], ...] = (
    rolloutrules.USUAL_GATES,
    (_SYNCED, Gate(GateKind.HEALTHY, seconds=900.0)),
    (*rolloutrules.USUAL_GATES, Gate(GateKind.APPROVAL)),
    (_SYNCED, Gate(GateKind.HEALTHY)),
)
_MOST_LABELS = 6
"""Labels with more values than this make no waves."""


class Move(msgspec.Struct, frozen=True):
    """One addon: the version it goes to (empty: none is chosen yet), those that are known, the newest first, and how
    many of the chosen cells have which."""

    addon: str
    version: str
    known: tuple[str, ...]
    now: tuple[tuple[str, int], ...]


class Form(msgspec.Struct, frozen=True):
    """Everything that is chosen. `cells` are the chosen ones, `clusters` those that a command line names for the same
    (empty: all that have the addons; None: it can't be said so). `presets`: waves that can be chosen."""

    moves: tuple[Move, ...]
    cells: tuple[AppKey, ...] = ()
    clusters: tuple[str, ...] | None = ()
    presets: tuple[tuple[str, tuple[WaveRule, ...]], ...] = WAVES
    waves: tuple[WaveRule, ...] = WAVES[0][1]
    gates: tuple[Gate, ...] = GATES[0]
    failures_allowed: int = 0
    delivery: Delivery = Delivery.COMMIT
    message: str = ""
    name: str = ""

    @property
    def missing(self) -> str:
        """What must be chosen before it can be planned; empty where nothing has to."""
        unset = [move.addon for move in self.moves if not move.version]
        return f"To which version does {unset[0]} go? enter types one" if unset else ""

    @property
    def request(self) -> RolloutRequest:
        """What is planned."""
        return RolloutRequest(
            moves={move.addon: move.version for move in self.moves},
            cells=self.cells,
            waves=self.waves,
            gates=self.gates,
            failures_allowed=self.failures_allowed,
            delivery=self.delivery,
            message=self.message,
            name=self.name,
        )

    def command(self, contexts: tuple[str, ...]) -> str:
        """The command that starts the same; empty where none can: single cells were marked."""
        if self.clusters is None:
            return ""
        return rolloutrules.command_line(self.request, self.clusters, contexts=contexts)


class Field(msgspec.Struct, frozen=True):
    """One row of the form: what it is called, what stands there, and what it is good for."""

    key: str
    title: str
    value: str
    help: str


# --- how it begins ---------------------------------------------------------------------------------------------------


def form_of(
    chosen: Sequence[tuple[AppKey, CellKey, str]],
    known: Mapping[str, Sequence[str]],
    every: Mapping[str, Mapping[AppKey, CellKey]],
    labels: Iterable[Mapping[str, str]],
    *,
    version: str = "",
) -> Form:
    """The form for chosen cells.

    Args:
        chosen: each cell's application, its place, and its version.
        known: the versions of each addon that the fleet has, the newest first.
        every: all cells of the fleet, by addon.
        labels: those of the clusters that take part.
        version: where they go to; empty: the newest that is known, where not all have it.
    """
    moves = []
    for addon in dict.fromkeys(cell.addon for _, cell, _ in chosen):
        now = Counter(at for _, cell, at in chosen if cell.addon == addon)
        versions = tuple(known.get(addon, ()))
        newest = versions[0] if versions and set(now) != {versions[0]} else ""
        moves.append(Move(addon, version or newest, versions, tuple(now.most_common())))
    apps = {app for app, _, _ in chosen}
    everything = {app for move in moves for app in every.get(move.addon, ())}
    clusters = _clusters(chosen, every)
    return Form(
        moves=tuple(moves),
        cells=() if apps == everything else tuple(app for app, _, _ in chosen),
        clusters=() if apps == everything else clusters,
        presets=(*WAVES, *by_labels(labels)),
    )


def _clusters(
    chosen: Sequence[tuple[AppKey, CellKey, str]], every: Mapping[str, Mapping[AppKey, CellKey]]
) -> tuple[str, ...] | None:
    """The clusters that name the chosen cells; None where other cells of the same addons are on them too."""
    clusters = tuple(dict.fromkeys(cell.cluster for _, cell, _ in chosen))
    named = {
        app
        for addon in {cell.addon for _, cell, _ in chosen}
        for app, cell in every.get(addon, {}).items()
        if cell.cluster in clusters
    }
    return clusters if named == {app for app, _, _ in chosen} else None


def by_labels(labels: Iterable[Mapping[str, str]]) -> Iterable[tuple[str, tuple[WaveRule, ...]]]:
    """Waves by the values of each label that tells the clusters apart, that of the fewest clusters first."""
    values: dict[str, Counter[str]] = {}
    several = list(labels)
    for each in several:
        for label, value in each.items():
            if "kubernetes.io/" not in label and value:
                values.setdefault(label, Counter()).update([value])
    for label, counted in sorted(values.items()):
        if 1 < len(counted) <= _MOST_LABELS:
            ordered = sorted(counted, key=lambda value: (counted[value], value))
            waves = [WaveRule(value, labels=f"{label}={value}") for value in ordered]
            rest = (_REST,) if counted.total() < len(several) else ()
            yield f"by {label}", (*waves, *rest)


def informed(form: Form, addon: str, versions: Iterable[str]) -> Form:
    """The form that offers these versions of an addon too; the newest release is chosen where none was."""

    def told(move: Move) -> Move:
        known = tuple(newest_first({*move.known, *versions}))
        running = {version for version, _ in move.now}
        newest = next((each for each in known if not _is_prerelease(each)), "")
        chosen = move.version or (newest if running != {newest} else "")
        return replace(move, known=known, version=chosen)

    return replace(form, moves=tuple(told(move) if move.addon == addon else move for move in form.moves))


def _is_prerelease(version: str) -> bool:
    try:
        return bool(Version.loose(version).prerelease)
    except VersionError:
        return True


# --- its rows --------------------------------------------------------------------------------------------------------


def fields(form: Form, arrow: str) -> list[Field]:
    """The rows of the form, top to bottom."""
    rows = [_move(move, arrow, single=len(form.moves) == 1) for move in form.moves]
    delivery = "commits on the branch" if form.delivery is Delivery.COMMIT else "a pull request for each wave"
    return [
        *rows,
        Field("waves", "waves", waves_words(form), f"Waves, in order, {SEPARATOR} between: {rolloutrules.WAVE_HELP}"),
        Field(
            "gates",
            "gates",
            gates_text(form.gates) or "none",
            f"What holds each wave, {SEPARATOR} between: {rolloutrules.GATE_HELP}",
        ),
        Field("failures", "may fail", str(form.failures_allowed), "So many cells may fail, over all, before it halts"),
        Field("delivery", "delivery", delivery, "How each wave gets into Git"),
        Field("message", "message", form.message or "made up", "The subject of the commits"),
        Field("name", "name", form.name or "made up", "What the rollout is called"),
    ]


def _move(move: Move, arrow: str, *, single: bool) -> Field:
    now = ", ".join(f"{version or '?'} x{count}" for version, count in move.now)
    value = f"{move.addon}  {now} {arrow} {move.version or '?'}"
    known = f"Known: {', '.join(move.known)}; enter types another one" if move.known else "enter types a version"
    return Field(f"move:{move.addon}", "addon" if single else "addons", value, known)


def waves_words(form: Form) -> str:
    """``canary first: canary:1; 25%; rest``."""
    preset = next((name for name, waves in form.presets if waves == form.waves), "")
    text = waves_text(form.waves)
    return f"{preset}: {text}" if preset else text


def waves_text(waves: Sequence[WaveRule]) -> str:
    """Waves as they are typed."""
    return f"{SEPARATOR} ".join(map(rolloutrules.wave_text, waves))


def gates_text(gates: Sequence[Gate]) -> str:
    """Gates as they are typed."""
    return f"{SEPARATOR} ".join(map(rolloutrules.gate_text, gates))


# --- changes ---------------------------------------------------------------------------------------------------------


def typed(form: Form, key: str) -> str:
    """What stands in the line in which a field is typed."""
    if key.startswith("move:"):
        return next(move.version for move in form.moves if key == f"move:{move.addon}")
    return {
        "waves": waves_text(form.waves),
        "gates": gates_text(form.gates),
        "failures": str(form.failures_allowed),
        "delivery": form.delivery.value,
        "message": form.message,
        "name": form.name,
    }[key]


def entered(form: Form, key: str, text: str) -> Form:
    """The form with what was typed for a field.

    Raises:
        UsageError: it can't be read.
    """
    text = text.strip()
    parts = [part.strip() for part in text.split(SEPARATOR) if part.strip()]
    if key.startswith("move:"):
        return _moved(form, key, text)
    if key == "waves":
        if not parts:
            raise UsageError("there is no wave", f"write {rolloutrules.WAVE_HELP}")
        return replace(form, waves=tuple(map(rolloutrules.wave_rule, parts)))
    if key == "gates":
        return replace(form, gates=tuple(map(rolloutrules.gate, parts)))
    if key == "failures":
        if not text.isdecimal():
            raise UsageError(f"{text!r} is no number of cells")
        return replace(form, failures_allowed=int(text))
    if key == "delivery":
        if text not in {each.value for each in Delivery}:
            raise UsageError(f"{text!r} is no delivery", f"write {' or '.join(each.value for each in Delivery)}")
        return replace(form, delivery=Delivery(text))
    return replace(form, **{key: text})


def turned(form: Form, key: str, by: int) -> Form | None:
    """The form with the next known value of a field, `by` 1 or -1; None where nothing can be chosen."""
    if key.startswith("move:"):
        move = next(move for move in form.moves if key == f"move:{move.addon}")
        return _moved(form, key, _next(move.known, move.version, by)) if move.known else None
    if key == "waves":
        return replace(form, waves=_next([waves for _, waves in form.presets], form.waves, by))
    if key == "gates":
        return replace(form, gates=_next(GATES, form.gates, by))
    if key == "failures":
        return replace(form, failures_allowed=max(0, form.failures_allowed + by))
    if key == "delivery":
        return replace(form, delivery=_next(list(Delivery), form.delivery, by))
    return None


def _moved(form: Form, key: str, version: str) -> Form:
    moves = (replace(move, version=version) if key == f"move:{move.addon}" else move for move in form.moves)
    return replace(form, moves=tuple(moves))


def _next(values: Sequence[T], value: T, by: int) -> T:
    """The value after (or before) `value`; the first where it is none of them."""
    return values[(values.index(value) + by) % len(values)] if value in values else values[0]
