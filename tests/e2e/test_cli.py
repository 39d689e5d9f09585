"""The command line against `fleetui demo --serve`: what it prints, and what it exits with."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from fleetui.cli.options import Scope
from fleetui.cli.read import show_apps
from tests.e2e.client import Client
from tests.e2e.helm import find_helm
from tests.e2e.story import Repository, settings
from tests.waiting import wait_until

CONTEXT = """
kind: Config
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]
contexts: [{name: somewhere, context: {cluster: c, user: u}}]
users: [{name: u, user: {token: t}}]
"""
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def environment(home: Path) -> dict[str, str]:
    names = {"HOME": home, "XDG_STATE_HOME": home / "state", "XDG_CACHE_HOME": home / "cache"}
    return settings() | {key: str(value) for key, value in names.items()}


@pytest.fixture(scope="module")
def demo(home: Path, environment: dict[str, str]) -> Iterator[Path]:
    """The kubeconfig of a demo that runs until the tests are over."""
    command = [sys.executable, "-m", "fleetui", "demo", "--serve"]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        kubeconfig = Path(process.stdout.readline().strip())
        assert kubeconfig.is_file()
        yield kubeconfig
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert not kubeconfig.exists(), "the demo leaves nothing behind"


@pytest.fixture(scope="module")
def run(demo: Path, environment: dict[str, str]) -> Run:
    def fleetui(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "fleetui", *arguments]
        changed = environment | {"KUBECONFIG": str(demo)} | options
        return subprocess.run(command, capture_output=True, text=True, env=changed, timeout=60, check=False)

    return fleetui


@pytest.fixture(scope="module")
def settled(run: Run) -> Run:
    """`run`, once the engine has been through the demo's applications."""
    done = run("wait", "--context", "prod-eu-1", "payments-service", "--timeout", "40s")
    assert (done.returncode, done.stderr) == (0, "")
    return run


def test_get_apps_prints_json_that_holds_still(settled: Run) -> None:
    done = settled("get", "apps", "--all-contexts", "-o", "json")
    assert (done.returncode, done.stderr) == (0, "")
    apps = json.loads(done.stdout)
    payments = next(app for app in apps if (app["context"], app["name"]) == ("prod-eu-1", "payments-service"))
    assert payments["engine"] == "argo"
    assert payments["health"]["status"] == "Healthy"
    assert payments["sync"]["status"] == "Synced"
    assert len(payments["sync"]["revision"]) == 40
    assert payments["destination"]["namespace"] == "payments-prod"
    assert {app["context"] for app in apps} == {"prod-eu-1", "prod-eu-2", "stage-1", "edge-07"}


def test_events_are_those_of_everything_below_the_newest_last(settled: Run) -> None:
    done = settled("events", "prod-eu-1/payments-service", "-o", "json")
    assert (done.returncode, done.stderr) == (0, "")
    events = json.loads(done.stdout)
    assert {"Deployment", "ReplicaSet", "Pod"} <= {event["kind"] for event in events}
    assert {event["context"] for event in events} == {"prod-eu-1"}
    last = [event["lastSeen"] for event in events]
    assert last == sorted(last)
    table = settled("events", "prod-eu-1/payments-service").stdout.splitlines()
    assert table[0].split() == ["LAST", "SEEN", "TYPE", "REASON", "OBJECT", "COUNT", "MESSAGE"]
    assert len(table) >= len(events) + 1, "the demo goes on meanwhile"
    assert settled("events", "prod-eu-1/absent").returncode == 3


