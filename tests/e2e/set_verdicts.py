"""Stories of ApplicationSets of which the real Argo CD was the first listener, and what it made of each.

Owns: `SetTeller` with its `STORIES`, and what is recorded: the Applications, the ApplicationSet and the Events on it,
without what no two runs share (times, uids, versions). `data/argocd-3.6.1-sets.json` holds the verdicts of Argo CD
v3.6.1, whose ApplicationSet controller, with progressive syncs on and without a grace period, was told the same stories
before a kube-apiserver. Nobody reconciles the Applications: the story itself says what became of a sync. An operation
counts where the ApplicationSet says that it is pending, of a revision: Argo CD, which asks by the status that it had
before, asks for most syncs twice, and for one before it is known what to sync; so the Events of such updates do not
count either while it rolls.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from fleetui.model.times import format_time
from tests.e2e.client import Client, Json
from tests.waiting import wait_until

FILE = Path(__file__).parent / "data" / "argocd-3.6.1-sets.json"
RECORDED: dict[str, dict[str, Json]] = json.loads(FILE.read_text()) if FILE.exists() else {}
NAME = "addons"
NAMESPACE = "argocd"
FINALIZER = "resources-finalizer.argocd.argoproj.io"
IN_CLUSTER = "https://kubernetes.default.svc"
CLUSTER_LABEL = {"argocd.argoproj.io/secret-type": "cluster"}
PATIENCE = 10.0


class SetTeller:
    """Tells one story and asks at each `note` for the verdict; Argo CD's own is awaited."""

    def __init__(self, client: Client, title: str) -> None:
        self.client = client
        self.title = title

    # --- telling ----------------------------------------------------------------------------------------------------

    def apply(self, *elements: Json, metadata: Json | None = None, template: Json | None = None, **spec: Any) -> None:
        """The ApplicationSet: an Application for each element of its list, which has at least a `name`.

        The story's own field manager applies it: what it leaves out goes.
        """
        made: Json = {
            "metadata": {"name": "{{name}}", "labels": {"step": "{{step}}"}},
            "spec": {
                "project": "default",
                "source": {"repoURL": "https://git.example/addons.git", "path": "charts", "targetRevision": "main"},
                "destination": {"server": IN_CLUSTER, "namespace": "addons"},
            },
        }
        self.client.apply(
            {
                "apiVersion": "argoproj.io/v1alpha1",
                "kind": "ApplicationSet",
                "metadata": {"name": NAME, "namespace": NAMESPACE, **(metadata or {})},
                "spec": {
                    "generators": [{"list": {"elements": [{"step": "first", **each} for each in elements]}}],
                    "template": template or made,
                    **spec,
                },
            }
        )

    def template(self, *, metadata: Json | None = None, **spec: Any) -> Json:
        """One with changes to its metadata and spec (None removes a field)."""
        whole: Json = {
            "project": "default",
            "source": {"repoURL": "https://git.example/addons.git", "path": "charts", "targetRevision": "main"},
            "destination": {"server": IN_CLUSTER, "namespace": "addons"},
            **spec,
        }
        return {
            "metadata": {"name": "{{name}}", **(metadata or {})},
            "spec": {key: value for key, value in whole.items() if value is not None},
        }

    def edit(self, change: Json) -> None:
        """A merge patch of the ApplicationSet."""
        self.client.patch("applicationset", NAME, NAMESPACE, change)

    def edit_app(self, name: str, change: Json) -> None:
        """A merge patch of an Application."""
        self.client.patch("application", name, NAMESPACE, change)

    def register(self, name: str, server: str = "", **labels: str) -> None:
        """A cluster, as a Secret of the hub."""
        self.client.apply(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {
                    "name": f"cluster-{name}",
                    "namespace": NAMESPACE,
                    "labels": {**CLUSTER_LABEL, **labels},
                },
                "stringData": {"name": name, "server": server or f"https://{name}.example", "config": "{}"},
            }
        )

    def compared(
        self, name: str, *, sync: str, health: str, revision: str = "one", metadata: Json | None = None, **status: Any
    ) -> None:
        """What an application controller says of an Application; it has looked after everything that happens here."""
        self.edit_app(
            name,
            {
                "metadata": metadata or {},
                "status": {
                    "sync": {"status": sync, "revision": revision},
                    "health": {"status": health},
                    "reconciledAt": "2100-01-01T00:00:00Z",
                    **status,
                },
            },
        )

    def begun(self, *names: str) -> None:
        """The set knows its Applications, and then they are compared for the first time, one after the other."""
        for name in names:
            wait_until(partial(self.client.get, "application", name, NAMESPACE), PATIENCE, f"{name} is made")
            self.edit_app(name, {"status": {"reconciledAt": "2100-01-01T00:00:00Z"}})
        self.edit({"metadata": {"annotations": {"looked": "at"}}})

        def known() -> bool:
            status = (self.client.get("applicationset", NAME, NAMESPACE) or {}).get("status", {})
            return [each["application"] for each in status.get("applicationStatus", ())] == [*names]

        wait_until(known, PATIENCE, "the set knows its applications")
        for name in names:
            self.compared(name, sync="OutOfSync", health="Missing")

    def synced(self, name: str, *, phase: str = "Succeeded", health: str = "Healthy", revision: str = "one") -> None:
        """The operation that was asked for has come to its end."""
        operation = (self.client.get("application", name, NAMESPACE) or {}).get("operation", {})
        state = {"phase": phase, "startedAt": self.soon(), "operation": operation, "message": "told by the story"}
        self.edit_app(name, {"operation": None})
        synced = "Synced" if phase == "Succeeded" else "OutOfSync"
        self.compared(name, sync=synced, health=health, revision=revision, operationState=state)

    @staticmethod
    def soon() -> str:
        """A time that is after whatever has been written until now; times have whole seconds."""
        return format_time(time.time() + 3)

    def delete(self) -> None:
        self.client.delete("applicationset", NAME, NAMESPACE)

    # --- listening --------------------------------------------------------------------------------------------------

    def note(self, label: str) -> None:
        """Waits until the verdict is what Argo CD said."""
        expected = RECORDED[self.title][label]
        try:
            wait_until(lambda: self.verdict() == expected, PATIENCE, f"{self.title}, {label}: as Argo CD says")
        except AssertionError as error:
            found, told = dict(_flat(self.verdict())), dict(_flat(expected))
            paths = [path for path in {**told, **found} if told.get(path) != found.get(path)]
            lines = [f"{path}: Argo CD {told.get(path)!r}, here {found.get(path)!r}" for path in paths]
            raise AssertionError("\n".join([f"{self.title}, {label}", *lines])) from error

    def verdict(self) -> Json:
        """What there is now, as it is recorded."""
        appset = self.client.get("applicationset", NAME, NAMESPACE)
        told = [
            each for each in self.client.all("event", NAMESPACE) if each["involvedObject"]["kind"] == "ApplicationSet"
        ]
        states = (appset or {}).get("status", {}).get("applicationStatus", ())
        pending = {each["application"] for each in states if each["status"] == "Pending" and each["targetRevisions"]}
        apps = {each["metadata"]["name"]: each for each in self.client.all("application", NAMESPACE)}
        rolls = "strategy" in (appset or {}).get("spec", {})
        asked = {f'Normal updated: updated Application "{name}"' for name in apps if rolls}
        verdict: Json = {
            "applications": {name: _shown(app, pending=name in pending) for name, app in apps.items()},
            "set": None if appset is None else _of_set(appset),
            "events": sorted({f"{each['type']} {each['reason']}: {each['message']}" for each in told} - asked),
        }
        return verdict

    def close(self) -> None:
        """Takes everything away that a story may leave."""
        if self.client.get("applicationset", NAME, NAMESPACE):
            self.edit({"metadata": {"finalizers": None}})
        self.delete()
        wait_until(lambda: self.client.get("applicationset", NAME, NAMESPACE) is None, PATIENCE, "the set went")
        for kind in ("application", "secret", "event", "appproject"):
            for each in self.client.all(kind, NAMESPACE):
                name = each["metadata"]["name"]
                keeps = (kind == "secret" and not name.startswith("cluster-")) or (kind, name) == (
                    "appproject",
                    "default",
                )
                if keeps:
                    continue
                if each["metadata"].get("finalizers"):
                    self.client.patch(kind, name, NAMESPACE, {"metadata": {"finalizers": None}})
                self.client.delete(kind, name, NAMESPACE)
        wait_until(lambda: not self.client.all("application", NAMESPACE), PATIENCE, "the applications went")


