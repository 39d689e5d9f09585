"""Applying single objects: what is asked of the server, and in whose words it is told (gitops-engine `applyObject`)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fleetui.diff.normalize import LAST_APPLIED
from fleetui.engine.apply import ApplyOptions
from fleetui.engine.effects import Apply, EffectResult
from fleetui.model.errors import ConflictError, InvalidError, NotFoundError, UnreachableError
from fleetui.model.objects import Discovery, Obj
from fleetui.model.times import format_time
from tests.engine.hands import Hands, ours, task, there
from tests.engine.objects import STARTED, obj
from tests.unit.fakes import resource

CONFIG = obj("ConfigMap", "a")
UNKNOWN = InvalidError("failed to create typed patch object (shop/a): .x: field not declared in schema", code=400)
RBAC = "rbac.authorization.k8s.io"
RULE = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}


def rbac(kind: str, **rest: Any) -> Obj:
    return {"apiVersion": f"{RBAC}/v1", "kind": kind, "metadata": {"name": "r", "namespace": "shop"}, **rest}


ROLE = rbac("Role", rules=[RULE])
BINDING = rbac("RoleBinding", roleRef={"apiGroup": RBAC, "kind": "Role", "name": "r"}, subjects=[])
OTHER = {**BINDING, "roleRef": {**BINDING["roleRef"], "name": "other"}}
NOT_ANNOTATED = (
    ". Warning: resource configmaps/a is missing the kubectl.kubernetes.io/last-applied-configuration annotation which "
    "is required by  apply.  apply should only be used on resources created declaratively by either  create "
    "--save-config or  apply. The missing annotation will be patched automatically."
)


async def apply(hands: Hands, target: Obj, live: Obj | None = None, *, dry_run: bool = False) -> EffectResult:
    return await hands.do(Apply(task(target, live), target, dry_run))


@pytest.mark.parametrize(
    ("options", "own", "live", "dry_run", "message"),
    [
        ((), "", None, False, "configmap/a created"),
        ((), "", ours(CONFIG, fields={"f:data": {}}), False, "configmap/a configured"),
        ((), "", there(CONFIG), False, "configmap/a configured" + NOT_ANNOTATED),
        ((), "", ours(CONFIG, fields={"f:data": {}}, version="9"), False, "configmap/a unchanged"),
        ((), "", None, True, "configmap/a created (dry run)"),
        ((), "", ours(CONFIG, fields={"f:data": {}}), True, "configmap/a configured (dry run)"),
        (("ServerSideApply=true",), "", None, False, "configmap/a serverside-applied"),
        (("ServerSideApply=true",), "", there(CONFIG), False, "configmap/a serverside-applied"),
        (("ServerSideApply=true",), "", None, True, "configmap/a created (dry run)"),
        (("ServerSideApply=true",), "ServerSideApply=false", None, False, "configmap/a created"),
        ((), "ServerSideApply=true", None, False, "configmap/a serverside-applied"),
        (("Replace=true",), "", None, False, "configmap/a created"),
        (("Replace=true",), "", None, True, "configmap/a created (dry run)"),
        (("Replace=true",), "", there(CONFIG), False, "configmap/a replaced"),
        (("Replace=true",), "", there(CONFIG), True, "configmap/a replaced (dry run)"),
        (("Replace=true", "ServerSideApply=true"), "", there(CONFIG), False, "configmap/a replaced"),
    ],
)
async def test_kubectls_words(options: tuple[str, ...], own: str, live: Any, dry_run: bool, message: str) -> None:
    target = obj("ConfigMap", "a", options=own)
    assert await apply(Hands(*options), target, live, dry_run=dry_run) == EffectResult(True, message)


async def test_words_name_the_group() -> None:
    assert (await apply(Hands(), obj("Deployment", "api"))).message == "deployment.apps/api created"


async def test_the_servers_own_words_and_nothing_else_are_told() -> None:
    hands = Hands()
    hands.server.refusals = [
        InvalidError("field is immutable: map[a:b] is odd", "a hint", code=422),
        UnreachableError("no route", "hint"),
        NotFoundError('namespaces "shop" not found', code=404),
    ]
    assert await apply(hands, CONFIG) == EffectResult(False, "field is immutable:  is odd")
    assert await apply(hands, CONFIG) == EffectResult(False, "no route (hint)")
    assert await apply(hands, CONFIG) == EffectResult(False, 'namespaces "shop" not found')


async def test_a_dry_run_asks_nothing_of_the_server_but_for_what_is_updated_in_place() -> None:
    hands = Hands("Replace=true")
    for target in (CONFIG, obj("Deployment", "api")):
        await apply(hands, target, dry_run=True)
        await apply(hands, target, there(target), dry_run=True)
    assert hands.verbs == []
    space = obj("Namespace", "shop")
    assert (await apply(hands, space, there(space), dry_run=True)).message == "Namespace/shop updated"
    hands.server.refusals = [InvalidError("no way", code=422)]
    assert await apply(hands, space, there(space), dry_run=True) == EffectResult(False, "no way")
    assert hands.verbs == ["replace dry-run", "replace dry-run"]


# --- what the kind does not know --------------------------------------------------------------------------------------


@pytest.mark.parametrize("live", [None, ours(CONFIG, fields={"f:data": {}})])
async def test_a_client_side_apply_leaves_out_what_the_server_does_not_know(live: Obj | None) -> None:
    hands = Hands("Validate=false")
    target = {**CONFIG, "x": 1, "data": {"a": "1"}, "list": [{"x": 1, "y": 2}]}
    hands.server.refusals = [UNKNOWN]
    read = {**CONFIG, "data": {"a": "1", "added": "2"}, "list": [{"y": 2}]}
    answer = hands.server.answer
    hands.server.answer = lambda verb, name, body: read if "dry-run" in verb else answer(verb, name, body)
    assert (await apply(hands, target, live)).ok
    assert hands.verbs == ["apply", "create dry-run" if live is None else "replace dry-run", "apply"]
    assert hands.server.writes[-1][2] == {**CONFIG, "data": {"a": "1"}, "list": [{"y": 2}]}


async def test_what_the_server_can_not_read_at_all_is_told_in_the_words_of_a_create() -> None:
    hands = Hands()
    hands.server.refusals = [UNKNOWN, InvalidError("json: cannot unmarshal number", code=400)]
    assert await apply(hands, CONFIG) == EffectResult(False, "json: cannot unmarshal number")


async def test_a_server_side_apply_takes_offence() -> None:
    hands = Hands("ServerSideApply=true")
    hands.server.refusals = [UNKNOWN]
    assert await apply(hands, CONFIG) == EffectResult(False, UNKNOWN.message)
    assert hands.verbs == ["apply"]


# --- force and replace --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [InvalidError("immutable", code=422), ConflictError("conflict", code=409)])
@pytest.mark.parametrize(("force", "own"), [(True, ""), (False, "Force=true")])
async def test_force_makes_anew_what_can_not_be_changed(error: Exception, force: bool, own: str) -> None:
    hands = Hands(force=force)
    target = obj("ConfigMap", "a", options=own)
    hands.server.refusals = [error]
    assert (await apply(hands, target, ours(target, fields={"f:data": {}}))).message == "configmap/a configured"
    assert hands.verbs == ["apply", "delete", "get", "apply"]


@pytest.mark.parametrize(("options", "live"), [(("ServerSideApply=true",), there(CONFIG)), ((), None)])
async def test_force_means_nothing_to_a_server_side_apply_and_to_what_is_not_there(
    options: tuple[str, ...], live: Obj | None
) -> None:
    hands = Hands(*options, force=True)
    hands.server.refusals = [InvalidError("immutable", code=422)]
    assert await apply(hands, CONFIG, live) == EffectResult(False, "immutable")
    assert hands.verbs == ["apply"]


@pytest.mark.parametrize(("options", "own"), [(("Replace=true",), ""), ((), "Replace=true")])
async def test_replace_creates_or_puts(options: tuple[str, ...], own: str) -> None:
    hands = Hands(*options)
    target = obj("ConfigMap", "a", options=own)
    await apply(hands, target)
    await apply(hands, target, there(target))
    assert hands.verbs == ["create", "replace"]
    assert hands.server.writes[-1][2]["metadata"]["resourceVersion"] == "1"


async def test_replace_puts_over_whatever_is_there() -> None:
    hands = Hands("Replace=true")
    hands.server.refusals = [ConflictError("stale", code=409)]
    hands.server.objects = {task(CONFIG).ref: there(CONFIG, version="7")}
    assert (await apply(hands, CONFIG, there(CONFIG))).ok
    assert hands.server.writes[-1][2]["metadata"]["resourceVersion"] == "7"


async def test_replace_by_force_makes_anew() -> None:
    hands = Hands("Replace=true", force=True)
    target = obj("Deployment", "api")
    answer = await apply(hands, target, there(target))
    assert answer.message == 'deployment.apps "api" deleted from shop namespace\ndeployment.apps/api replaced'
    assert hands.verbs == ["delete", "get", "create"]


@pytest.mark.parametrize(
    ("created", "holds", "anew"),
    [(-1.0, True, True), (0.0, True, False), (0.0, False, True), (1.0, True, False), (1.0, False, False)],
)
async def test_what_the_operation_itself_has_made_is_not_made_anew(created: float, holds: bool, anew: bool) -> None:
    hands = Hands("Replace=true", force=True, since=STARTED + 0.7)
    target = obj("ConfigMap", "a", data={"list": ["x", {"a": "1"}]})
    live = there({**target, "data": {"list": ["x", {"a": "1" if holds else "2", "added": "by the server"}]}})
    live["metadata"] |= {"creationTimestamp": format_time(STARTED + created)}
    await apply(hands, target, live)
    assert ("delete" in hands.verbs) is anew


@pytest.mark.parametrize("kind", ["Namespace", "CustomResourceDefinition"])
async def test_what_holds_others_is_never_made_anew(kind: str) -> None:
    hands = Hands("Replace=true", force=True)
    target = obj(kind, "a")
    assert (await apply(hands, target, there(target))).message == f"{kind}/a updated"
    assert hands.verbs == ["replace"]


@pytest.mark.parametrize(
    ("options", "own", "asked"),
    [((), "", "Strict"), (("Validate=false",), "", "Ignore"), ((), "Validate=false", "Ignore")],
)
async def test_what_replace_creates_is_validated(options: tuple[str, ...], own: str, asked: str) -> None:
    hands = Hands("Replace=true", *options)
    seen: list[Any] = []

    async def create(*args: Any, **kwargs: Any) -> Obj:
        seen.append(kwargs["validation"])
        return CONFIG

    hands.server.create = create  # type: ignore[method-assign]
    await apply(hands, obj("ConfigMap", "a", options=own))
    assert seen == [asked]


# --- kubectl auth reconcile -----------------------------------------------------------------------------------------


async def test_a_binding_whose_role_changes_is_made_anew() -> None:
    hands = Hands()
    answer = await apply(hands, OTHER, ours(BINDING))
    assert hands.verbs == ["delete", "get", "apply"]
    assert answer.message.startswith(
        f"rolebinding.{RBAC}/r reconciled. reconciliation required recreaterolebinding.{RBAC}/r configured. Warning: "
    )
    hands = Hands("ServerSideApply=true")
    await apply(hands, OTHER, ours(BINDING))
    assert hands.verbs == ["apply"]


async def test_roles_are_told_of_as_they_are_reconciled_first() -> None:
    hands = Hands()
    assert (await apply(hands, ROLE)).message.startswith(
        f"role.{RBAC}/r reconciled. reconciliation required create\n\tmissing rules added:\n"
        "\t\t{Verbs:[get] APIGroups:[] Resources:[pods] ResourceNames:[] NonResourceURLs:[]}"
        f"role.{RBAC}/r configured. Warning: resource roles/r is missing"
    )
    hands.server.refusals = [InvalidError("no way", code=422), NotFoundError('namespaces "shop" not found', code=404)]
    assert (await apply(hands, ROLE)).message == "error running kubectl auth reconcile: no way"
    assert (await apply(hands, ROLE)).message == (
        'error running kubectl auth reconcile: error getting namespace shop: namespaces "shop" not found'
    )
    assert (await apply(Hands("ServerSideApply=true"), ROLE)).message == f"role.{RBAC}/r serverside-applied"
    assert (await apply(Hands("Replace=true"), ROLE)).message == f"role.{RBAC}/r created"


# --- what client-side apply has left ----------------------------------------------------------------------------------


def by_kubectl(target: Obj, **rest: Any) -> Obj:
    annotations = {LAST_APPLIED: "{}\n"}
    entry = {"manager": "kubectl-client-side-apply", "operation": "Update", "fieldsV1": {"f:data": {}}}
    return there(target, annotations=annotations, managedFields=[entry], **rest)


async def test_the_annotation_is_kept_true_with_the_apply_itself() -> None:
    hands = Hands()
    target = {**CONFIG, "data": {"a": "<1>"}}
    await apply(hands, target, by_kubectl(target))
    assert hands.verbs == ["patch", "apply"]
    written = hands.server.writes[-1][2]["metadata"]["annotations"][LAST_APPLIED]
    assert json.loads(written) == {**target, "metadata": {**target["metadata"], "annotations": {}}}
    assert "\\u003c1\\u003e" in written
    assert written.endswith("}\n")


async def test_what_only_we_have_applied_gets_none() -> None:
    hands = Hands()
    await apply(hands, CONFIG, ours(CONFIG, fields={"f:data": {}}))
    assert hands.server.writes == [("apply", "configmaps", CONFIG)]


async def test_a_migration_that_is_overtaken_is_made_again() -> None:
    hands = Hands()
    hands.server.refusals = [InvalidError("the server rejected our request: test failed", code=422)]
    hands.server.objects = {task(CONFIG).ref: by_kubectl(CONFIG, version="7")}
    assert (await apply(hands, CONFIG, by_kubectl(CONFIG))).ok
    assert hands.verbs == ["patch", "get", "patch", "apply"]
    assert hands.server.writes[2][2][0] == {"op": "test", "path": "/metadata/resourceVersion", "value": "7"}


async def test_a_migration_that_never_gets_through_is_a_failure() -> None:
    hands = Hands()
    hands.server.refusals = [ConflictError("stale", code=409)] * 9
    hands.server.objects = {task(CONFIG).ref: by_kubectl(CONFIG)}
    assert await apply(hands, CONFIG, by_kubectl(CONFIG)) == EffectResult(
        False,
        "Failed to perform client-side apply migration for /ConfigMap/shop/a: others keep writing it; tried 5 times",
    )


@pytest.mark.parametrize(
    ("options", "propagation"),
    [
        ((), "Foreground"),
        (("PrunePropagationPolicy=background",), "Background"),
        (("PrunePropagationPolicy=orphan",), "Orphan"),
        (("PrunePropagationPolicy=orphan", "PrunePropagationPolicy=foreground"), "Foreground"),
        (("PrunePropagationPolicy=nonsense",), "Foreground"),
    ],
)
def test_how_objects_are_deleted(options: tuple[str, ...], propagation: str) -> None:
    assert ApplyOptions.of(options, force=False, app={}).propagation == propagation


@pytest.mark.parametrize(("reason", "ok"), [("NotFound", True), ("", False)])
async def test_a_kind_whose_definition_went_is_found_out_before_anything_is_changed(reason: str, ok: bool) -> None:
    hands = Hands()
    before = hands.server.served
    hands.server.served = Discovery([*before, resource("Widget", group="example.com")])

    async def get(*_: Any) -> Obj:
        hands.server.served = before
        raise NotFoundError("not found", code=404, reason=reason)

    hands.server.get = get  # type: ignore[method-assign, assignment]
    answer = await apply(hands, obj("Widget", "a"), dry_run=True)
    assert answer.ok is ok
    assert ok or answer.message.startswith("The Kubernetes API could not find example.com/Widget")
