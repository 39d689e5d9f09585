"""Deleting: finalizers, propagation, namespaces."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.client import Client, Json
from tests.contract.objects import configmap
from tests.waiting import wait_until

SECONDS = 30.0
"""For what a real cluster's controllers do in their own time."""


def owned(name: str, owner: Json, *, kind: str = "ConfigMap", blocks: bool = True) -> Json:
    """A ConfigMap that belongs to another object."""
    reference = {"apiVersion": "v1", "kind": kind, "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"]}
    return configmap(name, ownerReferences=[reference | {"blockOwnerDeletion": blocks}])


def await_gone(api: Client, path: str) -> None:
    wait_until(lambda: api.get(path).status == 404, SECONDS, f"{path} is gone")


def test_a_deletion_answers_with_a_status(api: Client, configmaps: str) -> None:
    uid = api.post(configmaps, configmap("a")).must(201)["metadata"]["uid"]
    body = api.delete(f"{configmaps}/a").must()
    assert (body["kind"], body["status"]) == ("Status", "Success")
    assert body["details"] == {"name": "a", "kind": "configmaps", "uid": uid}
    gone = api.delete(f"{configmaps}/a")
    assert (gone.status, gone.message) == (404, 'configmaps "a" not found')


def test_preconditions(api: Client, configmaps: str) -> None:
    made = api.post(configmaps, configmap("a")).must(201)["metadata"]
    other = api.delete(f"{configmaps}/a", {"preconditions": {"uid": "another"}})
    assert (other.status, other.body["reason"]) == (409, "Conflict")
    assert f"the UID in the precondition (another) does not match the UID in record ({made['uid']})" in other.message
    late = api.delete(f"{configmaps}/a", {"preconditions": {"resourceVersion": "1"}})
    assert late.status == 409
    api.delete(f"{configmaps}/a", {"preconditions": {"uid": made["uid"]}}).must()


def test_finalizers_hold_an_object(api: Client, configmaps: str) -> None:
    path = f"{configmaps}/a"
    api.post(configmaps, configmap("a", finalizers=["x.io/hold"])).must(201)
    held = api.delete(path).must()
    assert held["kind"] == "ConfigMap"
    assert held["metadata"]["deletionTimestamp"]
    assert held["metadata"]["deletionGracePeriodSeconds"] == 0
    assert api.delete(path).must()["metadata"]["resourceVersion"] == held["metadata"]["resourceVersion"]
    more = api.patch(path, {"metadata": {"finalizers": ["x.io/hold", "x.io/more"]}})
    assert more.status == 422
    expected = "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted"
    assert expected in more.message
    api.patch(path, {"metadata": {"finalizers": None}}).must()
    assert api.get(path).status == 404


def test_dependents_go_with_their_owner(api: Client, configmaps: str) -> None:
    owner = api.post(configmaps, configmap("owner")).must(201)
    child = api.post(configmaps, owned("child", owner)).must(201)
    api.post(configmaps, owned("grandchild", child)).must(201)
    api.delete(f"{configmaps}/owner?propagationPolicy=Background").must()
    await_gone(api, f"{configmaps}/child")
    await_gone(api, f"{configmaps}/grandchild")


def test_in_the_foreground_the_owner_goes_last(api: Client, configmaps: str) -> None:
    owner = api.post(configmaps, configmap("owner")).must(201)
    held = owned("child", owner)
    held["metadata"]["finalizers"] = ["x.io/hold"]
    api.post(configmaps, held).must(201)
    waiting = api.delete(f"{configmaps}/owner", {"propagationPolicy": "Foreground"}).must()
    assert waiting["metadata"]["finalizers"] == ["foregroundDeletion"]
    path = f"{configmaps}/child"
    wait_until(lambda: "deletionTimestamp" in api.get(path).must()["metadata"], SECONDS, "the child is being deleted")
    assert api.get(f"{configmaps}/owner").status == 200
    api.patch(path, {"metadata": {"finalizers": None}}).must()
    await_gone(api, f"{configmaps}/owner")


