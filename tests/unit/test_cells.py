"""Which cell of the addon matrix an application is, and which version it has."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from backends.argocd import ArgoDialect
from fleetui.fleet.cells import CellRules, cell_of, version_of
from fleetui.fleet.naming import ClusterNames
from fleetui.model import selectors
from fleetui.model.app import App, AppKey, Destination, Source
from fleetui.model.objects import ClusterName, Meta, ObjectRef, OwnerRef, StoredObject
from fleetui.model.rollout import CellKey
from fleetui.model.status import ClusterState, ClusterStatus

HUB = ClusterName("hub")


def status(name: str, server: str = "", *, aliases: tuple[str, ...] = (), origin: str = "hub hub") -> ClusterStatus:
    return ClusterStatus(ClusterName(name), ClusterState.LIVE, 0.0, server=server, aliases=aliases, origin=origin)


CLUSTERS = ClusterNames(
    [
        status("hub", "https://10.0.0.1:6443", origin="kubeconfig"),
        status("seoul-1", "https://seoul:6443"),
        status("seoul", "https://old:6443", aliases=("Seoul_One",)),
    ]
)


def app(name: str = "a", made_by: str = "", *, hub: str = "hub", to: str = "", **more: Any) -> App:
    key = AppKey(ClusterName(hub), "argo", "argocd", name)
    return App(key, application_set=made_by, destination=Destination(name=to), **more)


@pytest.mark.parametrize(
    ("one", "cell"),
    [
        (app("seoul-1-cert-manager", "addons", to="seoul-1"), "seoul-1/cert-manager"),
        (app("cert-manager-seoul-1", "addons", to="seoul-1"), "seoul-1/cert-manager"),
        (app("seoul-cert-manager", "addons", to="seoul"), "seoul/cert-manager"),
        (app("seoul-one-cert-manager", "addons", to="Seoul_One"), "seoul/cert-manager"),
        (app("in-cluster-cert-manager", "addons"), "hub/cert-manager"),
        (app("seoul-1", "guestbook", to="seoul-1"), "seoul-1/guestbook"),
        (app("tools", "addons", to="seoul-1"), "seoul-1/tools"),
        (app("seoul-10-tools", "addons", to="seoul-1"), "seoul-1/seoul-10-tools"),
        (app("x", "addons", to="seoul-1", labels={"app.kubernetes.io/name": "tools"}), "seoul-1/tools"),
        (app("seoul-1-x", "addons", to="seoul-1", labels={"app.kubernetes.io/name": "tools"}), "seoul-1/x"),
        (app("seoul-1-x", "addons", to="seoul-1", labels={"addon": "dns"}), "seoul-1/dns"),
        (app("by-hand", to="seoul-1", labels={"addon": "dns"}), "seoul-1/dns"),
        (app("seoul-2-x", "addons", to="seoul-2"), "seoul-2/x"),
        (app("shop", to="seoul-1"), None),
    ],
)
def test_an_application_is_found_in_the_matrix(one: App, cell: str | None) -> None:
    found = cell_of(one, CLUSTERS)
    assert (str(found) if found else None) == cell


def test_an_operator_says_which_applications_are_addons() -> None:
    rules = CellRules(label="team", selector=selectors.parse("tier=addon"))
    labels = {"tier": "addon", "addon": "not-this", "team": "dns"}
    assert cell_of(app("by-hand", to="seoul-1", labels=labels), CLUSTERS, rules) == CellKey(
        ClusterName("seoul-1"), "dns"
    )
    assert cell_of(app("seoul-1-x", "addons", to="seoul-1"), CLUSTERS, rules) is None


@pytest.mark.parametrize(
    ("one", "version"),
    [
        (app(source=Source(chart="c", target_revision="1.15.0", path="9.9")), "1.15.0"),
        (app(source=Source(chart="c", target_revision="1.*"), revision="1.15.3"), "1.15.3"),
        (app(source=Source(chart="c", target_revision="1.*")), "1.*"),
        (app(parameters={"version": "1.14"}, labels={"version": "2"}), "1.14"),
        (app(labels={"version": "1.14", "app.kubernetes.io/version": "3"}), "1.14"),
        (app(labels={"app.kubernetes.io/version": "3"}, source=Source(path="a/1.2.3")), "3"),
        (app(source=Source(path="addons/1.0/cert-manager/v1.15.0/deploy", target_revision="2.0.0")), "v1.15.0"),
        (app(source=Source(path="addons/cert-manager/1.14", target_revision="main")), "1.14"),
        (app(source=Source(path="apis/v1", target_revision="v2.3.4-rc.1")), "v2.3.4-rc.1"),
        (app(source=Source(target_revision="cert-manager-1.15.0-rc.1")), "1.15.0-rc.1"),
        (app(source=Source(target_revision="addons/cert-manager/v1.15.0")), "v1.15.0"),
        (app("web-dns", source=Source(target_revision="main"), images=("a/b:1", "r:5000/k/dns:1.9@sha256:0")), "1.9"),
        (app(images=("registry:5000/a/b@sha256:00", "a/c:7")), "7"),
        (app(source=Source(path="1" * 300, target_revision="-1.1" * 100)), ""),
        (app(), ""),
    ],
)
def test_the_version_is_the_first_that_there_is(one: App, version: str) -> None:
    assert version_of(one) == version


def test_what_an_applicationset_made_says_so_and_keeps_its_helm_parameters() -> None:
    helm = {"parameters": [{"name": "version", "value": "1.14"}, {"name": "version", "value": "1.15"}, "odd"]}
    spec = {"sources": [{"ref": "values"}, {"repoURL": "r", "path": "p", "helm": helm}], "destination": {}}
    owners = (OwnerRef("argoproj.io/v1alpha1", "ApplicationSet", "addons", "u", controller=True),)
    made = ArgoDialect().app(
        HUB,
        StoredObject(
            ObjectRef("argoproj.io", "Application", "argocd", "a"),
            "v1alpha1",
            Meta(name="a", owner_references=owners),
            msgspec.json.encode({"spec": spec}),
        ),
    )
    assert made.application_set == "addons"
    assert made.parameters == {"version": "1.15"}


def test_a_hub_s_applications_mean_what_that_hub_calls_so() -> None:
    names = ClusterNames(
        [
            status("east", "https://east:6443", origin="kubeconfig"),
            status("west", "https://west:6443", origin="kubeconfig"),
            status("edge", "https://edge-of-east:6443", origin="hub east"),
            status("west/edge", "https://edge-of-west:6443", aliases=("edge",), origin="hub west"),
        ]
    )
    assert names.of(app(hub="east", to="edge")) == "edge"
    assert names.of(app(hub="west", to="edge")) == "west/edge"
    assert names.of(app(hub="west", to="in-cluster")) == "west"
    assert names.of(app(hub="west", to="nowhere")) == "nowhere"


def test_only_what_decides_on_places_counts_as_a_change_of_names() -> None:
    names = ClusterNames()
    edge = status("edge", "https://edge:6443")
    assert names.update([edge])
    assert not names.update([msgspec.structs.replace(edge, state=ClusterState.STALE, message="away")])
    assert names.update([msgspec.structs.replace(edge, aliases=("rim",))])
    assert names.of(app(to="rim")) == "edge"
    assert names.update([], gone=[edge.name])
    assert names.of(app(to="rim")) == "rim"
