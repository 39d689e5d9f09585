"""What a hub's Secret makes happen on this machine: a login that was consented to, and nothing that was not."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backends.argocd_clusters import ClusterSecrets
from backends.embedded.cluster import EmbeddedCluster
from backends.embedded.thread import EmbeddedHost
from backends.flux_kubeconfig import FluxKubeconfigs
from fleetui.hubports import Reference
from fleetui.model.errors import UnauthorizedError, UnreachableError
from fleetui.model.objects import ClusterName, StoredObject
from fleetui.ports import Cluster
from tests.unit.fakes import manifest, stored

PROGRAM = "hub-login"
VERSION = "client.authentication.k8s.io/v1"
EDGE = ClusterName("edge")


class Machine:
    """A program in the PATH that gives a login and leaves a mark, and a cluster that only this login opens."""

    def __init__(self, folder: Path, cluster: EmbeddedCluster) -> None:
        self.mark = folder / "it-ran"
        self.server = cluster.url
        credential = {"apiVersion": VERSION, "kind": "ExecCredential", "status": {"token": cluster.token}}
        script = folder / "bin" / PROGRAM
        script.parent.mkdir()
        script.write_text(f"#!/bin/sh\necho \"$*\" >> {self.mark}\necho '{json.dumps(credential)}'\n")
        script.chmod(0o755)
        self.folder = script.parent

    @property
    def ran(self) -> list[str]:
        return self.mark.read_text().splitlines() if self.mark.exists() else []

    def secret(self, **plugin: Any) -> StoredObject:
        """A cluster Secret whose login is got from the program."""
        config = {"execProviderConfig": {"command": PROGRAM, "args": ["edge"], "apiVersion": VERSION, **plugin}}
        data = {"name": EDGE, "server": self.server, "config": json.dumps(config)}
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
        return stored(manifest("Secret", "cluster-edge", namespace="argocd", data=encoded))


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    cluster = EmbeddedCluster(EDGE, anonymous=False)
    with EmbeddedHost([cluster]):
        made = Machine(tmp_path, cluster)
        monkeypatch.setenv("PATH", str(made.folder), prepend=":")
        yield made


async def asked(cluster: Cluster) -> str:
    """The version that a cluster says, or why it says none."""
    try:
        return (await cluster.discover()).version
    except (UnreachableError, UnauthorizedError) as error:
        return str(error)
    finally:
        await cluster.close()


async def test_a_program_that_was_consented_to_gives_the_login(machine: Machine) -> None:
    registrar = ClusterSecrets(consented=(PROGRAM,))
    said = await asked(registrar.connect(registrar.read(machine.secret()), EDGE))
    assert said.startswith("v1.")
    assert machine.ran == ["edge"]


@pytest.mark.parametrize(
    "plugin",
    [
        {},
        {"command": "sh", "args": ["-c", PROGRAM]},
        {"command": "env", "args": [PROGRAM]},
        {"env": {"PATH": "/tmp"}},
    ],
)
async def test_nothing_runs_without_consent(machine: Machine, plugin: dict[str, Any]) -> None:
    registrar = ClusterSecrets()
    said = await asked(registrar.connect(registrar.read(machine.secret(**plugin)), EDGE))
    assert "Secret argocd/cluster-edge" in said
    assert machine.ran == []


async def test_a_path_is_never_run_with_consent_or_without(machine: Machine) -> None:
    path = str(machine.folder / PROGRAM)
    registrar = ClusterSecrets(consented=(PROGRAM, path))
    assert "may name none on this machine" in await asked(
        registrar.connect(registrar.read(machine.secret(command=path)), EDGE)
    )
    assert machine.ran == []


async def test_a_login_that_is_got_without_the_program_is_never_anonymous(machine: Machine) -> None:
    registrar = ClusterSecrets(consented=("not-there",))
    given = machine.secret(command="not-there", installHint="ask the platform team")
    said = await asked(registrar.connect(registrar.read(given), EDGE))
    assert "ask the platform team" in said


@pytest.mark.parametrize(("consented", "runs"), [((PROGRAM,), True), ((), False)])
async def test_a_flux_kubeconfig_runs_what_was_consented_to_alone(
    machine: Machine, consented: tuple[str, ...], runs: bool
) -> None:
    plugin = {"command": PROGRAM, "args": ["edge"], "apiVersion": VERSION, "interactiveMode": "Never"}
    config = {
        "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
        "clusters": [{"name": "x", "cluster": {"server": machine.server}}],
        "users": [{"name": "x", "user": {"exec": plugin}}],
    }
    secret = {"kind": "Secret", "data": {"value": base64.b64encode(json.dumps(config).encode()).decode()}}
    flux = FluxKubeconfigs(consented=consented)
    said = await asked(flux.connect(flux.read(Reference("apps", "edge"), secret), EDGE))
    assert said.startswith("v1.") is runs
    assert machine.ran == (["edge"] if runs else [])