def test_get_apps_prints_a_table_names_and_one_namespace(settled: Run) -> None:
    table = settled("get", "apps", "--context", "prod-eu-1").stdout.splitlines()
    assert table[0].split() == ["CONTEXT", "NAMESPACE", "NAME", "HEALTH", "SYNC", "REVISION", "ENGINE", "AGE"]
    assert "application.argoproj.io/payments-service" in settled("get", "apps", "-o", "name").stdout.splitlines()
    labelled = settled("get", "apps", "--all-contexts", "-l", "team=payments", "-o", "name").stdout.splitlines()
    assert set(labelled) == {"application.argoproj.io/payments"}
    wrong = settled("get", "apps", "-l", "team in")
    assert wrong.returncode == 2
    assert "unable to parse requirement" in wrong.stderr
    empty = settled("get", "apps", "-n", "nowhere")
    assert (empty.returncode, empty.stdout) == (0, "")
    assert empty.stderr == "No applications found.\n"


def test_get_projects_tells_what_they_permit(settled: Run) -> None:
    table = settled("get", "projects", "--context", "prod-eu-1").stdout.splitlines()
    assert table[0].split()[:6] == ["CONTEXT", "NAMESPACE", "NAME", "SOURCES", "DESTINATIONS", "WINDOWS"]
    (project, *_) = json.loads(settled("get", "projects", "--context", "prod-eu-1", "-o", "json").stdout)
    assert (project["context"], project["sourceRepos"]) == ("prod-eu-1", ["*"])
    assert project["windows"] == []
    names = settled("get", "projects", "-o", "name").stdout.splitlines()
    assert names
    assert all(name.startswith("appproject.argoproj.io/") for name in names)


def test_an_applicationset_is_generated_with_the_clusters_of_a_hub(settled: Run, tmp_path: Path) -> None:
    file = tmp_path / "appset.yaml"
    source = "{repoURL: https://git.example/r, path: x}"
    spec = f"{{project: default, source: {source}, destination: {{server: '{{{{server}}}}'}}}}"
    file.write_text(
        "apiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\nmetadata: {name: x}\nspec:\n"
        f"  generators: [{{clusters: {{}}}}]\n  template: {{metadata: {{name: 'a-{{{{name}}}}'}}, spec: {spec}}}\n"
    )
    done = settled("appset", "generate", "-f", str(file), "--context", "prod-eu-1", "-o", "name")
    assert (done.returncode, done.stderr) == (0, "")
    names = [
        f"application.argoproj.io/a-{name}" for name in ("depot-1", "edge-07", "prod-eu-1", "prod-eu-2", "stage-1")
    ]
    assert done.stdout.splitlines() == names
    several = settled("appset", "generate", "-f", str(file), "--all-contexts")
    assert (several.returncode, "name one context" in several.stderr) == (2, True)


def test_get_clusters_shows_what_hubs_have_registered_and_connects_to_it_when_asked(settled: Run) -> None:
    def clusters(*arguments: str) -> dict[str, dict[str, Any]]:
        done = settled("get", "clusters", "--all-contexts", "-o", "json", *arguments)
        assert (done.returncode, done.stderr) == (0, "")
        return {each["name"]: each for each in json.loads(done.stdout)}

    known = clusters()
    assert set(known) == {"prod-eu-1", "prod-eu-2", "stage-1", "edge-07", "depot-1"}
    assert {name: each["from"] for name, each in known.items()} == {
        "prod-eu-1": "kubeconfig",
        "prod-eu-2": "kubeconfig, hub prod-eu-1",
        "stage-1": "kubeconfig, hub prod-eu-1",
        "edge-07": "kubeconfig, hub prod-eu-1",
        "depot-1": "hub prod-eu-1",
    }
    depot = known["depot-1"]
    assert (depot["state"], depot["message"], depot["version"]) == ("registered", "", "")
    assert depot["apps"] >= 1, "its gateway, and the addons once they are made"
    assert known["prod-eu-2"]["state"] == "live"
    checked = clusters("--check")["depot-1"]
    assert checked["state"] == "live"
    assert checked["version"]
    only = settled("get", "clusters", "--context", "prod-eu-1", "-o", "name")
    assert only.stdout.split() == ["depot-1", "edge-07", "prod-eu-1", "prod-eu-2", "stage-1"]


