"""What a hub's argocd-cm says of health and ignored differences (argo-cd v3.6.1 util/settings/settings.go)."""

from __future__ import annotations

from typing import Any

import pytest

from fleetui.diff import CompareOptions, IgnoreRule
from fleetui.engine.overrides import NO_OVERRIDES, Overrides, Written, overrides_of, written_in
from fleetui.health import judge as by_argo
from fleetui.model.objects import Obj
from fleetui.model.status import Health, HealthStatus

LABELS = {"app.kubernetes.io/part-of": "argocd"}
IGNORE = "resource.customizations.ignoreDifferences."
HEALTH = "resource.customizations.health."
SAYS = "return {{status = 'Degraded', message = '{}'}}"
CHOICES = "resource.compareoptions"


def config_map(labels: Any = LABELS, **data: Any) -> Obj:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cm", "labels": labels}, "data": data}


def read(**data: str) -> Overrides:
    return overrides_of(Written(data))


def made(api_version: str, kind: str, **rest: Any) -> Obj:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "x"}, **rest}


@pytest.mark.parametrize(
    "found",
    [None, config_map(), config_map(url="https://argocd.example"), {"data": None}, {"data": {}, "metadata": None}],
)
def test_without_overrides_nothing_costs_anything(found: Obj | None) -> None:
    overrides = overrides_of(None if found is None else written_in(found))
    assert overrides is NO_OVERRIDES
    assert overrides.judge is by_argo


def test_what_is_not_about_objects_changes_nothing() -> None:
    rule = {f"{IGNORE}apps_Deployment": "jsonPointers: [/spec/replicas]"}
    assert written_in(config_map(**rule, url="https://a.example")) == written_in(
        config_map(**rule, url="https://b.example")
    )
    assert overrides_of(written_in(config_map(**rule))).judge is by_argo, "and costs no health rule anything"


@pytest.mark.parametrize("labels", [None, {}, {"app.kubernetes.io/part-of": "else"}])
def test_a_config_map_that_argo_cd_does_not_see_is_not_read_and_said(labels: Any) -> None:
    found = written_in(config_map(labels, **{f"{IGNORE}all": "jsonPointers: [/spec]"}))
    assert overrides_of(found).rules == ()
    (problem,) = overrides_of(found).problems
    assert problem == "argocd-cm is not read, as Argo CD does not: it has no label app.kubernetes.io/part-of=argocd"


def test_options_of_every_kustomize_build() -> None:
    said = written_in(config_map(**{"kustomize.buildOptions": " --enable-helm "}))
    assert overrides_of(said).kustomize_options == "--enable-helm"
    assert NO_OVERRIDES.kustomize_options == ""


# --- health -----------------------------------------------------------------------------------------------------------

SCRIPTS = {
    f"{HEALTH}*.example.com_*": SAYS.format("pattern"),
    f"{HEALTH}a.example.com_Widget": SAYS.format("exact"),
    f"{HEALTH}apps_Deployment": SAYS.format("over the built-in"),
    f"{HEALTH}ConfigMap": SAYS.format("core"),
    "resource.customizations": f"""
old.io/Thing: {{health.lua: "{SAYS.format("map")}"}}
'*.old.io/*': {{health.lua: "{SAYS.format("pattern of the map")}"}}
apps/Deployment: {{health.lua: "{SAYS.format("not taken")}"}}
""",
}


@pytest.mark.parametrize(
    ("api_version", "kind", "message"),
    [
        ("a.example.com/v1", "Widget", "exact"),
        ("a.example.com/v2", "Gadget", "pattern"),
        ("b.a.example.com/v1", "Widget", "pattern"),
        ("apps/v1", "Deployment", "over the built-in"),
        ("v1", "ConfigMap", "core"),
        ("old.io/v1", "Thing", "map"),
        ("x.old.io/v1", "Other", "pattern of the map"),
    ],
)
def test_the_script_that_judges_an_object(api_version: str, kind: str, message: str) -> None:
    assert read(**SCRIPTS).judge(made(api_version, kind)) == Health(HealthStatus.DEGRADED, message)


def test_what_no_script_is_for_is_judged_as_ever() -> None:
    judge = read(**SCRIPTS).judge
    claim = made("v1", "PersistentVolumeClaim", status={"phase": "Bound"})
    assert judge(claim) == by_argo(claim)
    assert judge(made("v1", "Secret")) is None
    going = made("v1", "ConfigMap") | {"metadata": {"name": "x", "deletionTimestamp": "2026-01-01T00:00:00Z"}}
    assert judge(going) == Health(HealthStatus.PROGRESSING, "Pending deletion"), "before any script"


