"""Whatever stands in an object, each function that judges it answers: real manifests with their parts exchanged."""

from __future__ import annotations

import contextlib
import copy
import math
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetui.diff import IgnoreRule, audit_changes, compare, ignore, is_modified, mask, merge, normalize, object_diff
from fleetui.fleet.facts import facts_of
from fleetui.fleet.stuck import stuck
from fleetui.health import AppMember, aggregate, assess, kstatus, load_customizations
from fleetui.health.assessment import _ANY_VERSION, _RULES
from fleetui.health.hooks import is_hook, is_skipped
from fleetui.health.kinds import _RULES as _CUSTOM
from fleetui.model.errors import FleetError, ManifestError
from fleetui.model.objects import Meta, StoredObject, from_json, json_flaw, ref_of
from fleetui.model.status import Health, HealthStatus
from fleetui.render.yaml import documents

MANIFEST = """
apiVersion: v1
kind: Thing
metadata:
  name: it
  namespace: shop
  generation: 2
  labels: {app: it}
  annotations:
    argocd.argoproj.io/hook: PreSync
    argocd.argoproj.io/ignore-restart-policy: "true"
    autoscaling.alpha.kubernetes.io/conditions: '[{"type": "AbleToScale", "status": "True"}]'
    kubectl.kubernetes.io/last-applied-configuration: '{"spec": {"replicas": 1}}'
    rollout.argoproj.io/workload-generation: "2"
  finalizers: [a.io/b]
  ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: it, uid: u, controller: true}]
  managedFields:
  - manager: kubectl
    operation: Apply
    apiVersion: apps/v1
    fieldsType: FieldsV1
    fieldsV1: {"f:spec": {"f:replicas": {}, "f:containers": {'k:{"name":"a"}': {".": {}, "f:image": {}}}}}
spec:
  replicas: 2
  paused: false
  suspend: false
  type: LoadBalancer
  clusterIP: 10.0.0.1
  restartPolicy: Always
  workloadRef: {kind: Deployment}
  strategy: {canary: {}, type: RollingUpdate}
  updateStrategy: {type: RollingUpdate, rollingUpdate: {partition: 1}}
  template: {metadata: {labels: {app: it}}, spec: {containers: [{name: a, image: b, resources: {limits: {cpu: 1}}}]}}
  containers: [{name: a, image: b, ports: [{containerPort: 80, protocol: TCP}]}]
data: {key: dmFsdWU=}
stringData: {other: value}
rules: [{apiGroups: [""], resources: [pods], verbs: [get]}]
status:
  observedGeneration: 2
  replicas: 2
  updatedReplicas: 1
  readyReplicas: 1
  availableReplicas: 1
  currentReplicas: 1
  desiredNumberScheduled: 2
  currentPodHash: abc
  stableRS: abc
  phase: Running
  state: valid
  message: m
  loadBalancer: {ingress: [{ip: 1.2.3.4}]}
  startTime: "2026-01-01T00:00:00Z"
  lastScheduleTime: "2026-01-01T00:00:00Z"
  lastSuccessfulTime: "2026-01-01T00:00:00Z"
  active: [{kind: Job}]
  conditions:
  - {type: Ready, status: "False", reason: Progressing, message: m, observedGeneration: 2, severity: Error}
  - {type: Synced, status: "True", reason: R, message: m}
  - {type: Available, status: "True", reason: R, message: m}
  conditionedStatus: {conditions: [{type: Ready, status: "True", reason: R}]}
  parents: [{parentRef: {name: p}, conditions: [{type: Accepted, status: "True", observedGeneration: 2}]}]
  ancestors: [{ancestorRef: {name: p}, conditions: [{type: Accepted, status: "True", observedGeneration: 2}]}]
  listeners: [{name: l, conditions: [{type: Programmed, status: "False", message: m}]}]
  containerStatuses:
  - name: a
    ready: false
    restartCount: 3
    state: {waiting: {reason: CrashLoopBackOff, message: m}}
    lastState: {terminated: {exitCode: 1, reason: OOMKilled}}
"""
KINDS = [
    *_RULES,
    *((f"{group}/v1", kind) for group, kind in (*_ANY_VERSION, *_CUSTOM)),
    *(("v1", kind) for kind in ("Secret", "ConfigMap", "List")),
    ("rbac.authorization.k8s.io/v1", "ClusterRole"),
    ("acme.io/v1", "Database"),
]
SCRIPT = """
local hs = {status = "Progressing", message = ""}
for key, value in pairs(obj) do hs.message = hs.message .. tostring(key) end
for _, condition in ipairs(obj.status.conditions) do
  if condition.type == "Ready" then hs.status, hs.message = condition.status, condition.message end
end
return hs
"""
SCRIPTS = load_customizations(config={"resource.customizations": yaml.safe_dump({"*/*": {"health.lua": SCRIPT}})})
RULES = [
    IgnoreRule(
        group="*",
        kind="*",
        json_pointers=("/spec/containers/0/image", "/metadata/labels"),
        jq_path_expressions=('.spec.containers[] | select(.name == "a")', ".status.conditions[].message"),
        managed_fields_managers=("kubectl",),
    )
]
odd_keys = st.text(max_size=3) | st.integers(0, 2) | st.none() | st.booleans() | st.floats()
odd_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["", "x", "True", "\ud800", "[" * 2000, "[1]", "{}", "2026-01-01T00:00:00Z"])
    | st.just(10**400)
    | st.just(b"bytes"),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(odd_keys, inner, max_size=2),
    max_leaves=4,
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        yield (*path, key)
        if isinstance(item, dict | list):
            yield from _places(item, (*path, key))


