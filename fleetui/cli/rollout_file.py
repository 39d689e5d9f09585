"""A rollout that is written down: the YAML file of ``fleetui rollout plan -f``.

Owns: `read_file`, from text to what was asked for; its fields are in docs/rollouts.md. Every error names file and line.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path as FilePath
from typing import Any, NoReturn, TypeVar

import msgspec

from fleetui.fleet import rolloutrules
from fleetui.fleet.rolloutapi import RolloutRequest, WaveRule
from fleetui.model.change import Path
from fleetui.model.errors import ManifestError, UsageError
from fleetui.model.objects import ClusterName
from fleetui.model.rollout import Delivery, Gate, GateKind
from fleetui.model.times import parse_duration
from fleetui.render.lines import lines_of
from fleetui.render.yaml import decode, documents

T = TypeVar("T")

_FIELDS = (
    "addons", "clusters", "selector", "waves", "gates", "maxFailures", "patience", "delivery", "message", "name", "hub",
    "truths", "field",
)  # fmt: skip
_RULES = ("labels", "percent", "count", "clusters", "rest")
_WAVE_FIELDS = ("name", *_RULES, "gates", "maxFailures")
_GATE_FIELDS = ("kind", "for", "within", "url", "query", "condition")
_DELIVERIES = tuple(each.value for each in Delivery)


class Written(msgspec.Struct, frozen=True):
    """What the file asks for. `clusters` and `selector` choose where, empty: everywhere."""

    request: RolloutRequest
    clusters: tuple[str, ...] = ()
    selector: str = ""


def read_file(path: FilePath) -> Written:
    """The rollout that a file describes.

    Raises:
        UsageError: it can't be read, or something in it is wrong; with the line.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from error
    return parse_text(content, path=str(path))


def parse_text(content: bytes, *, path: str) -> Written:
    """As `read_file`, of the file's content.

    Raises:
        UsageError: something in it is wrong; with the line.
    """
    try:
        text = decode(content, path=path)
        found = list(documents(content, path=path))
    except ManifestError as error:
        raise UsageError(str(error)) from error
    if len(found) != 1:
        raise UsageError(f"{path}: it holds {len(found)} documents", "a rollout is one mapping with addons and waves")
    return _Reader(path, text, found[0].line).written(found[0].value)


