"""Stories of which the real Argo CD was the first listener, and what it said of each.

Owns: `Teller` with its `STORIES`, and `Verdict`: what an Application and its objects come to, without what no two runs
share (times, commits, names). `data/argocd-3.6.1.json` holds the verdicts of Argo CD v3.6.1, whose controller and
repo-server were told the same stories before a kube-apiserver: one for each story and label.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.e2e.client import Json
from tests.e2e.manifests import ANNOTATION, config_map, deployment, hook, service, waved
from tests.e2e.story import Story
from tests.waiting import wait_until

Verdict = Json

RECORDED: dict[str, dict[str, Verdict]] = json.loads((Path(__file__).parent / "data" / "argocd-3.6.1.json").read_text())
KINDS = ("configmap", "service", "deployment", "job")
FINALIZER = "resources-finalizer.argocd.argoproj.io"
SETTINGS_LABELS = {"app.kubernetes.io/part-of": "argocd", "app.kubernetes.io/name": "argocd-cm"}

_TIMES = re.compile(r"At$|Time$")
_UID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MADE_BY_OTHERS = ("kubectl.kubernetes.io/", "deployment.kubernetes.io/")


class Teller:
    """Tells one story and asks at each `note` for the verdict; Argo CD's own is awaited."""

    def __init__(self, story: Story, title: str) -> None:
        self.story = story
        self.title = title
        self._commits: list[str] = []

    # --- telling ----------------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        return f"file://{self.story.repository.bare}"

    def commit(self, **objects: Json | str | None) -> str:
        """One file below ``app/`` for each object (text as it is; None deletes one)."""
        files = {
            f"app/{name}.yaml": each if isinstance(each, str | None) else json.dumps(each)
            for name, each in objects.items()
        }
        self._commits.append(self.story.repository.commit(files, f"commit {len(self._commits)}"))
        return self._commits[-1]

    def namespace(self) -> None:
        made = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.story.namespace}}
        self.story.client.create(made)

    def apply(self, *, metadata: Json | None = None, **spec: Any) -> None:
        """The Application, with changes to its spec (None removes a field)."""
        there = {"server": "https://kubernetes.default.svc", "namespace": self.story.namespace}
        whole: Json = {
            "project": "default",
            "source": {"repoURL": self.url, "path": "app", "targetRevision": "main"},
            "destination": there,
            **spec,
        }
        self.story.apply(
            {
                "apiVersion": "argoproj.io/v1alpha1",
                "kind": "Application",
                "metadata": {"name": self.story.name, "namespace": "argocd", **(metadata or {})},
                "spec": {key: value for key, value in whole.items() if value is not None},
            }
        )

    def settings(self, **data: str) -> None:
        """``argocd-cm`` as a whole; the keys with ``__`` for a dot."""
        metadata = {"name": "argocd-cm", "namespace": "argocd", "labels": SETTINGS_LABELS}
        written = {key.replace("__", "."): value for key, value in data.items()}
        self.story.client.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": written})

    # --- listening --------------------------------------------------------------------------------------------------

    def note(self, label: str) -> None:
        """Waits until the verdict is what Argo CD said."""
        expected = RECORDED[self.title][label]
        try:
            wait_until(lambda: self.verdict() == expected, 30, f"{self.title}, {label}: as Argo CD says")
        except AssertionError as error:
            found, told = dict(_flat(self.verdict())), dict(_flat(expected))
            paths = [path for path in {**told, **found} if told.get(path) != found.get(path)]
            lines = [f"{path}: Argo CD {told.get(path)!r}, here {found.get(path)!r}" for path in paths]
            raise AssertionError("\n".join([str(error), *lines, self.story.engine.log[-2000:]])) from error

    def verdict(self) -> Verdict:
        """What there is now, as it is recorded."""
        app = self.story.app()
        found: Verdict = {kind: {each["metadata"]["name"]: _shown(each) for each in self._all(kind)} for kind in KINDS}
        if app:
            found["application"] = _shown(app) | {key: app[key] for key in ("operation", "status") if key in app}
            _sort_rows(found["application"].get("status", {}))
        words = json.dumps(_timeless({key: value for key, value in found.items() if value}))
        for number, sha in enumerate(self._commits):
            words = words.replace(sha, f"commit-{number}")
        words = _UID.sub("UID", words).replace(self.url, "REPOSITORY").replace(self.story.name, "shop")
        verdict: Verdict = json.loads(words)
        return verdict

    def _all(self, kind: str) -> list[Json]:
        return [each for each in self.story.all(kind) if each["metadata"]["name"] != "kube-root-ca.crt"]