def _shown(app: Json, *, pending: bool) -> Json:
    metadata = app["metadata"]
    owners = [
        {key: value for key, value in each.items() if key != "uid"} for each in metadata.get("ownerReferences", ())
    ]
    shown = {key: metadata[key] for key in ("labels", "annotations", "finalizers") if metadata.get(key)}
    going = {"going": True} if "deletionTimestamp" in metadata else {}
    return {
        **shown,
        **going,
        "owners": owners,
        "spec": app["spec"],
        "operation": app.get("operation") if pending else None,
    }


def _of_set(appset: Json) -> Json:
    metadata, status = appset["metadata"], _timeless(appset.get("status", {}))
    shown = {key: metadata[key] for key in ("annotations", "finalizers") if metadata.get(key)}
    return {**shown, "going": "deletionTimestamp" in metadata, "status": status}


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _timeless(each) for key, each in value.items() if key != "lastTransitionTime"}
    return [_timeless(each) for each in value] if isinstance(value, list) else value


def _flat(value: Any, path: str = "") -> list[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        return [pair for key, each in value.items() for pair in _flat(each, f"{path}.{key}")]
    if isinstance(value, list) and value:
        return [pair for place, each in enumerate(value) for pair in _flat(each, f"{path}[{place}]")]
    return [(path, value)]


# --- the stories ----------------------------------------------------------------------------------------------------

STORIES: dict[str, Callable[[SetTeller], None]] = {}


def told(tell: Callable[[SetTeller], None]) -> Callable[[SetTeller], None]:
    """Makes a function one of the stories, under its own name."""
    STORIES[tell.__name__] = tell
    return tell


ALPHA, BETA, GAMMA = ({"name": name} for name in ("alpha", "beta", "gamma"))


def step(name: str, **more: Any) -> Json:
    return {"matchExpressions": [{"key": "step", "operator": "In", "values": [name]}], **more}


def rolling(*steps: Json, **more: Any) -> Json:
    return {"type": "RollingSync", "rollingSync": {"steps": list(steps)}, **more}


@told
def created_changed_and_deleted(teller: SetTeller) -> None:
    teller.apply(ALPHA, BETA)
    teller.note("created")
    teller.apply(ALPHA, GAMMA, template=teller.template(project="default", info=[{"name": "for", "value": "{{name}}"}]))
    teller.note("one changed, one created, one deleted")


@told
def what_others_wrote(teller: SetTeller) -> None:
    teller.apply(
        ALPHA, template=teller.template(metadata={"labels": {"team": "a"}, "annotations": {"note": "{{name}}"}})
    )
    teller.note("created")
    teller.edit_app(
        "alpha",
        {
            "metadata": {
                "labels": {"team": "b", "mine": "x"},
                "annotations": {
                    "note": "changed",
                    "mine": "x",
                    "argocd.argoproj.io/refresh": "normal",
                    "argocd.argoproj.io/hydrate": "normal",
                    "notified.notifications.argoproj.io": "{}",
                },
                "finalizers": [FINALIZER, "post-delete-finalizer.argocd.argoproj.io/cleanup", "example.com/mine"],
            },
            "spec": {"source": {"targetRevision": "other"}, "syncPolicy": {"automated": {}}},
        },
    )
    teller.note("put back, but for what is preserved in any case")
    teller.apply(
        ALPHA,
        template=teller.template(metadata={"labels": {"team": "a"}}),
        preservedFields={"annotations": ["keep"], "labels": ["kept"]},
    )
    teller.edit_app("alpha", {"metadata": {"labels": {"kept": "y", "team": "c"}, "annotations": {"keep": "y"}}})
    teller.note("and for what the set preserves")


@told
def what_says_nothing(teller: SetTeller) -> None:
    empty = {
        "repoURL": "https://git.example/addons.git",
        "path": "charts",
        "kustomize": {"forceCommonLabels": True},
        "directory": {"recurse": False, "include": "*.yaml"},
    }
    teller.apply(ALPHA, template=teller.template(source=empty, syncPolicy={"syncOptions": []}))
    teller.note("created")
    teller.edit_app("alpha", {"spec": {"source": {"helm": {}, "directory": {"jsonnet": {}}}, "syncPolicy": {}}})
    teller.note("left alone")
    teller.edit_app("alpha", {"spec": {"source": {"helm": {"releaseName": "x"}}, "syncPolicy": {"automated": {}}}})
    teller.note("put back")


@told
def what_is_ignored(teller: SetTeller) -> None:
    ignored = [
        {"jsonPointers": ["/spec/source/targetRevision"]},
        {"name": "beta", "jqPathExpressions": [".spec.source.path", ".metadata.labels.team"]},
    ]
    teller.apply(ALPHA, BETA, ignoreApplicationDifferences=ignored)
    teller.note("created")
    for name in ("alpha", "beta"):
        change = {"metadata": {"labels": {"team": "x"}}, "spec": {"source": {"targetRevision": "y", "path": "z"}}}
        teller.edit_app(name, change)
    teller.note("left as it is where it is ignored")


@told
def create_only(teller: SetTeller) -> None:
    teller.apply(ALPHA, BETA, syncPolicy={"applicationsSync": "create-only"})
    teller.note("created")
    changed = teller.template(project="default", info=[{"name": "a", "value": "b"}])
    teller.apply(ALPHA, GAMMA, template=changed, syncPolicy={"applicationsSync": "create-only"})
    teller.note("neither changed nor deleted")
    teller.edit({"metadata": {"finalizers": [FINALIZER]}})
    teller.delete()
    teller.note("without an owner, and so they stay")


@told
def create_update(teller: SetTeller) -> None:
    teller.apply(ALPHA, BETA, syncPolicy={"applicationsSync": "create-update"})
    teller.note("created")
    changed = teller.template(info=[{"name": "a", "value": "b"}])
    teller.apply(ALPHA, template=changed, syncPolicy={"applicationsSync": "create-update"})
    teller.note("changed, not deleted")


@told
def create_delete(teller: SetTeller) -> None:
    teller.apply(ALPHA, BETA, syncPolicy={"applicationsSync": "create-delete"})
    teller.note("created")
    changed = teller.template(info=[{"name": "a", "value": "b"}])
    teller.apply(ALPHA, template=changed, syncPolicy={"applicationsSync": "create-delete"})
    teller.note("deleted, not changed")


@told
def resources_outlive(teller: SetTeller) -> None:
    teller.apply(ALPHA, syncPolicy={"preserveResourcesOnDeletion": True})
    teller.note("without a finalizer")


@told
def invalid_ones_are_skipped(teller: SetTeller) -> None:
    template = teller.template(project="{{project}}", destination={"name": "{{cluster}}", "namespace": "x"})
    fine = {"project": "default", "cluster": "in-cluster"}
    teller.apply(ALPHA | fine, BETA | fine, GAMMA | fine, template=template)
    teller.note("created")
    teller.apply(
        ALPHA | {"project": "none", "cluster": "in-cluster"},
        BETA | {"project": "default", "cluster": "nowhere"},
        GAMMA | fine,
        template=template,
    )
    teller.note("told, not touched")
    teller.apply(ALPHA | fine, GAMMA | fine, template=template)
    teller.note("well again")


@told
def somebody_elses(teller: SetTeller) -> None:
    owner = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "ApplicationSet",
        "name": "other",
        "uid": "1",
        "controller": True,
    }
    for name, owners in (("alpha", [owner]), ("beta", [])):
        teller.client.create(
            {
                "apiVersion": "argoproj.io/v1alpha1",
                "kind": "Application",
                "metadata": {"name": name, "namespace": NAMESPACE, "ownerReferences": owners, "labels": {"by": "hand"}},
                "spec": {"project": "default", "destination": {"server": IN_CLUSTER, "namespace": "mine"}},
            }
        )
    teller.apply(ALPHA, BETA)
    teller.note("the one is left alone, the other is taken over")