def test_an_application_on_a_registered_cluster_is_shown_like_any_other(settled: Run) -> None:
    app = "prod-eu-1/depot-1-gateway"
    assert settled("wait", app, "--timeout", "40s").returncode == 0
    tree = json.loads(settled("tree", app, "-o", "json").stdout)
    assert (tree["problem"], tree["nodes"][0]["context"], tree["nodes"][1]["context"]) == ("", "prod-eu-1", "depot-1")
    assert {"Deployment", "Pod"} <= {node["kind"] for node in tree["nodes"]}
    assert settled("diff", app).returncode == 0
    elsewhere = json.loads(settled("tree", "prod-eu-1/ledger-standby", "-o", "json", "--all-contexts").stdout)
    assert elsewhere["nodes"][1]["context"] == "prod-eu-2"


def test_tree_diff_and_history_of_one_application(settled: Run) -> None:
    tree = json.loads(settled("tree", "payments-service", "--context", "prod-eu-1", "-o", "json").stdout)
    kinds = {node["kind"] for node in tree["nodes"]}
    assert {"Application", "Deployment", "ReplicaSet", "Pod", "Service"} <= kinds
    same = ("diff", "payments-service", "--context", "prod-eu-1")
    wait_until(lambda: settled(*same).returncode == 0, 40, "no release of the demo is on its way")
    history = json.loads(settled("history", "payments-service", "--context", "prod-eu-1", "-o", "json").stdout)
    assert history[0]["current"] is True
    assert history[0]["commit"]["author"]


def test_drift_is_shown_with_who_made_it_and_a_sync_ends_it(settled: Run) -> None:
    arguments = ("prod-eu-1/argocd/storefront",)
    wait_until(lambda: settled("diff", *arguments).returncode == 4, 40, "the demo's drift by hand")
    diff = settled("diff", *arguments)
    assert re.search(
        r"live set by kubectl-edit\)  # [0-9a-f]{8} [A-Z].*, [0-9]+[smhd].* ago$", diff.stdout, re.MULTILINE
    )
    (found,) = json.loads(settled("diff", *arguments, "-o", "json").stdout)["objects"]
    assert found["changes"][0]["desiredBy"]["author"]
    synced = settled("sync", *arguments, "--wait", "--timeout", "40s")
    assert synced.returncode == 0, synced.stdout + synced.stderr
    assert settled("diff", *arguments).stdout == ""


def test_no_other_engine_runs_beside_that_of_the_demo(settled: Run) -> None:
    refused = settled("engine", "run", "--once", "--context", "prod-eu-1")
    assert refused.returncode == 5, refused.stderr
    assert "another fleetui engine reconciles cluster prod-eu-1" in refused.stderr


