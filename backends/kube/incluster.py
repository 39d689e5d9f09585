"""The cluster that this process runs in, as its service account.

Owns: `in_cluster`. Called by `backends.kube.kubeconfig` where no kubeconfig says otherwise. Reads files, no network.
Rules: client-go 0.37 rest/config.go `InClusterConfig`, tools/clientcmd/client_config.go `inClusterClientConfig`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from backends.kube.context import ContextConfig

NAME = "in-cluster"
"""What the context is called; it is Argo CD's word for the cluster that it runs in."""
_FOLDER = Path("var/run/secrets/kubernetes.io/serviceaccount")


def in_cluster(env: Mapping[str, str], root: Path) -> ContextConfig | None:
    """How the API server of this pod is reached; None outside of a cluster.

    Args:
        root: of the file system.
    """
    host, port = env.get("KUBERNETES_SERVICE_HOST", ""), env.get("KUBERNETES_SERVICE_PORT", "")
    folder = root / _FOLDER
    token = folder / "token"
    if not (host and port and token.is_file()):
        return None
    host = f"[{host}]" if ":" in host else host
    return ContextConfig(
        name=NAME,
        server=f"https://{host}:{port}",
        namespace=env.get("POD_NAMESPACE") or _words(folder / "namespace") or "default",
        cluster=NAME,
        user="the service account",
        ca=_authority(folder / "ca.crt"),
        token_file=token,
    )


def _authority(file: Path) -> Path | None:
    """The cluster's own authority; where there is none, client-go goes on with the system's."""
    import ssl  # no start without a pod waits for it

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(file)
    except OSError:  # of which ssl.SSLError is one
        return None
    return file


def _words(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""