@told
def clusters_come_and_go(teller: SetTeller) -> None:
    teller.register("seoul-1", env="prod")
    teller.register("tokyo-1", env="prod")
    teller.register("lab", env="test")
    template = teller.template(destination={"server": "{{server}}", "namespace": "addons"})
    generators = [{"clusters": {"selector": {"matchLabels": {"env": "prod"}}}}]
    teller.apply(template=template, generators=generators)
    teller.note("one for each")
    teller.register("osaka-1", env="prod")
    teller.note("one came")
    teller.register("lab", env="prod")
    teller.note("one was labelled")
    teller.client.delete("secret", "cluster-tokyo-1", NAMESPACE)
    teller.note("one went, and nothing there can be deleted")
    teller.client.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "cluster-lab", "namespace": NAMESPACE, "labels": {**CLUSTER_LABEL, "env": "test"}},
        }
    )
    teller.note("one is selected no more: its application is being deleted")


@told
def what_is_preserved_and_templated(teller: SetTeller) -> None:
    metadata = {"annotations": {"keep": "{{name}}", "other": "{{name}}"}, "labels": {"kept": "{{name}}"}}
    preserved = {"annotations": ["keep"], "labels": ["kept"]}
    teller.apply(ALPHA, template=teller.template(metadata=metadata), preservedFields=preserved)
    teller.note("created")
    mine = {"annotations": {"keep": "mine", "other": "mine"}, "labels": {"kept": "mine"}}
    teller.edit_app("alpha", {"metadata": mine})
    teller.note("what is mine stays where it is preserved")
    teller.edit_app("alpha", {"metadata": {"annotations": {"keep": None}, "labels": {"kept": None}}})
    teller.note("what was taken away comes back")
    teller.apply(ALPHA, template=teller.template(), preservedFields=preserved)
    teller.note("and outlives its template")


