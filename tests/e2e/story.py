"""What the end-to-end stories need: a Git repository, an engine process, Applications on a real API server.

Owns: `Repository`, `EngineProcess`, `Story`. Nothing here knows what a story should come to.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.e2e.client import Client, Json, RefusedError
from tests.e2e.plane import Plane
from tests.waiting import wait_until

PATIENCE = 40.0
SEED = Path(__file__).parent / "data" / "payments-service.yaml"
PROJECT: Json = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "AppProject",
    "metadata": {"name": "production", "namespace": "argocd"},
    "spec": {
        "sourceRepos": ["*"],
        "destinations": [{"server": "*", "namespace": "*"}],
        "clusterResourceWhitelist": [{"group": "*", "kind": "*"}],
    },
}
"""That of the article's Application."""
AUTHOR = ("Ann Lee", "ann@example.com")


def settings() -> dict[str, str]:
    """The environment of a fresh program: no configuration of the machine's user."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("GIT_", "KUBE", "XDG_"))}
    return {**kept, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "GIT_TERMINAL_PROMPT": "0"}


def bootstrap(kubeconfig: Path) -> str:
    """`fleetui bootstrap`, and the project of the article's Application; returns what the program says."""
    command = [sys.executable, "-m", "fleetui", "bootstrap", "--kubeconfig", str(kubeconfig)]
    done = subprocess.run(command, capture_output=True, text=True, env=settings(), check=False)
    assert done.returncode == 0, done.stderr
    client = Client(kubeconfig)
    client.apply(PROJECT)
    client.close()
    return done.stdout


class Repository:
    """A bare repository on disk, committed to with git itself."""

    def __init__(self, folder: Path) -> None:
        self.bare = folder / "manifests.git"
        self._work = folder / "work"
        self._git("init", "--quiet", "--bare", "--initial-branch=main", str(self.bare), where=folder)
        self._git("clone", "--quiet", str(self.bare), str(self._work), where=folder)
        self._git("checkout", "--quiet", "-B", "main")

    @property
    def url(self) -> str:
        return str(self.bare)

    def commit(self, files: Mapping[str, str | None], subject: str) -> str:
        """Writes files (None deletes one), commits and pushes; returns the SHA."""
        for path, content in files.items():
            file = self._work / path
            if content is None:
                file.unlink()
            else:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(content)
        self._git("add", "--all")
        name, email = AUTHOR
        self._git("-c", f"user.name={name}", "-c", f"user.email={email}", "commit", "--quiet", "-m", subject)
        self._git("push", "--quiet", "origin", "main")
        return self._git("rev-parse", "HEAD").strip()

    def pull(self) -> None:
        """Takes in what others have pushed."""
        self._git("pull", "--quiet", "--ff-only", "origin", "main")

    def show(self, path: str, revision: str = "main") -> str:
        """A file, as the repository has it."""
        return self._git("show", f"{revision}:{path}", where=self.bare)

    def trailers(self, key: str, since: str) -> list[str]:
        """What the commits after `since` say of a key at their ends, oldest first; empty where one says nothing."""
        form = f"--format=%(trailers:key={key},valueonly,separator=%x2C)"
        return self._git("log", "--reverse", form, f"{since}..main", where=self.bare).split("\n")[:-1]

    def tip(self) -> str:
        """The commit at the branch's tip."""
        return self._git("rev-parse", "main", where=self.bare).strip()

    def tag(self, name: str, sha: str) -> None:
        """Puts a tag on a commit, or moves it there, and pushes it."""
        self._git("tag", "--force", name, sha)
        self._git("push", "--quiet", "--force", "origin", name)

    def go_back(self, sha: str) -> None:
        """Moves the branch to a commit by force; what came after it is on no branch any more."""
        self._git("reset", "--quiet", "--hard", sha)
        self._git("push", "--quiet", "--force", "origin", "main")

    def vanish(self) -> None:
        """Takes the repository away."""
        self.bare.rename(self.bare.with_suffix(".away"))

    def come_back(self) -> None:
        """Puts it where it was."""
        self.bare.with_suffix(".away").rename(self.bare)

    def _git(self, *arguments: str, where: Path | None = None) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=where or self._work, check=True, capture_output=True, text=True, env=settings()
        ).stdout


class EngineProcess:
    """`fleetui engine run`, as an operator starts it."""

    def __init__(self, kubeconfig: Path, home: Path) -> None:
        self._kubeconfig = kubeconfig
        self._home = home
        self._log = home / "engine.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environment = settings() | {
            "HOME": str(self._home),
            "XDG_CACHE_HOME": str(self._home / "cache"),
            "XDG_STATE_HOME": str(self._home / "state"),
        }
        command = [sys.executable, "-m", "fleetui", "engine", "run", "--kubeconfig", str(self._kubeconfig)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)

    def kill(self) -> None:
        """kill -9: no chance to tidy up."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM, as a service manager ends it; returns the exit status."""
        return self._end(signal.SIGTERM)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Holds the process still: what it would put right at once can be looked at."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def _end(self, number: signal.Signals) -> int:
        if self._process is None:
            return 0
        self._process.send_signal(number)
        status = self._process.wait(timeout=PATIENCE)
        self._process = None
        return status