def test_why_names_what_an_application_waits_for(settled: Run) -> None:
    def why(app: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(settled("why", app, "-o", "json", "--all-contexts").stdout)
        return found

    wait_until(lambda: why("recommendations")["cause"] == "ImagePull", 40, "the demo's image that can't be pulled")
    stuck = why("recommendations")
    assert stuck["object"]["kind"] == "Pod"
    assert "can't pull the image registry.example.com/shop/recommendations:1.0.0-does-not-exist" in stuck["words"]
    assert {"status", "event"} <= {one["kind"] for one in stuck["evidence"]}
    assert why("search")["cause"] == "ComparisonError"
    blocked = why("orders")
    assert blocked["cause"] == "SyncWindow"
    assert "a load test is running" in blocked["words"]


def test_a_name_that_fits_several_or_none_says_so(settled: Run) -> None:
    several = settled("tree", "payments-service", "--all-contexts")
    assert several.returncode == 2
    assert "prod-eu-1/argocd/payments-service" in several.stderr
    none = settled("tree", "payments-servise")
    assert none.returncode == 3
    assert "payments-service" in none.stderr


def test_a_protected_cluster_wants_its_name(settled: Run, home: Path) -> None:
    config = home / ".config" / "fleetui" / "config.yaml"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text("protected: [prod-*]\n")
    try:
        refused = settled("sync", "prod-eu-1/payments-service")
        assert refused.returncode == 5
        assert "--yes prod-eu-1" in refused.stderr
        done = settled("sync", "prod-eu-1/payments-service", "--yes", "prod-eu-1", "--wait", "--timeout", "40s")
        assert done.returncode == 0, done.stdout + done.stderr
    finally:
        config.unlink()


def test_read_only_refuses_and_changes_nothing(settled: Run) -> None:
    done = settled("--read-only", "sync", "payments-service", "--context", "prod-eu-1")
    assert done.returncode == 5
    assert "read-only" in done.stderr


def test_automated_sync_is_suspended_and_resumed(settled: Run) -> None:
    where = ("payments-service", "--context", "prod-eu-1")
    assert settled("resume", *where).returncode == 5
    done = settled("suspend", *where)
    assert (done.returncode, done.stdout) == (0, "prod-eu-1/argocd/payments-service: automated sync is suspended\n")
    again = settled("suspend", *where)
    assert again.returncode == 5
    assert "automated sync is off already" in again.stderr
    assert settled("resume", *where).returncode == 0
    refused = settled("terminate", *where)
    assert refused.returncode == 5
    assert "no operation is in progress" in refused.stderr


ADDONS = """
apiVersion: argoproj.io/v1alpha1
kind: ApplicationSet
metadata: {{name: dns, namespace: argocd}}
spec:
  generators:
  - matrix:
      generators:
      - clusters: {{}}
      - list:
          elements:
          - addon: dns  # of every cluster
            version: "1.14.5"
  template:
    metadata:
      name: '{{{{name}}}}-{{{{addon}}}}'
      labels: {{addon: '{{{{addon}}}}', version: '{{{{version}}}}'}}
    spec:
      project: default
      source: {{repoURL: {url}, targetRevision: main, path: 'dns/{{{{version}}}}'}}
      destination: {{name: '{{{{name}}}}', namespace: dns}}
      syncPolicy: {{automated: {{}}, syncOptions: [CreateNamespace=true]}}
"""
ROLLOUT = """
addons: {dns: 1.15.0}
waves:
- {name: first, count: 1, gates: [synced, healthy, approval]}
- rest
gates: [synced, healthy]
name: dns
"""


def test_a_rollout_waits_for_its_approval_ends_and_is_taken_back(settled: Run, demo: Path, tmp_path: Path) -> None:
    repository, client, file = Repository(tmp_path), Client(demo), tmp_path / "rollout.yaml"
    version = "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: dns}}, data: {{version: '{}'}}}}"
    before = ADDONS.format(url=repository.url)
    addons = {f"dns/{each}/dns.yaml": version.format(each) for each in ("1.14.5", "1.15.0")}
    repository.commit({**addons, "appsets/addons.yaml": before}, "addons")
    source = {"repoURL": repository.url, "path": "appsets", "targetRevision": "main"}
    root = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": "dns-of-all", "namespace": "argocd"},
        "spec": {
            "project": "default",
            "source": source,
            "destination": {"server": "https://kubernetes.default.svc", "namespace": "argocd"},
            "syncPolicy": {"automated": {}},
        },
    }
    client.apply(root)
    file.write_text(ROLLOUT)

    def versions() -> set[str]:
        found = client.all("application", "argocd")
        apps = [app for app in found if app["metadata"].get("labels", {}).get("addon") == "dns"]
        synced = [app for app in apps if app.get("status", {}).get("sync", {}).get("status") == "Synced"]
        return {app["metadata"]["labels"]["version"] for app in apps} if apps and len(synced) == len(apps) else set()

    wait_until(lambda: versions() == {"1.14.5"}, 30, "every cluster has the addon")
    started = settled("rollout", "start", "-f", str(file))
    assert started.returncode == 4, started.stderr
    assert "first  gate passed: healthy" in started.stdout
    assert "wave first waits for a human's approval" in started.stdout.splitlines()[-1]
    assert "fleetui rollout approve dns lets the wave through" in started.stderr
    assert versions() == {"1.14.5", "1.15.0"}
    approved = settled("rollout", "approve", "-o", "json")
    assert approved.returncode == 0, approved.stderr
    assert json.loads(approved.stdout)["phase"] == "done"
    assert versions() == {"1.15.0"}
    back = settled("rollout", "rollback", "dns", "--reason", "as it was")
    assert (back.returncode, back.stdout.splitlines()[-1].rpartition("  ")[2][:11]) == (0, "rolled back")
    assert versions() == {"1.14.5"}
    now = subprocess.check_output(["git", "-C", repository.url, "show", "main:appsets/addons.yaml"], text=True)
    assert now == before, "byte by byte"
    assert settled("rollout", "status").returncode == 3, "none is under way"