def _shown(obj: Json) -> Json:
    metadata = obj["metadata"]
    annotations = {
        key: value for key, value in metadata.get("annotations", {}).items() if not key.startswith(_MADE_BY_OTHERS)
    }
    shown = {"labels": metadata.get("labels"), "annotations": annotations, "finalizers": metadata.get("finalizers")}
    return {key: value for key, value in {**shown, "data": obj.get("data")}.items() if value}


def _sort_rows(status: Json) -> None:
    """Objects of one phase and kind are applied at once: their order says nothing."""
    result = status.get("operationState", {}).get("syncResult", {})
    grouped = itertools.groupby(result.get("resources", ()), lambda row: (row.get("syncPhase"), row["kind"]))
    rows = [row for _, group in grouped for row in sorted(group, key=lambda row: row["name"])]
    if rows:
        result["resources"] = rows


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _timeless(each) for key, each in value.items() if not _TIMES.search(key)}
    return [_timeless(each) for each in value] if isinstance(value, list) else value


def _flat(value: Any, path: str = "") -> list[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        return [pair for key, each in value.items() for pair in _flat(each, f"{path}.{key}")]
    if isinstance(value, list) and value:
        return [pair for number, each in enumerate(value) for pair in _flat(each, f"{path}[{number}]")]
    return [(path, value)]


# --- the stories ----------------------------------------------------------------------------------------------------

STORIES: dict[str, Callable[[Teller], None]] = {}


def story(told: Callable[[Teller], None]) -> Callable[[Teller], None]:
    STORIES[told.__name__] = told
    return told


def _marked(obj: Json, **annotations: str) -> Json:
    """The object with annotations of Argo CD's; ``_`` stands for a dash."""
    named = {ANNOTATION + key.replace("_", "-"): value for key, value in annotations.items()}
    obj["metadata"]["annotations"] = {**obj["metadata"].get("annotations", {}), **named}
    return obj


def _usual(teller: Teller, **spec: Any) -> None:
    teller.namespace()
    teller.commit(settings=config_map("settings", a="1"), web=deployment("web", replicas=1), svc=service("web"))
    teller.apply(**spec)


@story
def synced_by_hand(teller: Teller) -> None:
    _usual(teller)
    teller.note("before")
    teller.story.sync()
    teller.note("synced")
    teller.commit(settings=config_map("settings", a="2"))
    teller.story.refresh()
    teller.note("a second commit")
    teller.story.sync()
    teller.note("synced again")


@story
def automated(teller: Teller) -> None:
    _usual(teller, syncPolicy={"automated": {"prune": True, "selfHeal": True}})
    teller.note("synced")
    teller.commit(settings=None, web=deployment("web", replicas=1, image="registry.example.com/payments:2"))
    teller.story.refresh()
    teller.note("pruned")


@story
def automation_switched_off(teller: Teller) -> None:
    _usual(teller, syncPolicy={"automated": {"enabled": False}})
    teller.note("not synced")


@story
def nothing_in_git(teller: Teller) -> None:
    teller.namespace()
    teller.commit(readme="# nothing\n")
    teller.apply()
    teller.note("compared")
    teller.story.sync()
    teller.note("synced")


@story
def hooks(teller: Teller) -> None:
    teller.namespace()
    teller.commit(
        before=hook("before", "PreSync"),
        gone=hook("gone", "PreSync", policy="HookSucceeded"),
        after=hook("after", "PostSync"),
        broken=hook("broken", "SyncFail"),
        skipped=_marked(config_map("skipped", a="1"), hook="Skip"),
        settings=config_map("settings", a="1"),
    )
    teller.apply()
    teller.story.sync()
    teller.note("synced")


@story
def a_hook_that_fails(teller: Teller) -> None:
    teller.namespace()
    failing = hook("migrate", "PreSync", image="registry.example.com/fails:1", policy="HookFailed")
    teller.commit(migrate=failing, cleanup=hook("cleanup", "SyncFail"), settings=config_map("settings", a="1"))
    teller.apply()
    teller.story.sync()
    teller.note("failed")


@story
def waves(teller: Teller) -> None:
    teller.namespace()
    teller.commit(
        late=waved(2, config_map("late", a="1")), early=waved(-1, config_map("early", a="1")), svc=service("web")
    )
    teller.apply()
    teller.story.sync()
    teller.note("synced")


@story
def what_left_git(teller: Teller) -> None:
    teller.namespace()
    teller.commit(
        settings=config_map("settings", a="1"),
        extra=config_map("extra", a="1"),
        kept=_marked(config_map("kept", a="1"), sync_options="Prune=false"),
        ignored=_marked(config_map("ignored", a="1"), compare_options="IgnoreExtraneous"),
    )
    teller.apply()
    teller.story.sync()
    teller.commit(extra=None, kept=None, ignored=None)
    teller.story.refresh()
    teller.note("requires pruning")
    teller.story.sync()
    teller.note("not pruned")
    teller.story.sync(prune=True)
    teller.note("pruned")


@story
def confirmation(teller: Teller) -> None:
    teller.namespace()
    asks = _marked(config_map("asks", a="1"), sync_options="Delete=confirm")
    teller.commit(settings=config_map("settings", a="1"), asks=asks)
    teller.apply(metadata={"finalizers": [FINALIZER]})
    teller.story.sync()
    teller.note("synced")


@story
def one_of_several(teller: Teller) -> None:
    _usual(teller)
    teller.note("before")
    teller.story.sync(resources=[{"kind": "ConfigMap", "name": "settings"}])
    teller.note("one")


@story
def tried(teller: Teller) -> None:
    _usual(teller)
    teller.note("before")
    teller.story.sync(dryRun=True)
    teller.note("dry run")


@story
def the_same_twice(teller: Teller) -> None:
    teller.namespace()
    teller.commit(one=config_map("settings", a="1"), two=config_map("settings", a="2"))
    teller.apply()
    teller.note("compared")


@story
def no_namespace_anywhere(teller: Teller) -> None:
    teller.namespace()
    teller.commit(settings=config_map("settings", a="1"))
    teller.apply(destination={"server": "https://kubernetes.default.svc"})
    teller.note("compared")
    teller.story.sync()
    teller.note("refused")


@story
def no_such_namespace(teller: Teller) -> None:
    teller.commit(settings=config_map("settings", a="1"))
    teller.apply()
    teller.story.sync()
    teller.note("refused")


@story
def nowhere_to_go(teller: Teller) -> None:
    teller.commit(settings=config_map("settings", a="1"))
    server = "https://kubernetes.default.svc"
    teller.apply(destination={"server": server, "name": "in-cluster", "namespace": teller.story.namespace})
    teller.note("server and name")
    teller.apply(destination={"namespace": teller.story.namespace})
    teller.note("neither")
    teller.apply(destination={"server": "https://unknown.example.com", "namespace": teller.story.namespace})
    teller.note("an unknown server")
    teller.apply(destination={"name": "nowhere", "namespace": teller.story.namespace})
    teller.note("an unknown name")


@story
def what_makes_it_ill(teller: Teller) -> None:
    teller.namespace()
    ill = hook("ill", "")
    del ill["metadata"]["annotations"]
    ill["spec"]["template"]["spec"]["containers"][0]["image"] = "registry.example.com/fails:1"
    teller.commit(ill=ill, settings=config_map("settings", a="1"))
    teller.apply()
    teller.story.sync()
    teller.note("degraded")


@story
def links_and_images(teller: Teller) -> None:
    teller.namespace()
    web = deployment("web", replicas=1)
    web["metadata"]["annotations"] = {"link.argocd.argoproj.io/runbook": "https://example.com/runbook"}
    teller.commit(web=web, idle=deployment("idle", replicas=0, image="registry.example.com/idle:1"))
    teller.apply(metadata={"annotations": {"link.argocd.argoproj.io/wiki": "https://example.com/wiki"}})
    teller.story.sync()
    teller.note("synced")


@story
def the_namespace_with_it(teller: Teller) -> None:
    teller.commit(settings=config_map("settings", a="1"))
    metadata = {"labels": {"team": "a"}}
    policy = {"syncOptions": ["CreateNamespace=true"], "managedNamespaceMetadata": metadata}
    teller.apply(syncPolicy=policy)
    teller.story.sync(syncOptions=["CreateNamespace=true"])
    teller.note("created")
    policy["managedNamespaceMetadata"] = {"labels": {"team": "b"}}
    teller.apply(syncPolicy=policy)
    teller.story.refresh()
    teller.note("other labels wanted")


@story
def what_is_to_be_ignored(teller: Teller) -> None:
    ignored = [{"kind": "ConfigMap", "jqPathExpressions": [".data.a"]}]
    _usual(
        teller,
        ignoreDifferences=[*ignored, {"group": "apps", "kind": "Deployment", "jsonPointers": ["/spec/replicas"]}],
    )
    teller.story.sync()
    teller.note("synced")
    teller.story.patch("configmap", "settings", {"data": {"a": "2"}})
    teller.story.patch("deployment", "web", {"spec": {"replicas": 2}})
    teller.story.refresh()
    teller.note("ignored")


@story
def a_copy_of_an_object(teller: Teller) -> None:
    _usual(teller)
    teller.story.sync()
    tracked = {ANNOTATION + "tracking-id": f"{teller.story.name}:/ConfigMap:{teller.story.namespace}/settings"}
    copy = config_map("copy", annotations=tracked, a="1")
    copy["metadata"]["namespace"] = teller.story.namespace
    teller.story.client.create(copy)
    teller.story.refresh()
    teller.note("copied")


@story
def tracked_by_label(teller: Teller) -> None:
    teller.settings(application__resourceTrackingMethod="label")
    _usual(teller)
    teller.story.sync()
    teller.note("synced")
    teller.commit(svc=None)
    teller.story.refresh()
    teller.note("requires pruning")
    teller.story.sync(prune=True)
    teller.note("pruned")


@story
def tracked_by_both(teller: Teller) -> None:
    teller.settings(application__resourceTrackingMethod="annotation+label")
    _usual(teller)
    teller.story.sync()
    teller.note("synced")


@story
def tracked_by_a_label_of_ones_own(teller: Teller) -> None:
    teller.settings(application__resourceTrackingMethod="label", application__instanceLabelKey="example.com/app")
    _usual(teller)
    teller.story.sync()
    teller.note("synced")


@story
def one_of_several_installations(teller: Teller) -> None:
    teller.settings(installationID="one")
    _usual(teller)
    teller.story.sync()
    teller.note("synced")


@story
def kinds_left_out(teller: Teller) -> None:
    _usual(teller)
    teller.story.sync()
    teller.settings(resource__exclusions="- apiGroups: ['']\n  kinds: [Service]\n  clusters: ['*']\n")
    teller.note("excluded")
    teller.settings()
    teller.note("not any more")


@story
def only_some_kinds(teller: Teller) -> None:
    teller.settings(resource__inclusions="- apiGroups: ['']\n  kinds: [ConfigMap, Service]\n  clusters: ['*']\n")
    _usual(teller)
    teller.note("compared")
