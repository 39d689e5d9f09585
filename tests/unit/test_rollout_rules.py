"""How waves, gates and whole rollouts are written, and what is said of what can't be read."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from fleetui.cli.commands import cli
from fleetui.cli.rollout import request_of
from fleetui.cli.rollout_file import parse_text, read_file
from fleetui.fleet import rolloutrules
from fleetui.fleet.rolloutapi import RolloutRequest, WaveRule
from fleetui.model.errors import UsageError
from fleetui.model.objects import ClusterName
from fleetui.model.rollout import Delivery, Gate, GateKind

SYNCED, HEALTHY = Gate(GateKind.SYNCED), Gate(GateKind.HEALTHY, seconds=300.0)
METRIC = Gate(
    GateKind.METRIC, 300.0, 3600.0, "https://prometheus:9090/p", 'sum(rate(job:errors[5m]{a="b:c"}))', "< 0.01"
)
NOTHING = {
    "file": None, "clusters": (), "selector": "", "waves": (), "gates": (), "max_failures": None, "patience": None,
    "pull_request": False,
    "message": "", "truths": (), "field": "", "name": "",
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "gate"),
    [
        ("synced", SYNCED),
        ("healthy:5m", HEALTHY),
        ("healthy:90s/2h", Gate(GateKind.HEALTHY, 90.0, 7200.0)),
        ("synced:/10m", Gate(GateKind.SYNCED, timeout=600.0)),
        ("approval", Gate(GateKind.APPROVAL)),
        ("approval:/8h", Gate(GateKind.APPROVAL, timeout=28800.0)),
        ('metric:5m/1h:https://prometheus:9090/p:sum(rate(job:errors[5m]{a="b:c"})):< 0.01', METRIC),
        ("metric:http://[::1]:9090:up:== 1", Gate(GateKind.METRIC, 0, 0, "http://[::1]:9090", "up", "== 1")),
        ("webhook:https://ci:8443/go?a=b:c", Gate(GateKind.WEBHOOK, url="https://ci:8443/go?a=b:c")),
        ("webhook:/1h:https://ci/go", Gate(GateKind.WEBHOOK, timeout=3600.0, url="https://ci/go")),
    ],
)  # fmt: skip
def test_a_gate_is_read_and_written_back(text: str, gate: Gate) -> None:
    assert rolloutrules.gate(text) == gate
    assert rolloutrules.gate(rolloutrules.gate_text(gate)) == gate


@pytest.mark.parametrize("text", ["approval/8h", "metric:https://p:q:<0.01"])
def test_a_gate_may_be_written_shorter_than_it_is_written_back(text: str) -> None:
    assert rolloutrules.gate_text(rolloutrules.gate(text)) in {"approval:/8h", "metric:https://p:q:< 0.01"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("happy", "'happy' is no gate"),
        ("healthy:soon", "'soon' is not FOR or FOR/WITHIN"),
        ("healthy:5x", "'5x' is no duration"),
        ("approval:5m", "for no time"),
        ("metric:https://p:up", "is no metric gate"),
        ("metric", "is no metric gate"),
        ("webhook", "is no webhook gate"),
        ("webhook:ftp://x", "'ftp://x' is no address"),
    ],
)
def test_what_is_no_gate_is_said(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said.replace("(", r"\(")):
        rolloutrules.gate(text)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("canary:1", WaveRule("canary", count=1)),
        ("25%", WaveRule("25%", percent=25.0)),
        ("first:12.5%", WaveRule("first", percent=12.5)),
        ("asia:region in (seoul,tokyo),!edge", WaveRule("asia", labels="region in (seoul,tokyo),!edge")),
        ("stage=prod", WaveRule("stage=prod", labels="stage=prod")),
        ("two:clusters:a,b", WaveRule("two", clusters=(ClusterName("a"), ClusterName("b")))),
        ("clusters:a", WaveRule("clusters:a", clusters=(ClusterName("a"),))),
        ("rest", WaveRule("rest", rest=True)),
        ("last:rest", WaveRule("last", rest=True)),
    ],
)
def test_a_wave_is_read_and_written_back(text: str, rule: WaveRule) -> None:
    assert rolloutrules.wave_rule(text) == rule
    assert rolloutrules.wave_text(rule) == text


@pytest.mark.parametrize(
    "text", ["", "canary", "canary:", ":1", "x:0", "x:0%", "x:101%", "x:a in (", "x:clusters:,", "x:%"]
)
def test_what_is_no_wave_is_said(text: str) -> None:
    with pytest.raises(UsageError):
        rolloutrules.wave_rule(text)


def test_the_command_line_that_is_shown_asks_for_the_same() -> None:
    request = RolloutRequest(
        moves={"cert-manager": "1.15.0"},
        waves=(WaveRule("canary", count=1), WaveRule("asia", labels="region in (a, b)"), WaveRule("rest", rest=True)),
        gates=(SYNCED, METRIC),
        failures_allowed=2,
        patience=90.0,
        delivery=Delivery.PULL_REQUEST,
        message="it's time",
        name="cm",
        truths=("https://git/x#a.yaml",),
    )
    words = shlex.split(rolloutrules.command_line(request, ("a", "b"), contexts=("hub",)))
    assert words[:3] == ["fleetui", "rollout", "start"]
    found = {}
    start = cli.commands["rollout"].commands["start"]  # type: ignore[attr-defined]
    start.make_context("start", [*words[3:]], resilient_parsing=False)
    read = start.make_context("start", words[3:]).params
    for name in NOTHING:
        found[name] = read[name]
    asked, clusters, _ = request_of(read["moves"], **found)
    assert asked == request
    assert clusters == ("a", "b")


# --- files -----------------------------------------------------------------------------------------------------------

FILE = b"""
addons:
  cert-manager: 1.15.0