OBJECT = yaml.safe_load(MANIFEST)
PLACES = list(_places(OBJECT))


@st.composite
def objects(draw: st.DrawFn) -> dict[Any, Any]:
    api_version, kind = draw(st.sampled_from(KINDS))
    obj: dict[Any, Any] = copy.deepcopy(OBJECT) | {"apiVersion": api_version, "kind": kind}
    for place in draw(st.lists(st.sampled_from(PLACES), max_size=4)):
        holder: Any = obj
        for step in place[:-1]:
            holder = holder[step] if _has(holder, step) else None
        if _has(holder, place[-1]):
            if isinstance(holder, dict) and draw(st.booleans()):
                del holder[place[-1]]
            else:
                holder[place[-1]] = draw(odd_values)
    return obj


def _has(holder: Any, step: Any) -> bool:
    if isinstance(holder, dict):
        return step in holder
    return isinstance(holder, list) and isinstance(step, int) and step < len(holder)


@settings(max_examples=400, deadline=None)
@given(objects())
def test_every_judge_answers(obj: dict[Any, Any]) -> None:
    before = copy.deepcopy(obj)
    native = assess(obj)
    judged = [native, assess(obj, SCRIPTS)]
    for health in judged:
        assert health is None or (isinstance(health.status, HealthStatus) and isinstance(health.message, str))
    assert isinstance(kstatus(obj).message, str)
    assert kstatus(obj, waits_for_jobs=True).status
    hook = is_hook(obj) or is_skipped(obj)
    assert isinstance(aggregate([AppMember(ref_of(obj), present=True, health=native, hook=hook)]), Health)
    stuck(obj)
    assert repr(obj) == repr(before)


@settings(max_examples=300, deadline=None)
@given(objects(), objects())
def test_every_comparison_answers(desired: dict[Any, Any], live: dict[Any, Any]) -> None:
    normalize(desired)
    mask(desired, live)
    ignore(RULES, desired, live)
    merge(desired, live)
    compare(desired, live)
    object_diff(desired, live, rules=RULES)
    assert is_modified(live, live) is False


@settings(max_examples=200, deadline=None)
@given(objects())
def test_every_object_of_an_api_server_has_facts(obj: dict[Any, Any]) -> None:
    try:
        raw = msgspec.json.encode(obj)
    except (TypeError, UnicodeEncodeError, msgspec.EncodeError):
        return  # no server can send it
    facts_of(StoredObject(ref=ref_of(obj), version="v1", meta=Meta(), raw=raw))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60) | st.text(alphabet="{}[]:,-&*!|>'\"#? \nab0.e~%@`\t\\", max_size=60).map(str.encode))
def test_random_bytes_are_manifests_or_our_own_error(content: bytes) -> None:
    with contextlib.suppress(ManifestError):
        for document in documents(content, path="it.yaml"):
            assess(document.value)
            kstatus(document.value)


# --- what is odd, one by one ------------------------------------------------------------------------------------------