class Story:
    """One Application, its repository and its namespace on an API server."""

    def __init__(
        self, plane: Plane, repository: Repository, engine: EngineProcess, *, name: str, namespace: str
    ) -> None:
        self.plane = plane
        self.repository = repository
        self.engine = engine
        self.name = name
        self.namespace = namespace
        self.client = Client(plane.kubeconfig())

    # --- doing ------------------------------------------------------------------------------------------------------

    def application(self, **changes: Any) -> Json:
        """The article's Application with this story's names, repository and whatever `changes` replaces in its spec."""
        manifest: Json = yaml.safe_load(SEED.read_text())
        manifest["metadata"]["name"] = self.name
        manifest["spec"]["source"]["repoURL"] = self.repository.url
        manifest["spec"]["destination"]["namespace"] = self.namespace
        manifest["spec"].update(changes)
        return manifest

    def policy(self, **automated: bool) -> Json:
        """The article's sync policy with changes to `automated`; a failed sync is not tried again."""
        policy: Json = self.application()["spec"]["syncPolicy"]
        policy["automated"].update(automated)
        policy["retry"] = {"limit": 0}
        return policy

    def apply(self, manifest: Json) -> None:
        self.client.apply(manifest)

    def patch(self, kind: str, name: str, change: Json | list[Json]) -> None:
        """Patches an object of the story's namespace: a merge patch, or a JSON patch where `change` is a list."""
        self.client.patch(kind, name, self.namespace, change)

    def edit(self, change: Json | list[Json]) -> None:
        """Patches the Application."""
        self.client.patch("application", self.name, "argocd", change)

    def operate(self, operation: Json) -> None:
        """Writes an operation, as Argo CD's API server does."""
        self.until(lambda: "operation" not in self.app(), "no operation in progress")
        patch: list[Json] = [{"op": "add", "path": "/operation", "value": operation}]
        if self.status("operationState") is not None:
            patch.append({"op": "remove", "path": "/status/operationState"})
        self.edit(patch)

    def sync(self, **sync: Any) -> None:
        """Asks for a sync by hand, and waits until it is over."""
        self.operate({"initiatedBy": {"username": "ann"}, "sync": sync})
        self.until(self.is_over, "the operation over")

    def refresh(self, kind: str = "normal") -> None:
        """Asks for a comparison, and waits until it was made."""
        key = "argocd.argoproj.io/refresh"
        self.edit({"metadata": {"annotations": {key: kind}}})
        self.until(lambda: key not in self.app()["metadata"].get("annotations", {}), "the refresh honoured")

    def kubectl(self, *arguments: str, **options: Any) -> str:
        return self.plane.kubectl("-n", self.namespace, *arguments, **options).stdout

    def close(self) -> None:
        """Takes away what the story has made, whatever the engine is doing."""
        if self.app():
            self.edit({"metadata": {"finalizers": None}})
            self.client.delete("application", self.name, "argocd")
        self.client.delete("namespace", self.namespace)
        self.client.close()

    # --- looking ----------------------------------------------------------------------------------------------------

    def app(self) -> Json:
        return self._get("application", self.name, "argocd") or {}

    def status(self, *path: str) -> Any:
        """A value below `.status`; None where it is absent."""
        value: Any = self.app().get("status")
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        return value

    def get(self, kind: str, name: str) -> Json | None:
        """An object of the story's namespace; None where there is none."""
        return self._get(kind, name, self.namespace)

    def there(self, kind: str, name: str) -> Json:
        """An object of the story's namespace that has to be there."""
        found = self.get(kind, name)
        assert found is not None, f"there is no {kind} {name}"
        return found

    def data(self, name: str = "settings") -> dict[str, str] | None:
        """The data of a ConfigMap; None where there is none."""
        found = self.get("configmap", name)
        return None if found is None else found.get("data", {})

    def all(self, kind: str) -> list[Json]:
        return self.client.all(kind, self.namespace)

    def is_over(self) -> bool:
        """Whether an operation was made and has ended."""
        app = self.app()
        phase = app.get("status", {}).get("operationState", {}).get("phase")
        return "operation" not in app and phase in {"Succeeded", "Failed", "Error"}

    def rows(self, *columns: str) -> list[tuple[str, ...]]:
        """Columns of `operationState.syncResult.resources`, in order; an absent one is empty."""
        found = self.status("operationState", "syncResult", "resources") or []
        return [tuple(row.get(column, "") for column in columns) for row in found]

    def revisions(self) -> list[str]:
        """The commits of `status.history`."""
        return [entry["revision"] for entry in self.status("history") or []]

    def condition(self, kind: str) -> str:
        """The message of one condition; empty where it is absent."""
        found = [one["message"] for one in self.status("conditions") or [] if one["type"] == kind]
        return found[0] if found else ""

    # --- waiting ----------------------------------------------------------------------------------------------------

    def until(self, predicate: Any, description: str, timeout: float = PATIENCE) -> None:
        """Waits for a condition; a failure shows the Application."""
        try:
            wait_until(predicate, timeout, description)
        except AssertionError as error:
            shown = {key: self.app().get(key) for key in ("operation", "status")}
            end = self.engine.log[-4000:]
            raise AssertionError(f"{error}\n{json.dumps(shown, indent=1)}\n{end}") from error

    def until_settled(self, revision: str, *, health: str = "Healthy") -> None:
        """Waits until the Application is Synced at `revision` with that health and nothing runs."""

        def settled() -> bool:
            app = self.app()
            status = app.get("status") or {}
            return (
                "operation" not in app
                and status.get("sync", {}).get("status") == "Synced"
                and status.get("sync", {}).get("revision") == revision
                and status.get("health", {}).get("status") == health
            )

        self.until(settled, f"{self.name} Synced and {health} at {revision[:7]}")

    def _get(self, kind: str, name: str, namespace: str) -> Json | None:
        try:
            return self.client.get(kind, name, namespace)
        except RefusedError as error:
            raise AssertionError(str(error)) from error