selector: stage!=test
waves:
  - canary:1
  - name: asia
    labels: region=asia
    maxFailures: 1
    gates: [synced, {kind: healthy, for: 5m, within: 1h}, approval]
  - rest: true
gates:
  - synced
  - kind: metric
    for: 5m
    within: 1h
    url: https://prometheus:9090/p
    query: sum(rate(job:errors[5m]{a="b:c"}))
    condition: "<0.01"
maxFailures: 2
patience: 2m
delivery: pull-request
message: cert-manager 1.15
"""


def test_a_file_holds_the_whole_request() -> None:
    written = parse_text(FILE, path="rollout.yaml")
    assert written.selector == "stage!=test"
    assert written.request == RolloutRequest(
        moves={"cert-manager": "1.15.0"},
        waves=(
            WaveRule("canary", count=1),
            WaveRule(
                "asia",
                labels="region=asia",
                gates=(SYNCED, Gate(GateKind.HEALTHY, 300.0, 3600.0), Gate(GateKind.APPROVAL)),
                failures_allowed=1,
            ),
            WaveRule("rest", rest=True),
        ),
        gates=(SYNCED, METRIC),
        failures_allowed=2,
        patience=120.0,
        delivery=Delivery.PULL_REQUEST,
        message="cert-manager 1.15",
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("addons: {a: 1.10}", "r.yaml:1: addons.a: 1.1 is no text"),
        ("waves: []", "r.yaml:1: no addons"),
        ("- a", "r.yaml:1: it is no mapping"),
        ("", "r.yaml: it holds 0 documents"),
        ("addons: {a: v1}\n\nwafes: []", "r.yaml:3: wafes: there is no field wafes"),
        ("addons: {a: v1}\nwaves:\n- canary:1\n- canary", "r.yaml:4: waves.1: 'canary' is no rule"),
        ("addons: {a: v1}\nwaves:\n- name: x\n  rest: true\n  count: 1", "r.yaml:3: waves.0: it has count and rest"),
        ("addons: {a: v1}\nwaves:\n- name: x\n  percent: 200", "r.yaml:4: waves.0.percent: percent is 200"),
        ("addons: {a: v1}\nwaves:\n- labels: a in (", "r.yaml:3: waves.0.labels: "),
        ("addons: {a: v1}\nwaves:\n- name: x\n  count: 1\n  gates:\n  - happy", "r.yaml:6: waves.0.gates.0: 'happy'"),
        ("addons: {a: v1}\ngates:\n- kind: metric\n  url: https://x", "r.yaml:3: gates.0: 'metric' is no metric gate"),
        ("addons: {a: v1}\ngates:\n- kind: happy", "r.yaml:3: gates.0.kind: kind is 'happy'"),
        ("addons: {a: v1}\nmaxFailures: -1", "r.yaml:2: maxFailures: maxFailures is -1"),
        ("addons: {a: v1}\npatience: soon", "r.yaml:2: patience: 'soon' is no duration"),
        ("addons: {a: v1}\ndelivery: mail", "r.yaml:2: delivery: delivery is 'mail'"),
        ("addons: {a: v1}\nclusters: x", "r.yaml:2: clusters: clusters is no list"),
        ("addons: {a: v1}\nclusters: [x, 1.5]", "r.yaml:2: clusters.1: 1.5 is no text"),
        ("addons: {a: v1}\n  x: [", "r.yaml:2: "),
    ],
)
def test_what_is_wrong_in_a_file_is_said_with_its_line(text: str, said: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_text(text.encode(), path="r.yaml")
    assert str(raised.value).startswith(said)


def test_options_stand_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_bytes(FILE)
    asked = {**NOTHING, "file": path, "gates": ("synced",), "max_failures": 0, "clusters": ("a",), "name": "x"}
    request, clusters, selector = request_of(("cert-manager=1.16.0", "other=2"), **asked)  # type: ignore[arg-type]
    assert request.moves == {"cert-manager": "1.16.0", "other": "2"}
    assert (request.gates, request.failures_allowed, request.name) == ((SYNCED,), 0, "x")
    assert request.waves == read_file(path).request.waves
    assert (clusters, selector) == (("a",), "stage!=test")


def test_without_waves_and_gates_all_go_at_once_held_by_the_usual() -> None:
    request, _, _ = request_of(("a=1",), **NOTHING)  # type: ignore[arg-type]
    assert request.waves == (WaveRule("all", rest=True),)
    assert request.gates == (SYNCED, HEALTHY)


@pytest.mark.parametrize("words", [[], ["cert-manager"], ["a=1", "--wave", "x"], ["a=1", "-f", "/nowhere/r.yaml"]])
def test_what_can_not_be_read_is_usage_before_anything_is_connected_to(words: list[str]) -> None:
    done = CliRunner().invoke(cli, ["--kubeconfig", "/nowhere", "rollout", "plan", *words])
    assert isinstance(done.exception, UsageError)
    assert "kubeconfig" not in str(done.exception)


def test_where_versions_are_written_names_a_file() -> None:
    assert rolloutrules.truth("https://git/addons.git#{cluster}/values.yaml#a.b") == (
        "https://git/addons.git#{cluster}/values.yaml#a.b"
    )
    for text in ("https://git/addons.git", "https://git/addons.git#", "#a.yaml", "https://git/addons.git##a"):
        with pytest.raises(UsageError, match="names no file"):
            rolloutrules.truth(text)
    with pytest.raises(UsageError, match=r"f:2: truths.0: 'https://git' names no file"):
        parse_text(b'addons: {dns: "1"}\ntruths: [https://git]\n', path="f")