class _Reader:
    """Reads the parts of one document; what is wrong is raised with the line it stands on."""

    def __init__(self, path: str, text: str, first: int) -> None:
        self._path = path
        self._text = text
        self._first = first

    def written(self, value: Any) -> Written:
        top = self._mapping(value, (), _FIELDS)
        addons = self._mapping(top.get("addons"), ("addons",), None) if "addons" in top else {}
        if not addons:
            self._wrong((), "no addons: which goes to which version", "addons: {cert-manager: 1.15.0}")
        request = RolloutRequest(
            moves={name: self._text_at(version, ("addons", name)) for name, version in addons.items()},
            waves=tuple(self._wave(each, ("waves", n)) for n, each in enumerate(self._list(top, "waves"))),
            gates=self._gates(top, ()) or rolloutrules.USUAL_GATES,
            failures_allowed=self._number(top, "maxFailures", ()) or 0,
            patience=self._duration(top, "patience"),
            delivery=self._delivery(top),
            message=self._optional(top, "message"),
            name=self._optional(top, "name"),
            hub=ClusterName(self._optional(top, "hub")),
            truths=tuple(
                self._told(("truths", n), rolloutrules.truth, self._text_at(each, ("truths", n)))
                for n, each in enumerate(self._list(top, "truths"))
            ),
            field=self._optional(top, "field"),
        )
        clusters = tuple(self._text_at(each, ("clusters", n)) for n, each in enumerate(self._list(top, "clusters")))
        return Written(request, clusters, self._labels(top, "selector", ()))

    def _wave(self, value: Any, at: Path) -> WaveRule:
        if isinstance(value, str):
            return self._told(at, rolloutrules.wave_rule, value)
        wave = self._mapping(value, at, _WAVE_FIELDS)
        rules = [name for name in _RULES if wave.get(name) not in (None, False)]
        if len(rules) != 1:
            said = f"it has {' and '.join(rules)}" if rules else "it has no rule"
            self._wrong(at, said, f"exactly one of {', '.join(_RULES)}")
        rule = WaveRule(
            name=self._text_at(wave["name"], (*at, "name")) if "name" in wave else "",
            labels=self._labels(wave, "labels", at),
            percent=self._percent(wave, at),
            count=self._number(wave, "count", at),
            clusters=tuple(
                ClusterName(self._text_at(each, (*at, "clusters", n)))
                for n, each in enumerate(self._list(wave, "clusters", at))
            ),
            rest=rules == ["rest"],
            gates=self._gates(wave, at),
            failures_allowed=self._number(wave, "maxFailures", at),
        )
        if rule.count == 0:
            self._wrong((*at, "count"), "a wave has at least one cluster")
        return rule if rule.name else msgspec.structs.replace(rule, name=rolloutrules.rule_text(rule))

    def _gates(self, holder: dict[str, Any], at: Path) -> tuple[Gate, ...] | None:
        if "gates" not in holder:
            return None
        return tuple(self._gate(each, (*at, "gates", n)) for n, each in enumerate(self._list(holder, "gates", at)))

    def _gate(self, value: Any, at: Path) -> Gate:
        if isinstance(value, str):
            return self._told(at, rolloutrules.gate, value)
        parts = self._mapping(value, at, _GATE_FIELDS)
        kinds = [each.value for each in GateKind]
        kind = parts.get("kind")
        if kind not in kinds:
            self._wrong((*at, "kind") if "kind" in parts else at, f"kind is {kind!r}", f"one of {', '.join(kinds)}")
        words = {name: self._text_at(parts[name], (*at, name)) for name in _GATE_FIELDS[1:] if name in parts}
        times = words.pop("for", "") + (f"/{words['within']}" if words.get("within") else "")
        words.pop("within", None)
        try:
            return rolloutrules.made_gate(GateKind(kind), times, where=str(kind), **words)
        except UsageError as error:
            self._wrong(at, error.message, error.hint)

    def _delivery(self, top: dict[str, Any]) -> Delivery:
        value = top.get("delivery", Delivery.COMMIT.value)
        if value not in _DELIVERIES:
            self._wrong(("delivery",), f"delivery is {value!r}", f"one of {', '.join(_DELIVERIES)}")
        return Delivery(value)

    # --- parts ------------------------------------------------------------------------------------------------------

    def _mapping(self, value: Any, at: Path, known: Sequence[str] | None) -> dict[str, Any]:
        if not isinstance(value, dict):
            self._wrong(at, "it is no mapping", f"with {', '.join(known)}" if known else "name: value")
        unknown = next((name for name in value if known and name not in known), None)
        if known and unknown is not None:
            self._wrong((*at, unknown), f"there is no field {unknown}", f"there are {', '.join(known)}")
        return dict(value)

    def _list(self, holder: dict[str, Any], name: str, at: Path = ()) -> list[Any]:
        value = holder.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            self._wrong((*at, name), f"{name} is no list")
        return value

    def _text_at(self, value: Any, at: Path) -> str:
        """A text; a bare number is refused, because YAML has made 1.1 of 1.10 by now."""
        if not value or isinstance(value, bool) or not isinstance(value, str | int):
            self._wrong(at, f"{value!r} is no text", 'write it in quotes, as "1.10"')
        return str(value)

    def _optional(self, holder: dict[str, Any], name: str) -> str:
        return self._text_at(holder[name], (name,)) if holder.get(name) else ""

    def _number(self, holder: dict[str, Any], name: str, at: Path) -> int | None:
        value = holder.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            self._wrong((*at, name), f"{name} is {value!r}", "a number, 0 or more")
        return value

    def _duration(self, top: dict[str, Any], name: str) -> float:
        if top.get(name) is None:
            return rolloutrules.PATIENCE
        try:
            return parse_duration(self._text_at(top[name], (name,)))
        except ValueError as error:
            self._wrong((name,), str(error))

    def _percent(self, holder: dict[str, Any], at: Path) -> float | None:
        value = holder.get("percent")
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 100:
            self._wrong((*at, "percent"), f"percent is {value!r}", "more than 0, at most 100")
        return float(value)

    def _labels(self, holder: dict[str, Any], name: str, at: Path) -> str:
        value = holder.get(name)
        if value is None:
            return ""
        text = self._text_at(value, (*at, name))
        return self._told((*at, name), lambda said: rolloutrules.checked_labels(said, said), text)

    def _told(self, at: Path, read: Callable[[str], T], text: str) -> T:
        try:
            return read(text)
        except UsageError as error:
            self._wrong(at, error.message, error.hint)

    def _wrong(self, at: Path, said: str, hint: str = "") -> NoReturn:
        lines = lines_of(self._text, self._first, at)
        where = ".".join(str(part) for part in at)
        named = f"{where}: {said}" if where else said
        raise UsageError(f"{self._path}:{lines[0] if lines else self._first}: {named}", hint)