def test_orphans_stay_and_forget_their_owner(api: Client, configmaps: str) -> None:
    owner = api.post(configmaps, configmap("owner")).must(201)
    api.post(configmaps, owned("child", owner)).must(201)
    api.delete(f"{configmaps}/owner?propagationPolicy=Orphan").must()
    await_gone(api, f"{configmaps}/owner")
    assert "ownerReferences" not in api.get(f"{configmaps}/child").must()["metadata"]


def test_a_dependent_with_another_owner_stays(api: Client, configmaps: str) -> None:
    one = api.post(configmaps, configmap("one")).must(201)
    two = api.post(configmaps, configmap("two")).must(201)
    child = owned("child", one)
    child["metadata"]["ownerReferences"] += owned("x", two)["metadata"]["ownerReferences"]
    api.post(configmaps, child).must(201)
    api.delete(f"{configmaps}/one?propagationPolicy=Background").must()

    def owners() -> list[str]:
        return [owner["name"] for owner in api.get(f"{configmaps}/child").must()["metadata"]["ownerReferences"]]

    wait_until(lambda: owners() == ["two"], SECONDS, "the child has one owner left")


def test_jobs_keep_their_pods_unless_asked_otherwise(api: Client, ns: str) -> None:
    path = f"/apis/batch/v1/namespaces/{ns}/jobs"
    pod = {"restartPolicy": "Never", "containers": [{"name": "run", "image": "busybox"}]}
    spec = {"suspend": True, "template": {"spec": pod}}
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "a"}, "spec": spec}
    api.post(path, job).must(201)
    answer = api.delete(f"{path}/a")
    assert answer.must()["metadata"]["finalizers"] == ["orphan"]
    assert "child pods are preserved by default when jobs are deleted" in answer.warnings[0]


def test_a_namespace_goes_with_its_contents(api: Client, configmaps: str, ns: str) -> None:
    api.post(configmaps, configmap("a")).must(201)
    api.delete(f"/api/v1/namespaces/{ns}").must()
    await_gone(api, f"/api/v1/namespaces/{ns}")
    assert api.get(f"{configmaps}/a").status == 404


def test_a_namespace_says_what_holds_it(api: Client, configmaps: str, ns: str) -> None:
    held = configmap("held", finalizers=["x.io/hold"])
    api.post(configmaps, held).must(201)
    api.post(configmaps, configmap("free")).must(201)
    going = api.delete(f"/api/v1/namespaces/{ns}").must()
    assert (going["kind"], going["status"]["phase"]) == ("Namespace", "Terminating")
    await_gone(api, f"{configmaps}/free")
    late = api.post(configmaps, configmap("late"))
    assert late.status == 403
    assert late.message == (
        f'configmaps "late" is forbidden: unable to create new content in namespace {ns} because it is being terminated'
    )

    def remaining() -> Any:
        conditions = api.get(f"/api/v1/namespaces/{ns}").must()["status"].get("conditions") or []
        return next((c["message"] for c in conditions if c["type"] == "NamespaceFinalizersRemaining"), None)

    expected = "Some content in the namespace has finalizers remaining: x.io/hold in 1 resource instances"
    wait_until(lambda: remaining() == expected, SECONDS, "the namespace says what holds it")
    api.patch(f"{configmaps}/held", {"metadata": {"finalizers": None}}).must()  # and it goes, in its own time


@pytest.mark.parametrize("name", ["default", "kube-system", "kube-public"])
def test_some_namespaces_stay(api: Client, name: str) -> None:
    answer = api.delete(f"/api/v1/namespaces/{name}")
    assert answer.status == 403
    assert answer.message == f'namespaces "{name}" is forbidden: this namespace may not be deleted'


def test_an_unknown_policy_is_refused(api: Client, configmaps: str) -> None:
    answer = api.delete(f"{configmaps}/a?propagationPolicy=Sideways")
    assert answer.status == 422
    assert answer.message == (
        'DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Unsupported value: "Sideways": '
        'supported values: "Foreground", "Background", "Orphan", "nil"'
    )
