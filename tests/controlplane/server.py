"""A real control plane on loopback: owns its processes, its users and its kubeconfig files.

Called by fixtures.py. Real are: storage, validation, RBAC, watches, server-side apply, garbage collection and
the controllers. Not there: a scheduler, nodes, a network. kubelet.py stands in for what Deployments,
StatefulSets and Jobs need of them.
"""

from __future__ import annotations

import atexit
import base64
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from tests.controlplane.api import FAILURES, Api, Json
from tests.controlplane.build import Assets
from tests.controlplane.kubelet import ReadinessLoop
from tests.controlplane.pki import Pki, write_pki
from tests.controlplane.process import Component, ControlPlaneError, free_ports
from tests.waiting import wait_until

User = Literal["admin", "viewer", "cert"]
"""admin and viewer by token, cert an administrator by client certificate."""

START_TIMEOUT = 60.0
"""Seconds for a component to become ready; a machine under load takes ten times the usual."""

_VIEW_ROLES = ("view", "system:aggregate-to-view")
"""The second is what the first is aggregated from, and holds its rules before a controller has done so."""


class ControlPlane:
    """etcd, kube-apiserver, kube-controller-manager and a test kubelet; usable after `start`.

    All processes end with `close` or with this process, whichever comes first. Measured on 2 cores: start
    3.2 s, start of a stopped API server 2.2 s, close 0.1 s; resident 540 MB (etcd 108, API server 291,
    controllers 138).
    """

    def __init__(self, assets: Assets) -> None:
        self._assets = assets
        self._folder = Path(tempfile.mkdtemp(prefix="fleetui-controlplane-"))
        self._files = Pki(self._folder / "pki")
        self._etcd_port, self._peer_port, self.port = free_ports(3)
        self.url = f"https://127.0.0.1:{self.port}"
        self.admin_token = secrets.token_hex(16)
        self.viewer_token = secrets.token_hex(16)
        self._etcd = Component("etcd", self._etcd_command(), folder=self._folder)
        self._apiserver = Component("kube-apiserver", self._apiserver_command(), folder=self._folder)
        self._manager: Component | None = None
        if command := self._manager_command():
            self._manager = Component("kube-controller-manager", command, folder=self._folder)
        self._kubelet: ReadinessLoop | None = None
        atexit.register(self.close)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- life -----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Blocks until /readyz says ok and the viewer may look; ControlPlaneError with a log's end if not."""
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def _start(self) -> None:
        write_pki(self._files, self._assets.pki)
        self._write_tokens()
        self.kubeconfig("admin")  # the controllers' too
        self._etcd.start()
        self._await(self._etcd, self._etcd_listens)
        self.start_apiserver()
        self._let_viewer_view()
        log = self._folder / "kubelet.log"
        self._kubelet = ReadinessLoop(self._api(self.admin_token), log=log)
        self._kubelet.start()

    def start_apiserver(self) -> None:
        """Starts the API server, again on the same port and data; blocks until it is ready."""
        self._apiserver.start()
        self._await(self._apiserver, self.is_ready)
        if self._manager:
            self._manager.start()

    def stop_apiserver(self) -> None:
        """Kills the API server: open watches end and new connections are refused. etcd keeps the data.

        Killed, because told to end it waits a minute for open watches. The controllers stop with it: they
        would take up to half a minute to notice that it came back.
        """
        if self._manager:
            self._manager.stop()
        self._apiserver.stop()

    def close(self) -> None:
        """Ends all processes and removes all files; may be called again."""
        atexit.unregister(self.close)
        for component in (self._manager, self._apiserver, self._etcd):
            if component:
                component.stop()
        # Last, as it waits for what it asks: an API server without etcd would keep it for ten seconds.
        kubelet, self._kubelet = self._kubelet, None
        if kubelet:
            kubelet.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def is_ready(self) -> bool:
        """Whether /readyz says ok; False while nobody listens."""
        try:
            with closing(self._api(self.admin_token)) as api:
                return api.request("GET", "/readyz").ok
        except FAILURES:
            return False

    # --- what tests use -------------------------------------------------------------------------------------

    @property
    def has_controllers(self) -> bool:
        """Whether Deployments make Pods and namespaces go; False where the manager is missing."""
        return self._manager is not None

    @property
    def pids(self) -> list[int]:
        """The processes that run now."""
        components = (self._etcd, self._apiserver, self._manager)
        return [component.pid for component in components if component and component.pid]

    @property
    def kubelet(self) -> ReadinessLoop:
        """What makes Pods ready; `with control_plane.kubelet.paused():` holds them."""
        if self._kubelet is None:
            raise ControlPlaneError("the control plane has not been started")
        return self._kubelet

    @property
    def kubelet_command(self) -> list[str] | None:
        """Starts the server of a node (node.py), all but its port and its folder; None where there is none."""
        if self._assets.kubelet is None:
            return None
        certificate, key = self._files.serving
        files = (f"--tls-cert-file={certificate}", f"--tls-private-key-file={key}")
        return [*self._assets.kubelet, *files, f"--kubeconfig={self.kubeconfig('admin')}"]

    @property
    def ca_file(self) -> Path:
        """The authority's certificate."""
        return self._files.ca

    @property
    def ca_data(self) -> bytes:
        """The authority's certificate, as PEM."""
        return self.ca_file.read_bytes()

    @property
    def logs(self) -> Path:
        """The folder with one log file per component."""
        return self._folder

    def kubeconfig(self, user: User = "admin", name: str = "real") -> Path:
        """A file whose cluster, user, context and current context are all called `name`."""
        path = self._folder / f"kubeconfig-{user}-{name}.yaml"
        if not path.exists():
            ca = base64.b64encode(self.ca_data).decode()
            text = _KUBECONFIG.format(name=name, url=self.url, ca=ca, user=self._credentials(user))
            # Whole or not at all: the controllers once started from a file that was being written again.
            handle, written = tempfile.mkstemp(dir=self._folder)  # for its owner alone
            with os.fdopen(handle, "w") as file:
                file.write(text)
            Path(written).replace(path)
        return path

    def kubectl(
        self,
        *args: str,
        input: str | None = None,  # noqa: A002 - as subprocess.run has it
        check: bool = True,
        user: User = "admin",
    ) -> subprocess.CompletedProcess[str]:
        """Runs kubectl; ControlPlaneError with its own words if it fails and `check` is on."""
        self._insist()
        home = self._folder / "kubectl"
        home.mkdir(exist_ok=True)
        done = subprocess.run(
            [self._assets.kubectl, "--kubeconfig", str(self.kubeconfig(user)), *args],
            input=input,
            capture_output=True,
            text=True,
            env={"PATH": os.environ.get("PATH", os.defpath), "HOME": str(home)},
        )
        if check and done.returncode != 0:
            raise ControlPlaneError(f"kubectl {' '.join(args)} failed: {done.stderr.strip()}")
        return done

    def api(self, user: Literal["admin", "viewer"] = "admin") -> Api:
        """The harness's own requests, for one thread and the caller to close."""
        self._insist()
        return self._api(self.admin_token if user == "admin" else self.viewer_token)

    def _insist(self) -> None:
        """A component that ended by itself is told as such, not as whatever then fails to happen."""
        for component in (self._etcd, self._apiserver, self._manager):
            if component:
                component.insist()

    # --- how it is made -------------------------------------------------------------------------------------

    def _api(self, token: str) -> Api:
        return Api(self.port, ca_file=self.ca_file, token=token)

    def _credentials(self, user: User) -> str:
        if user != "cert":
            return f"token: {self.admin_token if user == 'admin' else self.viewer_token}"
        certificate, key = (base64.b64encode(path.read_bytes()).decode() for path in self._files.admin)
        return f"client-certificate-data: {certificate}\n    client-key-data: {key}"

    @property
    def _tokens(self) -> Path:
        return self._folder / "tokens.csv"

    def _write_tokens(self) -> None:
        self._tokens.touch(mode=0o600)
        self._tokens.write_text(
            f'{self.admin_token},admin,admin,"system:masters"\n{self.viewer_token},viewer,viewer,"viewers"\n'
        )

    def _etcd_command(self) -> list[str]:
        clients, peers = (f"http://127.0.0.1:{port}" for port in (self._etcd_port, self._peer_port))
        return [
            *self._assets.etcd,
            f"--data-dir={self._folder / 'etcd'}",
            "--unsafe-no-fsync",
            f"--listen-client-urls={clients}",
            f"--advertise-client-urls={clients}",
            f"--listen-peer-urls={peers}",
            f"--initial-advertise-peer-urls={peers}",
            f"--initial-cluster=default={peers}",
            "--log-level=warn",
        ]

    def _apiserver_command(self) -> list[str]:
        certificate, key = self._files.serving
        public, private = self._files.service_account
        return [
            *self._assets.kube_apiserver,
            f"--etcd-servers=http://127.0.0.1:{self._etcd_port}",
            "--bind-address=127.0.0.1",
            f"--secure-port={self.port}",
            f"--cert-dir={self._folder / 'pki'}",
            f"--tls-cert-file={certificate}",
            f"--tls-private-key-file={key}",
            f"--client-ca-file={self._files.ca}",
            f"--token-auth-file={self._tokens}",
            "--authorization-mode=RBAC",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={public}",
            f"--service-account-signing-key-file={private}",
            "--service-cluster-ip-range=10.0.0.0/24",
            # It refuses Pods until a controller has made the namespace's account, which no test is about.
            "--disable-admission-plugins=ServiceAccount",
            # For the nodes of node.py; any administrator will do.
            f"--kubelet-certificate-authority={self._files.ca}",
            f"--kubelet-client-certificate={self._files.admin[0]}",
            f"--kubelet-client-key={self._files.admin[1]}",
            # There is no `kubernetes` Service to keep up to date; looking after it delays a stop.
            "--endpoint-reconciler-type=none",
        ]

    def _manager_command(self) -> list[str] | None:
        if self._assets.kube_controller_manager is None:
            return None
        _, private = self._files.service_account
        return [
            *self._assets.kube_controller_manager,
            f"--kubeconfig={self._folder / 'kubeconfig-admin-real.yaml'}",
            "--leader-elect=false",
            f"--service-account-private-key-file={private}",
            "--controllers=*,-nodeipam",  # there is no cloud
            "--secure-port=0",
            # The default of 20 a second is for sparing a shared server; tests wait for each of them.
            "--kube-api-qps=1000",
            "--kube-api-burst=2000",
        ]

    def _await(self, component: Component, ready: Callable[[], bool]) -> None:
        def look() -> bool:
            component.insist()
            return ready()

        try:
            wait_until(look, START_TIMEOUT, f"{component.name} is ready")
        except AssertionError as error:
            raise component.failure(str(error)) from error

    def _etcd_listens(self) -> bool:
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", self._etcd_port)) == 0

    def _let_viewer_view(self) -> None:
        with closing(self.api("admin")) as admin, closing(self.api("viewer")) as viewer:
            for role in _VIEW_ROLES:
                answer = admin.request("POST", f"{_RBAC}/clusterrolebindings", body=_binding(role))
                if not answer.ok:
                    raise ControlPlaneError(f"the viewer could not be given {role}: {answer.message}")
            # The authorizer hears of a binding through a watch, a moment after the answer.
            path = "/api/v1/pods?limit=1"
            wait_until(lambda: viewer.request("GET", path).ok, START_TIMEOUT, "the viewer may list Pods")


def _binding(role: str) -> Json:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": f"viewer-{role.replace(':', '-')}"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "viewer"}],
    }


_RBAC = "/apis/rbac.authorization.k8s.io/v1"
_KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: {name}
clusters:
- name: {name}
  cluster:
    server: {url}
    certificate-authority-data: {ca}
users:
- name: {name}
  user:
    {user}
contexts:
- name: {name}
  context:
    cluster: {name}
    user: {name}
"""
