"""Trees of objects that somebody made to break them: chains, crowds, depths, twins, escape sequences."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fleetui.fleet import tree as trees
from fleetui.fleet.edges import came_from
from fleetui.fleet.facts import Facts, facts_of
from fleetui.fleet.items import Grown, Item
from fleetui.model.app import App, AppKey
from fleetui.model.objects import Obj, ObjectRef, StoredObject
from tests.unit.fakes import manifest, stored
from tests.unit.test_tree_edges import FLUX, HUB, Story, grown, obj, owner, tracked


def slice_of(kind: str, above: str, name: str, *addresses: str) -> StoredObject:
    body = manifest("EndpointSlice", name, namespace="shop", api_version="discovery.k8s.io/v1")
    body["metadata"] |= {"uid": f"EndpointSlice-{name}", "ownerReferences": [owner(kind, above)]}
    return stored(body | {"endpoints": [{"addresses": list(addresses)}]})


def test_a_chain_of_slices_of_slices_is_no_recursion() -> None:
    service = obj("v1", "Service", "web")
    chain = [slice_of("EndpointSlice", f"s-{at - 1}", f"s-{at}") for at in range(1, 2000)]
    story = Story(service, slice_of("Service", "web", "s-0"), *chain, manages=(service,))
    assert len(story.nodes) == trees.DEEPEST + 1
    story.put(slice_of("EndpointSlice", "s-1998", "s-1999", "10.0.0.1"))
    story.put(slice_of("Service", "web", "s-0", "10.0.0.1", "10.0.0.2"))
    assert story.nodes[1].info == "2 endpoints"


def test_a_crowd_below_one_object_is_sorted_once_for_a_look_and_not_for_each_that_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[object] = []
    place = trees._place

    def counted(item: Item) -> object:
        asked.append(item)
        return place(item)

    monkeypatch.setattr(trees, "_place", counted)
    parent = obj("v1", "ConfigMap", "parent")
    story = Story(parent, manages=(parent,))
    assert story.nodes
    asked.clear()
    names = [f"child-{at * 37 % 500:03}" for at in range(500)]
    story.put(*(obj("v1", "ConfigMap", name, metadata={"ownerReferences": [owner("ConfigMap", "parent")]})
                for name in names))  # fmt: skip
    assert not asked
    assert story.lines == ["ConfigMap parent", *(f"  ConfigMap {name}" for name in sorted(names))]
    assert len(asked) == 500


def test_what_an_object_lists_and_where_is_made_harmless() -> None:
    body = manifest("Kustomization", "x", namespace="flux", api_version=FLUX)
    body["spec"] = {"kubeConfig": {"secretRef": {"name": "kube\x1b[2Jconfig"}}}
    body["status"] = {"inventory": {"entries": [{"id": "ns_na\x1b]0;me\x07_ap\nps_Depl\x9boyment"}]}}
    facts = facts_of(stored(body))
    assert facts.listed == (ObjectRef("ap ps", "Depl\ufffdoyment", "ns", "na\ufffd]0;me\ufffd"),)
    assert facts.elsewhere == "kube\ufffd[2Jconfig"


def test_an_object_nested_too_deeply_to_be_read_says_nothing_of_where_it_came_from() -> None:
    deep: Any = {}
    for _ in range(5000):
        deep = b'{"a":' + (deep or b"1") + b"}"
    shallow = stored(manifest("Kustomization", "x", namespace="flux", api_version=FLUX))
    assert came_from(msgspec.structs.replace(shallow, raw=b'{"spec":' + deep + b"}")) == ()


def test_of_two_objects_with_one_uid_the_other_stays_an_owner_when_one_goes() -> None:
    """One object that a server has under two groups, such as an Ingress of old."""
    twins = [obj(f"{group}/v1", "Ingress", "web", metadata={"uid": "one"}) for group in ("a.example", "b.example")]
    child = obj("v1", "Secret", "cert", metadata={"ownerReferences": [owner("Ingress", "web") | {"uid": "one"}]})
    below_the_first = ["Ingress web", "  Secret cert", "Ingress web"]
    for objects, gone, lines in (
        (twins, twins[0], ["Ingress web", "Ingress web", "  Secret cert"]),
        (twins[::-1], twins[0], ["Ingress web", "Ingress web", "  Secret cert"]),
        (twins, twins[1], below_the_first),
        (twins[::-1], twins[1], below_the_first),
    ):
        story = Story(child, manages=(*twins,))
        story.put(*objects)
        assert story.lines == below_the_first
        story.drop(gone)
        assert story.lines == lines


def test_an_application_below_that_is_called_as_the_root_takes_nothing_with_it_when_it_goes() -> None:
    """A hub manages the Argo CD of another cluster, and both call an application the same."""
    child, added = obj("argoproj.io/v1alpha1", "Application", "shop", namespace="argo"), tracked("added")
    app = App(key=AppKey(HUB, "argo", "argo", "shop"))
    story = Story(child, added, manages=(child,), grown=grown({child.ref: Grown(app, HUB, "shop")}))
    assert "ConfigMap added" in [line.strip() for line in story.lines]
    story.drop(child)
    assert story.lines == ["Application shop", "ConfigMap added"]
    story.drop(added)
    story.put(added)
    assert story.lines == ["Application shop", "ConfigMap added"]


def test_a_ring_is_made_anew_for_a_look_and_not_for_each_that_comes_and_judges_nothing_again() -> None:
    judged: list[ObjectRef] = []

    def facts(one: StoredObject) -> Facts:
        judged.append(one.ref)
        return facts_of(one)

    def thing(name: str, above: str) -> StoredObject:
        owned: Obj = {"ownerReferences": [owner("Thing", above)]}
        return obj("acme.example/v1", "Thing", name, metadata=owned)

    ring = [thing("a", "b"), thing("b", "a")]
    story = Story(*ring, manages=(ring[0],), facts=facts)
    assert story.lines == ["Thing a", "  Thing b"]
    story.put(*(thing(f"more-{at}", "a") for at in range(5)))
    assert [ref.name for ref in judged] == ["a", "b"]
    assert len(story.lines) == 7
    assert sorted(ref.name for ref in judged) == ["a", "b", *(f"more-{at}" for at in range(5))]
