"""What `kubectl auth reconcile` says, seen of Argo CD v3.6.1 and compared with it word for word."""

from __future__ import annotations

from typing import Any

import pytest

from fleetui.engine.kubectlwords import reconciled
from fleetui.model.objects import Obj, ref_of

R = "rbac.authorization.k8s.io"


def role(*rules: Obj, **metadata: Any) -> Obj:
    return {"apiVersion": f"{R}/v1", "kind": "Role", "metadata": {"name": "r", **metadata}, "rules": list(rules)}


def rule(*verbs: str, **rest: list[str]) -> Obj:
    return {"apiGroups": [""], "resources": ["pods"], "verbs": list(verbs), **rest}


def binding(role: str = "r", *subjects: Obj) -> Obj:
    ref = {"apiGroup": R, "kind": "Role", "name": role}
    return {
        "apiVersion": f"{R}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "b"},
        "roleRef": ref,
        "subjects": list(subjects),
    }


ACCOUNT = {"kind": "ServiceAccount", "name": "default", "namespace": "x"}
USER = {"kind": "User", "name": "ann", "apiGroup": R}
LIST = "{Verbs:[list] APIGroups:[] Resources:[pods] ResourceNames:[] NonResourceURLs:[]}"


@pytest.mark.parametrize(
    ("target", "live", "said"),
    [
        (role(rule("get")), role(rule("get")), f"role.{R}/r reconciled"),
        (role(), None, f"role.{R}/r reconciled. reconciliation required create"),
        (
            role(rule("get", "list", resourceNames=["a", "b"])),
            None,
            f"role.{R}/r reconciled. reconciliation required create\n\tmissing rules added:\n"
            "\t\t{Verbs:[get list] APIGroups:[] Resources:[pods] ResourceNames:[a b] NonResourceURLs:[]}",
        ),
        (
            role(rule("get", "list")),
            role(rule("get")),
            f"role.{R}/r reconciled. reconciliation required update\n\tmissing rules added:\n\t\t{LIST}",
        ),
        (role(rule("get")), role(rule("get", "list")), f"role.{R}/r reconciled"),
        (role(rule("list")), role(rule("*")), f"role.{R}/r reconciled"),
        (role(rule("list")), role(rule("list", resources=["*"])), f"role.{R}/r reconciled"),
        (role(rule("list", resources=["pods/log"])), role(rule("list", resources=["*/log"])), f"role.{R}/r reconciled"),
        (
            role(rule("list")),
            role(rule("list", resourceNames=["a"])),
            f"role.{R}/r reconciled. reconciliation required update\n\tmissing rules added:\n\t\t{LIST}",
        ),
        (
            role({"nonResourceURLs": ["/healthz/a"], "verbs": ["get"]}),
            role({"nonResourceURLs": ["/healthz/*"], "verbs": ["get"]}),
            f"role.{R}/r reconciled",
        ),
        (role(labels={"a": "1"}), role(), f"role.{R}/r reconciled. reconciliation required update"),
        (role(), role(labels={"a": "1"}), f"role.{R}/r reconciled"),
        (binding("r", ACCOUNT), binding("r", ACCOUNT), f"rolebinding.{R}/b reconciled"),
        (
            binding("r", ACCOUNT, USER),
            binding("r", ACCOUNT),
            f"rolebinding.{R}/b reconciled. reconciliation required update\n\tmissing subjects added:\n"
            f"\t\t{{Kind:User APIGroup:{R} Name:ann Namespace:}}",
        ),
        (
            binding("r", ACCOUNT),
            None,
            f"rolebinding.{R}/b reconciled. reconciliation required create\n\tmissing subjects added:\n"
            "\t\t{Kind:ServiceAccount APIGroup: Name:default Namespace:x}",
        ),
        (binding("other", USER), binding("r"), f"rolebinding.{R}/b reconciled. reconciliation required recreate"),
    ],
)
def test_what_is_said(target: Obj, live: Obj | None, said: str) -> None:
    assert reconciled(ref_of(target), target, live, dry_run=False) == said
    assert reconciled(ref_of(target), target, live, dry_run=True) == said.replace(
        "reconciled", "reconciled (dry run)", 1
    )