def test_one_script_for_all_kinds_comes_after_those_for_a_kind() -> None:
    judge = read(**{f"{HEALTH}all": SAYS.format("all"), f"{HEALTH}Secret": SAYS.format("secret")}).judge
    assert [(judge(made("v1", kind)) or Health(HealthStatus.HEALTHY)).message for kind in ("Secret", "Service")] == [
        "secret",
        "",
    ], "a pattern with a group fits no key of the core group, which has none"
    assert judge(made("x.io/v1", "Y")) == Health(HealthStatus.DEGRADED, "all")


def test_a_script_that_is_wrong_makes_its_kind_unknown_and_no_other() -> None:
    overrides = read(**{f"{HEALTH}ConfigMap": "return (", f"{HEALTH}Secret": SAYS.format("fine")})
    health = overrides.judge(made("v1", "ConfigMap"))
    assert health is not None
    assert (health.status, "argocd-cm ConfigMap:1: unexpected symbol" in health.message) == (HealthStatus.UNKNOWN, True)
    assert overrides.judge(made("v1", "Secret")) == Health(HealthStatus.DEGRADED, "fine")


# --- ignored differences ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value", "rule"),
    [
        (
            "apps_Deployment",
            "jsonPointers: [/spec/replicas]",
            IgnoreRule("apps", "Deployment", json_pointers=("/spec/replicas",)),
        ),
        (
            "Service",
            "jqPathExpressions: ['.spec.ports[]']",
            IgnoreRule("", "Service", jq_path_expressions=(".spec.ports[]",)),
        ),
        ("*.example.com_*", "jsonPointers: [/x]", IgnoreRule("*.example.com", "*", json_pointers=("/x",))),
        ("all", "managedFieldsManagers: [hpa]", IgnoreRule("*", "*", managed_fields_managers=("hpa",))),
        (
            "apps_Deployment",
            "managedFieldsManagers: [hpa]",
            IgnoreRule("apps", "Deployment", managed_fields_managers=("hpa",)),
        ),
        ("_Service", "managedFieldsManagers: [hpa]", IgnoreRule("", "Service", managed_fields_managers=("hpa",))),
        ("a_B", "jsonPointers:\njqPathExpressions: null\nother: 1", IgnoreRule("a", "B")),
        ("a_B", "", IgnoreRule("a", "B")),
    ],
)
def test_a_rule_for_all_applications(key: str, value: str, rule: IgnoreRule) -> None:
    overrides = read(**{f"{IGNORE}{key}": value})
    assert (overrides.rules, overrides.problems, overrides.doubts) == ((rule,), (), ())


def test_the_map_has_rules_too_and_a_key_of_its_own_counts_before_it() -> None:
    overrides = read(
        **{
            "resource.customizations": "apps/Deployment: {ignoreDifferences: 'jsonPointers: [/a]'}\n"
            "'*/Widget':\n  ignoreDifferences: |\n    jqPathExpressions:\n    - .spec.x\n",
            f"{IGNORE}apps_Deployment": "jsonPointers: [/b]",
            "resource.customizations.knownTypeFields.x_Y": "[]",
            "resource.customizations.useOpenLibs.x_Y": "true",
            "resource.customizations.ignoreResourceUpdates.all": "jsonPointers: [/status]",
        }
    )
    assert {rule.kind: rule.json_pointers + rule.jq_path_expressions for rule in overrides.rules} == {
        "Deployment": ("/b",),
        "Widget": (".spec.x",),
    }
    assert overrides.problems == ()


@pytest.mark.parametrize("key", ["Service", "*.example.com_Widget", "apps_{Deployment,StatefulSet}"])
def test_managers_count_for_one_kind_alone_as_in_argo_cd(key: str) -> None:
    overrides = read(**{f"{IGNORE}{key}": "managedFieldsManagers: [hpa]\njsonPointers: [/spec]"})
    (rule,), (problem,) = overrides.rules, overrides.problems
    assert (rule.managed_fields_managers, rule.json_pointers, overrides.doubts) == ((), ("/spec",), ())
    assert "managedFieldsManagers has no effect, as in Argo CD" in problem


# --- what can't be read -----------------------------------------------------------------------------------------------

MERGED = "a0: &a0 {k: v}\n" + "".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}\n" for n in range(1, 12))
BOMB = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 50)}]\n" for n in range(1, 10))
"""Ten aliases that would be 50 to the power of 9 values."""
DEPLOYMENT, SECRET = made("apps/v1", "Deployment"), made("v1", "Secret")


