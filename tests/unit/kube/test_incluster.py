"""The cluster that the process runs in: what a pod finds, and what goes before it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from backends.kube.kubeconfig import load
from fleetui.model.errors import UsageError
from tests.unit.kube.scripted import PEM
from tests.unit.kube.test_kubeconfig import document, written

POD = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443", "HOME": "/nonexistent"}


def mounted(root: Path, *, ca: bool = True, namespace: str | None = "shop\n") -> Path:
    """A file system with a service account in it."""
    folder = root / "var/run/secrets/kubernetes.io/serviceaccount"
    folder.mkdir(parents=True)
    (folder / "token").write_text("t")
    if ca:
        shutil.copy(PEM / "ca.crt", folder)
    if namespace is not None:
        (folder / "namespace").write_text(namespace)
    return folder


def test_a_pod_reaches_its_own_cluster_as_its_service_account(tmp_path: Path) -> None:
    folder = mounted(tmp_path)
    kubeconfig = load(env=POD, root=tmp_path)
    assert kubeconfig.contexts == ("in-cluster",)
    config = kubeconfig.context()
    assert kubeconfig.context("in-cluster") is config
    assert (config.name, config.server, config.namespace) == ("in-cluster", "https://10.96.0.1:443", "shop")
    assert (config.token_file, config.ca) == (folder / "token", folder / "ca.crt")


@pytest.mark.parametrize(
    ("env", "ca", "namespace", "expected"),
    [
        ({"KUBERNETES_SERVICE_HOST": "fd00::1"}, True, None, ("https://[fd00::1]:443", "default", True)),
        ({"POD_NAMESPACE": "mine"}, True, "shop", ("https://10.96.0.1:443", "mine", True)),
        ({}, True, "", ("https://10.96.0.1:443", "default", True)),
        # Without the cluster's authority, client-go goes on with the system's.
        ({}, False, "shop", ("https://10.96.0.1:443", "shop", False)),
    ],
)
def test_what_may_differ_in_a_pod(
    tmp_path: Path, env: dict[str, str], ca: bool, namespace: str | None, expected: tuple[str, str, bool]
) -> None:
    mounted(tmp_path, ca=ca, namespace=namespace)
    config = load(env=POD | env, root=tmp_path).context()
    assert (config.server, config.namespace, config.ca is not None) == expected


@pytest.mark.parametrize("absent", ["KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT", "token"])
def test_it_is_no_pod_without_all_three(tmp_path: Path, absent: str) -> None:
    folder = mounted(tmp_path)
    if absent == "token":
        (folder / "token").unlink()
    with pytest.raises(UsageError, match="no kubeconfig"):
        load(env={key: value for key, value in POD.items() if key != absent}, root=tmp_path)


def test_a_kubeconfig_that_chooses_a_context_goes_first(tmp_path: Path) -> None:
    mounted(tmp_path)
    chosen = load(env=POD | {"KUBECONFIG": str(written(tmp_path, document()))}, root=tmp_path)
    assert chosen.context().name == "prod"
    assert chosen.contexts == ("prod",)
    assert chosen.context("in-cluster").server == "https://10.96.0.1:443"
    file = written(tmp_path, document() | {"current-context": ""}, "unchosen")
    unchosen = load([file], env=POD, root=tmp_path)
    assert unchosen.context().name == "in-cluster"
    assert unchosen.context("prod").name == "prod"
    assert load([written(tmp_path, b"", "empty")], env=POD, root=tmp_path).context().name == "in-cluster"


def test_what_is_wrong_is_not_hidden_by_it(tmp_path: Path) -> None:
    mounted(tmp_path)
    with pytest.raises(UsageError, match="does not exist"):
        load([tmp_path / "absent"], env=POD, root=tmp_path)
    file = written(tmp_path, document() | {"current-context": "gone"})
    with pytest.raises(UsageError, match="the current-context gone does not exist"):
        load([file], env=POD, root=tmp_path).context()
    with pytest.raises(UsageError, match="the context other does not exist"):
        load([file], env=POD, root=tmp_path).context("other")