@told
def what_is_ignored_in_part(teller: SetTeller) -> None:
    ignored = [
        {"jsonPointers": ["/metadata/annotations/x", "/metadata/finalizers", "/spec/syncPolicy"]},
        {
            "name": "beta",
            "jqPathExpressions": ['.spec.source.helm.parameters[] | select(.name=="a")', ".metadata.ownerReferences"],
        },
    ]

    def source(a: str, b: str) -> Json:
        parameters = [{"name": "a", "value": a}, {"name": "b", "value": b}]
        where = {"repoURL": "https://git.example/addons.git", "path": "charts", "targetRevision": "main"}
        return {**where, "helm": {"parameters": parameters}}

    def apply(x: str, **values: str) -> None:
        metadata = {"annotations": {"x": x, "y": x}}
        template = teller.template(source=source(**values), metadata=metadata)
        teller.apply(ALPHA, BETA, template=template, ignoreApplicationDifferences=ignored)

    apply("1", a="1", b="2")
    teller.note("created")
    for name in ("alpha", "beta"):
        metadata = {"annotations": {"x": "2", "y": "2"}, "finalizers": None}
        spec = {"syncPolicy": {"automated": {"prune": True}}, "source": {"helm": source("9", "9")["helm"]}}
        teller.edit_app(name, {"metadata": metadata, "spec": spec})
    teller.note("put back where it is not ignored")
    apply("3", a="3", b="3")
    teller.note("a new template")