def _nested(depth: int) -> Any:
    value: Any = "x"
    for level in range(depth):
        value = [value] if level % 2 else {"a": value}
    return value


def test_depth_is_told_without_recursion() -> None:
    assert json_flaw(_nested(200)) == ""
    assert json_flaw(_nested(201)) == json_flaw(_nested(100_000)) == "is nested deeper than 200 levels"


@pytest.mark.parametrize(
    ("key", "shown"), [(3, "3"), (None, "None"), (math.nan, "nan"), (True, "True"), (b"k", "b'k'")]
)
def test_a_key_that_is_no_text_is_named(key: Any, shown: str) -> None:
    place: dict[str, Any]
    for place in ({"spec": {key: 1}}, {"status": {key: 1}}, {"metadata": {"labels": {key: ""}}}, {key: 1}):
        obj = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "it"}, **place}
        odd = Health(HealthStatus.UNKNOWN, f"the object has the key {shown}, which is no text")
        assert assess(obj) == assess(obj, SCRIPTS) == odd
        assert kstatus(obj).message == odd.message


def test_no_key_reaches_lua_that_it_can_not_have() -> None:
    obj = {"apiVersion": "x.io/v1", "kind": "Thing", "metadata": {"managedFields": [{math.nan: 1}]}, "status": {}}
    assert assess(obj) is None
    health = assess(obj, SCRIPTS)
    assert health is not None
    assert health.message.endswith("the object has the key nan, which is no text")


@pytest.mark.parametrize("kind", sorted(set(KINDS)))
def test_an_object_of_any_kind_that_is_too_deep_is_unknown(kind: tuple[str, str]) -> None:
    obj = {"apiVersion": kind[0], "kind": kind[1], "metadata": {"name": "it"}, "spec": {"x": _nested(1000)}}
    deep = Health(HealthStatus.UNKNOWN, "the object is nested deeper than 200 levels")
    assert assess(obj) == assess(obj, SCRIPTS) == deep
    assert kstatus(obj).message == deep.message


def test_ten_megabytes_of_annotations_are_no_reason() -> None:
    annotations = {f"a{number}": "x" * 1000 for number in range(10_000)}
    obj = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "it", "annotations": annotations}}
    assert assess(obj) == Health(HealthStatus.HEALTHY)
    assert compare(obj, copy.deepcopy(obj)) == []


def test_what_is_too_large_for_lua_ends_no_process_and_blames_no_script() -> None:
    obj = {"apiVersion": "x.io/v1", "kind": "Thing", "metadata": {"name": "it"}, "spec": [{} for _ in range(1_000_000)]}
    for _ in range(3):
        health = assess(obj, SCRIPTS)
        assert health is not None
        assert health.message.endswith(": the object is too large for it")
    assert assess(obj | {"spec": {}, "status": {"conditions": []}}, SCRIPTS) != health


def test_what_a_comparison_can_not_follow_is_told_in_one_sentence() -> None:
    obj = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "it"}, "spec": _nested(1000)}
    for attempt in (
        lambda: object_diff(obj, copy_of(obj)),
        lambda: audit_changes({**obj, "spec": {}}, obj),
    ):
        with pytest.raises(FleetError, match="nested too deeply"):
            attempt()


def copy_of(obj: dict[str, Any]) -> dict[str, Any]:
    return {**obj, "spec": _nested(1000)}


def test_an_object_that_can_not_be_decoded_is_unknown() -> None:
    deep = b'{"apiVersion":"v1","kind":"Pod","metadata":{},"spec":' + b'{"a":' * 5000 + b"1" + b"}" * 5001
    facts = facts_of(StoredObject(ref=ref_of({}), version="v1", meta=Meta(), raw=deep))
    assert facts.health == Health(HealthStatus.UNKNOWN, "the object is nested too deeply to be read")


@pytest.mark.parametrize("text", ["", "{", "[" * 5000, "\ud800", '"\\ud800"', "NaN"])
def test_what_is_no_json(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        from_json(text)


def test_numbers_that_are_none() -> None:
    for number in (math.nan, math.inf, 0.5, True, "1", 10**400):
        obj = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {}, "status": {"replicas": number}}
        health = assess(obj)
        assert health is not None
        if number != 10**400:
            assert health.status is HealthStatus.UNKNOWN
            assert "replicas is" in health.message
