"""The kubeconfig in a Secret that a Flux object names: taken as Flux takes it, and nothing of this machine with it."""

from __future__ import annotations

import base64
from typing import Any

import pytest
import yaml

from backends.flux_kubeconfig import context_of, secret_reference
from backends.kube.context import ContextConfig
from fleetui.hubports import Reference
from fleetui.model.errors import UsageError
from fleetui.model.objects import Obj

PEM = base64.b64encode(b"-----BEGIN CERTIFICATE-----").decode()
REFERENCE = Reference("apps", "edge-kubeconfig")
EXEC = {
    "command": "aws",
    "apiVersion": "client.authentication.k8s.io/v1",
    "args": ["eks", "get-token"],
    "interactiveMode": "Never",
}


def kubeconfig(*, cluster: Any = None, user: Any = None, **rest: Any) -> str:
    return yaml.safe_dump(
        {
            "current-context": "edge",
            "clusters": [{"name": "c", "cluster": {"server": "https://edge.example:6443", **(cluster or {})}}],
            "users": [{"name": "u", "user": {"token": "hunter2"} if user is None else user}],
            "contexts": [{"name": "edge", "context": {"cluster": "c", "user": "u"}}],
            **rest,
        }
    )


def secret(**data: str) -> Obj:
    return {"kind": "Secret", "data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}}


def of(text: str, consented: tuple[str, ...] = ()) -> ContextConfig:
    return context_of(secret(value=text), REFERENCE, consented=consented)


def complaint(text: str, consented: tuple[str, ...] = ()) -> str:
    with pytest.raises(UsageError) as caught:
        of(text, consented)
    assert "hunter2" not in str(caught.value)
    assert "Secret apps/edge-kubeconfig" in str(caught.value)
    return str(caught.value)


def flux(kind: str, kube_config: Any) -> Obj:
    return {"kind": kind, "metadata": {"name": "x", "namespace": "apps"}, "spec": {"kubeConfig": kube_config}}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"secretRef": {"name": "edge"}}, Reference("apps", "edge")),
        ({"secretRef": {"name": "edge", "key": "kubeconfig"}}, Reference("apps", "edge", "kubeconfig")),
        ({"configMapRef": {"name": "edge"}}, None),
        ({"secretRef": {}}, None),
        ({"secretRef": "edge"}, None),
        ("edge", None),
        (None, None),
    ],
)
def test_which_secret_an_object_names(given: Any, expected: Reference | None) -> None:
    assert secret_reference(flux("Kustomization", given)) == expected
    assert secret_reference(flux("HelmRelease", given)) == expected
    assert secret_reference({"spec": given}) is None


def test_the_current_context_is_taken_with_all_that_is_inline() -> None:
    config = of(kubeconfig(cluster={"certificate-authority-data": PEM, "tls-server-name": "kubernetes"}))
    assert (config.server, config.token, config.tls_server_name) == (
        "https://edge.example:6443",
        "hunter2",
        "kubernetes",
    )
    assert config.ca == base64.b64decode(PEM)
    assert config.source is None
    assert "hunter2" not in repr(config)
    both = {"client-certificate-data": PEM, "client-key-data": PEM}
    assert of(kubeconfig(user=both)).client_key == base64.b64decode(PEM)


def test_the_key_is_the_named_one_or_value_or_value_yaml() -> None:
    first, second = kubeconfig(), kubeconfig(cluster={"server": "https://other.example"})
    assert context_of(secret(**{"value": first, "value.yaml": second}), REFERENCE).server == "https://edge.example:6443"
    assert context_of(secret(**{"value.yaml": second}), REFERENCE).server == "https://other.example"
    named = REFERENCE._replace(key="mine")
    assert context_of(secret(value=first, mine=second), named).server == "https://other.example"
    with pytest.raises(UsageError, match="Secret apps/edge-kubeconfig does not contain a 'mine' key"):
        context_of(secret(value=first), named)
    with pytest.raises(UsageError, match="does not contain a 'value' key with a kubeconfig"):
        context_of({"kind": "Secret"}, REFERENCE)


def test_certificates_are_checked_whatever_the_kubeconfig_says() -> None:
    assert not of(kubeconfig(cluster={"insecure-skip-tls-verify": True})).insecure


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (kubeconfig(cluster={"certificate-authority": "/etc/ca"}), "references a certificate-authority file"),
        (kubeconfig(user={"tokenFile": "/etc/passwd"}), "references a tokenFile file"),
        (kubeconfig(user={"client-certificate": "a", "client-key-data": PEM}), "references a client-certificate file"),
        (kubeconfig(user={"client-key": "a"}), "references a client-key file"),
        (kubeconfig(user={"auth-provider": {"name": "gcp", "config": {"cmd-path": "/bin/sh"}}}), "auth-provider"),
        (kubeconfig(user={"exec": EXEC}), "hub_exec_plugins: [aws] in fleetui's settings allows it"),
        (kubeconfig(user={"exec": {**EXEC, "command": "/bin/sh"}}), "a program under a path"),
        (kubeconfig(user={"exec": {**EXEC, "command": "../sh"}}), "a program under a path"),
        (kubeconfig(**{"current-context": "other"}), "its kubeconfig has no context other"),
        (kubeconfig(**{"current-context": ""}), "its kubeconfig has no current context"),
        (kubeconfig(users=[]), "its kubeconfig has no user u"),
        (kubeconfig(cluster={"server": "hunter2 "}) + "x: [", "its kubeconfig is not YAML"),
        ("a: &a [1]\nb: *a\n", "has YAML aliases"),
        ("hunter2", "its kubeconfig is text, not a map"),
        ("[" * 100_000, "is nested too deeply"),
        ("a" * 2_000_000, "its kubeconfig is too long"),
    ],
)
def test_what_would_touch_this_machine_or_is_no_kubeconfig_is_one_sentence(text: str, why: str) -> None:
    assert why in complaint(text)


def test_a_program_is_run_with_the_operator_s_consent_alone() -> None:
    config = of(kubeconfig(user={"exec": EXEC}), ("aws",))
    assert config.exec is not None
    assert config.exec.command == "aws"
    poisoned = {**EXEC, "env": [{"name": "PATH", "value": "/tmp"}]}
    assert "with PATH set" in complaint(kubeconfig(user={"exec": poisoned}), ("aws",))