@told
def deleted_by_hand(teller: SetTeller) -> None:
    teller.apply(ALPHA, syncPolicy={"preserveResourcesOnDeletion": True})
    wait_until(lambda: teller.client.get("application", "alpha", NAMESPACE), PATIENCE, "alpha is made")
    teller.client.delete("application", "alpha", NAMESPACE)
    teller.note("back")
    teller.apply(ALPHA)
    teller.note("with a finalizer")
    teller.client.delete("application", "alpha", NAMESPACE)
    teller.note("going")
    teller.edit_app("alpha", {"spec": {"source": {"path": "other"}}})
    teller.note("put back while it goes")


@told
def a_cluster_is_renamed(teller: SetTeller) -> None:
    generators = [{"clusters": {"selector": {"matchLabels": {"env": "prod"}}}}]
    teller.register("tokyo", env="prod")
    template = teller.template(destination={"name": "{{name}}", "namespace": "x"})
    teller.apply(template=template, generators=generators)
    teller.note("created")
    teller.client.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": "cluster-tokyo",
                "namespace": NAMESPACE,
                "labels": {**CLUSTER_LABEL, "env": "prod"},
            },
            "stringData": {"name": "edo", "server": "https://tokyo.example", "config": "{}"},
        }
    )
    teller.note("the one goes, another comes")


