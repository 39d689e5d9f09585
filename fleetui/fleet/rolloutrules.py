"""The words in which waves, gates and moves of a rollout are written, read and written back.

Owns: the grammar that the command line, the file of ``-f`` and the console's wizard share, in both directions: what
`wave_rule` and `gate` read, `wave_text` and `gate_text` write. Pure.
"""

from __future__ import annotations

import re
import shlex

from fleetui.fleet.rolloutapi import RolloutRequest, WaveRule
from fleetui.model import selectors
from fleetui.model.errors import UsageError
from fleetui.model.objects import ClusterName
from fleetui.model.rollout import Delivery, Gate, GateKind
from fleetui.model.times import format_duration, parse_duration

USUAL_GATES = (Gate(GateKind.SYNCED), Gate(GateKind.HEALTHY, seconds=300.0))
"""What a wave is held by where nothing else is asked for."""

PATIENCE = RolloutRequest(moves={}).patience
"""Seconds for which a cell may be degraded, where nothing else is asked for."""

GATE_HELP = "synced, healthy:5m, approval, metric:URL:QUERY:< 0.01 or webhook:URL, each with :FOR/WITHIN as in 5m/1h"
WAVE_HELP = "NAME:RULE, where RULE is 3, 25%, stage=prod, clusters:a,b or rest"

_TIMES = re.compile(r"(?P<for>[0-9][0-9a-zµ.]*)?(?:/(?P<within>[0-9][0-9a-zµ.]*))?")
_URL = r"(?P<url>https?://(?:\[[^\]\s]*\]|[^/:\s]+)(?::\d+)?(?:/[^:\s]*)?)"
_METRIC = re.compile(rf"{_URL}:(?P<query>.+):\s*(?P<condition>(?:==|!=|<=|>=|<|>)\s*[-+]?[0-9.]+(?:[eE][-+]?\d+)?)\s*")
_CONDITION = re.compile(r"\s*(==|!=|<=|>=|<|>)\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*")
_CLUSTERS = "clusters:"


# --- moves ----------------------------------------------------------------------------------------------------------


def move(text: str) -> tuple[str, str]:
    """``cert-manager=1.15.0`` as addon and version.

    Raises:
        UsageError: it is not ADDON=VERSION.
    """
    addon, sign, version = (part.strip() for part in text.partition("="))
    if not (addon and sign and version):
        raise UsageError(f"{text!r} is no ADDON=VERSION", "e.g. cert-manager=1.15.0")
    return addon, version


def truth(text: str) -> str:
    """``URL#PATH`` or ``URL#PATH#FIELD``, as it is.

    Raises:
        UsageError: it is neither.
    """
    url, _, path = text.partition("#")
    if not url or not path.partition("#")[0]:
        raise UsageError(f"{text!r} names no file", "write URL#PATH, or URL#PATH#FIELD")
    return text


# --- gates ----------------------------------------------------------------------------------------------------------


def gate(text: str) -> Gate:
    """A gate as it is written: ``KIND[:FOR][/WITHIN]``, with ``:URL:QUERY:CONDITION`` for a metric and ``:URL`` for a
    webhook. FOR is how long it must hold, WITHIN after how long it counts as not held.

    Raises:
        UsageError: it is no gate.
    """
    word, _, rest = text.strip().partition(":")
    word, slash, within = word.partition("/")
    if slash:
        rest = f"/{within}"
    try:
        kind = GateKind(word)
    except ValueError:
        raise UsageError(f"{text!r} is no gate", f"write {GATE_HELP}") from None
    if kind in {GateKind.METRIC, GateKind.WEBHOOK}:
        times, rest = _leading_times(rest)
        return made_gate(kind, times, where=text, **_asked(kind, rest, text))
    return made_gate(kind, rest, where=text)


def made_gate(
    kind: GateKind, times: str = "", *, where: str, url: str = "", query: str = "", condition: str = ""
) -> Gate:
    """The gate of its parts; `times` is ``FOR``, ``FOR/WITHIN``, ``/WITHIN`` or empty, `where` what errors quote.

    Raises:
        UsageError: a duration or the condition can't be read.
    """
    found = _TIMES.fullmatch(times)
    if found is None:
        raise UsageError(f"{where!r}: {times!r} is not FOR or FOR/WITHIN", "e.g. healthy:5m or healthy:5m/1h")
    held, within = (_seconds(found[name], where) for name in ("for", "within"))
    if kind in {GateKind.APPROVAL, GateKind.WEBHOOK} and held:
        raise UsageError(f"{where!r}: it holds when it is answered, for no time", f"write {kind}:/1h for a limit")
    if kind is GateKind.METRIC:
        read = _CONDITION.fullmatch(condition)
        if read is None or not (url and query):
            raise UsageError(f"{where!r} is no metric gate", "write metric:https://prometheus:9090:QUERY:< 0.01")
        condition = f"{read[1]} {read[2]}"
    elif kind is GateKind.WEBHOOK and not url:
        raise UsageError(f"{where!r} is no webhook gate", "write webhook:https://example.com/may-go-on")
    return Gate(kind, seconds=held, timeout=within, url=url, query=query, condition=condition)


def _leading_times(rest: str) -> tuple[str, str]:
    """``5m/1h:https://…`` as its times and what follows."""
    times, _, more = rest.partition(":")
    return (times, more) if _TIMES.fullmatch(times) else ("", rest)


