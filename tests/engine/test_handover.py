"""What another's client-side apply owns, and what it needs (kubectl v0.37, gitops-engine v3.6.1)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fleetui.diff.normalize import LAST_APPLIED
from fleetui.engine.application import MIGRATION_MANAGER
from fleetui.engine.handover import Handover, migrated, with_last_applied
from fleetui.model.objects import Obj
from tests.engine.objects import obj

CONFIG = obj("ConfigMap", "a")
KUBECTL, ARGO = "kubectl-client-side-apply", "argocd-controller"
SERVER_SIDE = "ServerSideApply=true"
OFF = "ClientSideApplyMigration=false"
ANNOTATED: Obj = {"f:metadata": {"f:annotations": {f"f:{LAST_APPLIED}": {}}}}


def entry(manager: str, operation: str = "Update", fields: Obj | None = None, **rest: str) -> Obj:
    return {"manager": manager, "operation": operation, "apiVersion": "v1", "fieldsV1": fields or {}, **rest}


def live(*entries: Obj) -> Obj:
    return {**CONFIG, "metadata": {**CONFIG["metadata"], "managedFields": list(entries)}}


def handover(*options: str, manager: str = "") -> Handover:
    return Handover.of({"metadata": {"annotations": {MIGRATION_MANAGER: manager}}}, options)


@pytest.mark.parametrize(
    ("options", "own", "server_side"),
    [
        ((), "", False),
        ((SERVER_SIDE,), "", True),
        ((), SERVER_SIDE, True),
        ((SERVER_SIDE,), "ServerSideApply=false", False),
        ((SERVER_SIDE,), "Prune=false, ServerSideApply=false", False),
        (("ServerSideApply=false",), SERVER_SIDE, True),
    ],
)
def test_how_argo_cd_would_apply_an_object(options: tuple[str, ...], own: str, server_side: bool) -> None:
    assert handover(*options).applies_server_side(obj("ConfigMap", "a", options=own)) is server_side


@pytest.mark.parametrize(
    ("options", "manager", "found", "taken"),
    [
        ((), "", entry(KUBECTL), {KUBECTL}),
        ((), "", entry(ARGO), {ARGO}),
        ((), "", entry(ARGO, "Apply"), set()),
        ((), "", entry(KUBECTL, subresource="status"), set()),
        ((), "", entry("kubectl-edit"), set()),
        ((), "", entry("flux", fields=ANNOTATED), {"flux"}),
        ((OFF,), "", entry(KUBECTL), {KUBECTL}),
        ((SERVER_SIDE,), "", entry(KUBECTL), {KUBECTL}),
        ((SERVER_SIDE,), "", entry(ARGO), {ARGO}),
        ((SERVER_SIDE,), "", entry("flux", fields=ANNOTATED), set()),
        ((SERVER_SIDE,), "flux", entry("flux"), {"flux"}),
        ((SERVER_SIDE,), "flux", entry(KUBECTL), set()),
        ((SERVER_SIDE, OFF), "", entry(KUBECTL), set()),
        ((SERVER_SIDE, OFF), "flux", entry("flux"), set()),
    ],
)
def test_whose_fields_are_taken_over(options: tuple[str, ...], manager: str, found: Obj, taken: set[str]) -> None:
    there = live(found)
    there["metadata"]["annotations"] = {LAST_APPLIED: "{}"}
    assert handover(*options, manager=manager).managers(CONFIG, there) == taken


@pytest.mark.parametrize(("options", "taken"), [((), set()), ((SERVER_SIDE,), {KUBECTL}), ((SERVER_SIDE, OFF), set())])
def test_what_was_created_or_replaced_is_no_client_side_apply(options: tuple[str, ...], taken: set[str]) -> None:
    assert handover(*options).managers(CONFIG, live(entry(KUBECTL), entry(ARGO))) == taken


def test_what_client_side_apply_owns_becomes_ours() -> None:
    theirs = entry("kubelet", fields={"f:status": {}}, subresource="status")
    found = live(entry(KUBECTL, fields={"f:data": {"f:a": {}}}), entry(ARGO, "Apply", {"f:data": {"f:b": {}}}), theirs)
    mine, *others = migrated(found, frozenset({KUBECTL}))["metadata"]["managedFields"]
    assert mine["fieldsV1"] == {"f:data": {"f:a": {}, "f:b": {}}}
    assert (mine["manager"], mine["operation"], mine["apiVersion"]) == (ARGO, "Apply", "v1")
    assert others == [theirs]
    assert migrated(live(theirs), frozenset({KUBECTL})) == live(theirs)


def annotated(last: str = "{}\n", **rest: Any) -> Obj:
    return {**CONFIG, **rest, "metadata": {**CONFIG["metadata"], "annotations": {LAST_APPLIED: last}}}


def test_the_annotation_is_that_of_kubectl() -> None:
    target = {**CONFIG, "data": {"b": "1 < 2 & 3 > 2", "a": "ä\u2028"}}
    made = with_last_applied(target, annotated())["metadata"]["annotations"][LAST_APPLIED]
    assert made == (
        '{"apiVersion":"v1","data":{"a":"ä\\u2028","b":"1 \\u003c 2 \\u0026 3 \\u003e 2"},"kind":"ConfigMap",'
        '"metadata":{"annotations":{},"name":"a","namespace":"shop"}}\n'
    )
    assert json.loads(made)["data"] == target["data"]


@pytest.mark.parametrize("there", [None, CONFIG])
def test_an_object_without_the_annotation_gets_none(there: Obj | None) -> None:
    assert with_last_applied(CONFIG, there) == CONFIG


def test_an_annotation_within_git_is_not_repeated_in_itself() -> None:
    kept = with_last_applied(annotated("{old}"), annotated())["metadata"]["annotations"]
    assert json.loads(kept[LAST_APPLIED])["metadata"]["annotations"] == {}


def test_what_is_too_long_for_an_annotation_is_left_out() -> None:
    big = {**CONFIG, "data": {"a": "x" * 262_144}}
    assert LAST_APPLIED not in with_last_applied(big, annotated())["metadata"]["annotations"]