@told
def refreshed(teller: SetTeller) -> None:
    teller.apply(ALPHA)
    teller.note("created")
    teller.edit({"metadata": {"annotations": {"argocd.argoproj.io/application-set-refresh": "true", "mine": "x"}}})
    teller.note("the annotation went")


@told
def rolls_step_by_step(teller: SetTeller) -> None:
    elements = [
        {"name": "alpha", "step": "first"},
        {"name": "beta", "step": "second"},
        {"name": "gamma", "step": "second"},
    ]
    policy = {"automated": {"prune": True}, "syncOptions": ["CreateNamespace=true"]}
    template = teller.template(metadata={"labels": {"step": "{{step}}"}}, syncPolicy=policy)
    strategy = rolling(step("first"), step("second", maxUpdate=1))
    teller.apply(*elements, template=template, strategy=strategy)
    teller.begun("alpha", "beta", "gamma")
    teller.note("the first is asked to sync")
    teller.synced("alpha", health="Progressing")
    teller.note("the first progresses")
    teller.compared("alpha", sync="Synced", health="Healthy")
    teller.note("one of the second step is asked to sync")
    teller.synced("beta", phase="Failed", health="Degraded")
    teller.note("it failed, and holds up the other")
    teller.compared("beta", sync="Synced", health="Healthy")
    teller.note("it came round: the other is asked to sync")
    teller.synced("gamma")
    teller.note("complete")
    template["spec"]["info"] = [{"name": "a", "value": "b"}]
    teller.apply(*elements, template=template, strategy=strategy)
    teller.note("what is synced by then is healthy, whatever its spec")
    out: Json = {"sync": "OutOfSync", "health": "Healthy", "operationState": None}
    teller.compared("gamma", **out, revision="one", reconciledAt="2020-01-01T00:00:00Z")
    teller.compared("alpha", **out, revision="two")
    teller.note("who has not looked since a commit was seen has to first")
    teller.compared("gamma", **out, revision="two", metadata={"annotations": {"argocd.argoproj.io/refresh": None}})
    teller.note("a change begins again with the first")
    teller.apply(*elements, template=template)
    teller.note("without a strategy nothing is told of it")


@told
def rolls_in_none_of_the_steps(teller: SetTeller) -> None:
    elements = [{"name": "alpha", "step": "first"}, {"name": "beta", "step": "other"}]
    teller.apply(*elements, strategy=rolling(step("first", maxUpdate="10%")))
    teller.begun("alpha", "beta")
    teller.note("the other never begins")


@told
def steps_that_are_wrong(teller: SetTeller) -> None:
    teller.apply(ALPHA, strategy=rolling())
    teller.note("no steps")
    teller.apply(ALPHA, strategy=rolling(step("first"), step("none")))
    teller.note("an empty step")
    teller.apply(ALPHA, BETA, strategy=rolling(step("first"), step("first")))
    teller.note("selected twice")
    exists = {"matchExpressions": [{"key": "step", "operator": "Exists"}]}
    teller.apply(ALPHA, strategy=rolling(step("first"), exists))
    teller.note("an operator that there is not")


@told
def deleted_in_reverse(teller: SetTeller) -> None:
    elements = [{"name": "alpha", "step": "first"}, {"name": "beta", "step": "second"}]
    teller.apply(*elements, strategy=rolling(step("first"), step("second"), deletionOrder="Reverse"))
    teller.note("with a finalizer")
    teller.delete()
    teller.note("the last step first")