def _asked(kind: GateKind, rest: str, text: str) -> dict[str, str]:
    if kind is GateKind.WEBHOOK:
        if rest and not re.fullmatch(r"https?://\S+", rest):
            raise UsageError(f"{text!r}: {rest!r} is no address", "write webhook:https://example.com/may-go-on")
        return {"url": rest}
    found = _METRIC.fullmatch(rest)
    if found is None:
        raise UsageError(f"{text!r} is no metric gate", "write metric:https://prometheus:9090:QUERY:< 0.01")
    return {"url": found["url"], "query": found["query"], "condition": found["condition"]}


def _seconds(text: str | None, where: str) -> float:
    if not text:
        return 0.0
    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(f"{where!r}: {error}") from error


def gate_text(gate: Gate) -> str:
    """A gate as `gate` reads it."""
    times = format_duration(gate.seconds) if gate.seconds else ""
    times += f"/{format_duration(gate.timeout)}" if gate.timeout else ""
    parts = [gate.kind.value, times]
    if gate.kind is GateKind.METRIC:
        parts += [gate.url, gate.query, gate.condition]
    elif gate.kind is GateKind.WEBHOOK:
        parts.append(gate.url)
    return ":".join(part for part in parts if part)


# --- waves ----------------------------------------------------------------------------------------------------------


def wave_rule(text: str) -> WaveRule:
    """A wave as it is written: ``[NAME:]RULE``. RULE is a number of clusters, a percentage of all, a label selector,
    ``clusters:a,b``, or ``rest``; without NAME the rule is its name.

    Raises:
        UsageError: it is no wave.
    """
    text = text.strip()
    name, colon, rule = ("", "", text) if text.startswith(_CLUSTERS) else text.partition(":")
    if not colon:
        name, rule = text, text
    name, rule = name.strip(), rule.strip()
    if not name or not rule:
        raise UsageError(f"{text!r} is no wave", f"write {WAVE_HELP}")
    if rule == "rest":
        return WaveRule(name, rest=True)
    if rule.startswith(_CLUSTERS):
        named = tuple(ClusterName(each.strip()) for each in rule.removeprefix(_CLUSTERS).split(",") if each.strip())
        if not named:
            raise UsageError(f"{text!r} names no cluster", "write NAME:clusters:a,b")
        return WaveRule(name, clusters=named)
    if re.fullmatch(r"\d+", rule):
        return WaveRule(name, count=_more_than_none(int(rule), text))
    if rule.endswith("%"):
        return WaveRule(name, percent=_percent(rule, text))
    if not re.search(r"[=!]|\s(?:in|notin)\s*\(", rule):
        raise UsageError(f"{rule!r} is no rule of a wave", f"write {WAVE_HELP}")
    return WaveRule(name, labels=checked_labels(rule, text))


def checked_labels(rule: str, where: str) -> str:
    """A label selector that can be read.

    Raises:
        UsageError: it can't.
    """
    try:
        selectors.parse(rule)
    except ValueError as error:
        raise UsageError(f"{where!r}: {error}", "write it like stage=prod,region!=eu") from error
    return rule


def _percent(rule: str, text: str) -> float:
    try:
        percent = float(rule.removesuffix("%"))
    except ValueError:
        percent = 0.0
    if not 0 < percent <= 100:
        raise UsageError(f"{rule!r} is not more than 0% and at most 100%", f"write {WAVE_HELP}")
    return percent


def _more_than_none(count: int, text: str) -> int:
    if count < 1:
        raise UsageError(f"{text!r}: a wave has at least one cluster")
    return count


def rule_text(rule: WaveRule) -> str:
    """The rule of a wave as `wave_rule` reads it, without its name."""
    if rule.rest:
        return "rest"
    if rule.clusters:
        return f"{_CLUSTERS}{','.join(rule.clusters)}"
    if rule.count is not None:
        return str(rule.count)
    return f"{rule.percent:g}%" if rule.percent is not None else rule.labels


def wave_text(rule: WaveRule) -> str:
    """A wave as `wave_rule` reads it."""
    text = rule_text(rule)
    return text if rule.name == text else f"{rule.name}:{text}"


# --- the whole ------------------------------------------------------------------------------------------------------


def command_line(request: RolloutRequest, clusters: tuple[str, ...] = (), *, contexts: tuple[str, ...] = ()) -> str:
    """The command that starts the same rollout; `clusters` are those that were chosen, none: all that have the addons.

    What a wave has of its own (gates, failures) can only be written in a file, and is left out.
    """
    words = ["fleetui", "rollout", "start", *(f"--context={name}" for name in contexts)]
    words += [f"{addon}={version}" for addon, version in request.moves.items()]
    words += [f"--cluster={name}" for name in clusters]
    words += [f"--wave={wave_text(rule)}" for rule in request.waves]
    if request.gates != USUAL_GATES:
        words += [f"--gate={gate_text(each)}" for each in request.gates]
    words += [f"--max-failures={request.failures_allowed}"] if request.failures_allowed else []
    words += [f"--patience={format_duration(request.patience)}"] if request.patience != PATIENCE else []
    words += ["--pull-request"] if request.delivery is Delivery.PULL_REQUEST else []
    words += [f"--truth={truth}" for truth in request.truths]
    words += [f"--field={request.field}"] if request.field else []
    words += [f"--message={request.message}"] if request.message else []
    words += [f"--name={request.name}"] if request.name else []
    return shlex.join(words)