@pytest.mark.parametrize(
    ("data", "sentence", "doubted"),
    [
        (
            {f"{IGNORE}apps_*": "a:\n- [b\n"},
            "argocd-cm: ignoreDifferences of apps/* is not YAML: line 3: did not find expected ',' or ']'",
            (True, False),
        ),
        (
            {f"{IGNORE}apps_Deployment": "[a]"},
            "argocd-cm: ignoreDifferences of apps/Deployment is not a map",
            (True, False),
        ),
        (
            {f"{IGNORE}all": "jsonPointers: /spec"},
            "argocd-cm: ignoreDifferences of */* can't be read: Expected `array | null`",
            (True, True),
        ),
        ({"resource.customizations": "a: [b"}, "argocd-cm: resource.customizations is not YAML: ", (True, True)),
        (
            {"resource.customizations": "Secret: x"},
            "resource.customizations is not a map of maps: Secret is left out",
            (False, True),
        ),
        (
            {"resource.customizations": "Secret: {ignoreDifferences: {}, health.lua: 5}"},
            "health.lua of Secret is no text",
            (False, False),
        ),
        (
            {"resource.customizations": "Secret: {ignoreDifferences: {a: b}}"},
            "ignoreDifferences of Secret is no text",
            (False, True),
        ),
        ({CHOICES: "[" * 200_000}, "it is nested deeper than 100 levels", (True, True)),
        ({f"{IGNORE}Secret": "- " * 200_000}, "it is nested deeper than 100 levels", (False, True)),
        ({CHOICES: f"{BOMB}ignoreResourceStatusField: *a9"}, "ignoreResourceStatusField is no text", (True, True)),
        ({f"{IGNORE}Secret": f"{BOMB}jsonPointers: *a9"}, "Expected `str`, got `array`", (False, True)),
        ({"resource.customizations.actions.a_b": f"{BOMB}discovery.lua: *a9"}, "a script is no text", (False, False)),
        ({CHOICES: MERGED}, "it merges, and has more than 16 aliases", (True, True)),
        ({CHOICES: "]"}, "argocd-cm: resource.compareoptions is not YAML: ", (True, True)),
        ({CHOICES: "ignoreAggregatedRoles: 'no'"}, "ignoreAggregatedRoles is neither true nor false", (True, True)),
        ({"resource.customizations.helth.a_b": ""}, "resource customization type helth not supported", (False, False)),
        ({f"{HEALTH}a_b_c": ""}, "a group and kind is written GROUP_KIND", (False, False)),
        (
            {"resource.customizations.actions.a_b": "definitions: x"},
            "definitions is not a list of maps",
            (False, False),
        ),
        ({CHOICES: "ignoreResourceStatusField: most"}, "ignoreResourceStatusField most is not known", (False, False)),
    ],
)
def test_what_cannot_be_read_is_said_and_keeps_from_comparing_whom_it_may_concern(
    data: dict[str, str], sentence: str, doubted: tuple[bool, bool]
) -> None:
    fine = {f"{IGNORE}x.io_Y": "jsonPointers: [/fine]", f"{HEALTH}x.io_Y": SAYS.format("fine")}
    overrides = read(**data, **fine)
    (problem,) = overrides.problems
    assert sentence in problem
    assert "\n" not in problem
    doubts = overrides.doubt(DEPLOYMENT), overrides.doubt(SECRET)
    assert tuple(map(bool, doubts)) == doubted
    assert set(doubts) <= {"", problem}
    assert ("/fine",) in [rule.json_pointers for rule in overrides.rules], "the others hold"
    assert overrides.judge(made("x.io/v1", "Y")) == Health(HealthStatus.DEGRADED, "fine")


# --- compare options --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("", CompareOptions()),
        ("ignoreAggregatedRoles: true", CompareOptions(ignore_aggregated_roles=True)),
        ("ignoreResourceStatusField: crd", CompareOptions(ignore_status="crd")),
        ("ignoreResourceStatusField: none", CompareOptions(ignore_status="none")),
        ("ignoreResourceStatusField: off", CompareOptions(ignore_status="none")),
        ("ignoreResourceStatusField: 'off'", CompareOptions(ignore_status="none")),
        ("ignoreResourceStatusField: ''\nignoreAggregatedRoles:", CompareOptions()),
        ("ignoreDifferencesOnResourceUpdates: true", CompareOptions()),
    ],
)
def test_compare_options(text: str, options: CompareOptions) -> None:
    overrides = read(**{CHOICES: text})
    assert (overrides.options, overrides.problems) == (options, ())