IN_VALUES = """
apiVersion: argoproj.io/v1alpha1
kind: ApplicationSet
metadata: {{name: proxies, namespace: argocd}}
spec:
  generators: [list: {{elements: [{{name: depot-1}}, {{name: edge-07}}]}}]
  template:
    metadata: {{name: '{{{{name}}}}-proxy'}}
    spec:
      project: default
      sources:
      - {{repoURL: {url}, targetRevision: main, ref: fleet}}
      - {{repoURL: {url}, targetRevision: main, path: chart, helm: {{valueFiles: ['$fleet/{{{{name}}}}.yaml']}}}}
      destination: {{name: '{{{{name}}}}', namespace: proxy}}
      syncPolicy: {{automated: {{}}, syncOptions: [CreateNamespace=true]}}
"""


def test_versions_that_stand_in_values_move_wave_by_wave(settled: Run, demo: Path, tmp_path: Path) -> None:
    find_helm()
    repository, client = Repository(tmp_path), Client(demo)
    clusters = ("depot-1", "edge-07")
    template = (
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: proxy}, data: {version: {{ .Values.image.tag | quote }}}}"
    )
    files = {f"{name}.yaml": "image:\n  tag: '3.1.0'  # moved by rollouts\n" for name in clusters}
    chart = {"chart/Chart.yaml": "{apiVersion: v2, name: proxy, version: 1.0.0}", "chart/templates/all.yaml": template}
    repository.commit({**files, **chart}, "proxies")
    # By hand: no application brings it from Git, and the chart's values are all that says a version.
    client.apply(yaml.safe_load(IN_VALUES.format(url=repository.url)))

    def states() -> list[str]:
        apps = [app for app in client.all("application", "argocd") if app["metadata"]["name"].endswith("-proxy")]
        return [app.get("status", {}).get("sync", {}).get("status", "") for app in apps]

    wait_until(lambda: states() == ["Synced", "Synced"], 30, "both clusters have the proxy")
    waves = ("--wave", "first:1", "--wave", "rest", "--gate", "synced", "--name", "proxies")
    done = settled("rollout", "start", "proxy=3.2.0", "--field", "image.tag", *waves)
    assert done.returncode == 0, done.stdout + done.stderr
    told = subprocess.check_output(["git", "-C", repository.url, "log", "--format=%s", "main"], text=True)
    assert told.splitlines()[:2] == ["Move proxy to 3.2.0 (rest)", "Move proxy to 3.2.0 (first)"]
    for name in clusters:
        now = subprocess.check_output(["git", "-C", repository.url, "show", f"main:{name}.yaml"], text=True)
        assert now == files[f"{name}.yaml"].replace("3.1.0", "3.2.0")


@pytest.mark.parametrize("options", [("--revert", "--dry-run"), ("--restore-auto-sync", "--dry-run")])
def test_a_rollback_that_contradicts_itself_is_refused(settled: Run, options: tuple[str, ...]) -> None:
    done = settled("rollback", "payments-service", "0", "--context", "prod-eu-1", *options)
    assert done.returncode == 2
    assert "go with it" in done.stderr


def test_a_dry_run_says_what_would_be_done(settled: Run) -> None:
    done = settled("sync", "storefront", "--context", "prod-eu-1", "--dry-run", "--timeout", "40s")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "deployment.apps/storefront unchanged (dry run)" in done.stdout


@pytest.mark.parametrize(
    ("content", "arguments", "said"),
    [
        pytest.param(None, (), "fleetui demo", id="missing"),
        pytest.param("", (), "empty", id="empty"),
        pytest.param("a: [b", (), "not YAML", id="not YAML"),
        pytest.param(CONTEXT, ("--context", "nowhere"), "nowhere", id="no such context"),
    ],
)
@pytest.mark.parametrize("command", [(), ("get", "apps"), ("engine", "run")], ids=["console", "get apps", "engine run"])
def test_an_unusable_kubeconfig_is_one_sentence_and_exit_2(
    command: tuple[str, ...],
    content: str | None,
    arguments: tuple[str, ...],
    said: str,
    tmp_path: Path,
    environment: dict[str, str],
) -> None:
    kubeconfig = tmp_path / "config"
    if content is not None:
        kubeconfig.write_text(content)
    done = subprocess.run(
        [sys.executable, "-m", "fleetui", *command, *arguments, "--kubeconfig", str(kubeconfig)],
        capture_output=True,
        text=True,
        env=environment,
        stdin=subprocess.DEVNULL,
        timeout=30,
        check=False,
    )
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert done.stderr.startswith("fleetui: ")
    assert said in done.stderr


def test_a_cluster_that_never_answers_is_told_and_ends_the_command(
    tmp_path: Path,
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    # Long enough for each to be told, in this order.
    monkeypatch.setattr("fleetui.cli.waiting.QUIET", 0.01)
    monkeypatch.setattr("backends.kube.link._PATIENCE", 0.5)
    monkeypatch.setattr("backends.kube.cluster._PROBE_TIMEOUT", 0.5)
    kubeconfig = tmp_path / "config"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        server = f"https://127.0.0.1:{silent.getsockname()[1]}"
        kubeconfig.write_text(CONTEXT.replace("https://127.0.0.1:1", server))
        code = show_apps(Scope(kubeconfig=kubeconfig, contexts=("somewhere",)), "table", selector="", watch=False)
    out, err = capfd.readouterr()
    assert (code, out) == (1, "")
    connecting, silence, *end = err.splitlines()
    assert connecting == "fleetui: waiting for somewhere: connecting"
    assert re.fullmatch(rf"fleetui: waiting for somewhere: no answer from {server} for \d s", silence)
    assert end[0] == "No applications on the clusters that answer."
    assert re.fullmatch(rf"fleetui: somewhere: no answer from {server} for \d s; reconnecting.*", end[1])
    assert len(end) == 2


def test_output_that_nobody_reads_any_more_is_no_error(settled: Run, demo: Path, environment: dict[str, str]) -> None:
    command = f"{sys.executable} -m fleetui get apps --all-contexts -o json | head -c 1"
    done = subprocess.run(
        command, shell=True, capture_output=True, text=True, env=environment | {"KUBECONFIG": str(demo)}, check=False
    )
    assert done.stderr == ""


def test_the_demo_needs_no_configuration_of_its_user(environment: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "fleetui", "demo"],
        capture_output=True,
        text=True,
        env={key: value for key, value in environment.items() if key in {"PATH", "HOME"}} | {"LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode == 2
    assert "needs a terminal" in done.stderr
    assert os.linesep not in done.stderr.strip()
