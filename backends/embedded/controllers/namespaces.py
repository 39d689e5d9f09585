"""Namespaces: what each has from its beginning, an account for its Pods and the certificate to know the server by.

Owns: what two controllers do, after kubernetes `pkg/controller/serviceaccount/serviceaccounts_controller.go` and
`pkg/controller/certificates/rootcacertpublisher/publisher.go`. The certificate is none: there is no TLS.
"""

from __future__ import annotations

from backends.embedded.controllers.world import NAMESPACE, SERVICE_ACCOUNT, World, deleting

ACCOUNT, CERTIFICATE = "default", "kube-root-ca.crt"
_NOTE = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the "
    "internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes "
    "clusters."
)
_NONE = "# An embedded cluster speaks plain HTTP.\n"


class Namespaces:
    """Reconciles one namespace at a time."""

    def __init__(self, world: World) -> None:
        self._world = world

    def reconcile(self, namespace: str, name: str) -> float | None:
        """Makes what is missing; in a namespace that goes, nothing."""
        found = self._world.get(NAMESPACE, "", name)
        if found is None or deleting(found):
            return None
        if self._world.get(SERVICE_ACCOUNT, name, ACCOUNT) is None:
            meta = {"name": ACCOUNT, "namespace": name}
            self._world.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta})
        if self._world.store.storage.lookup(("", "ConfigMap"), f"{name}/{CERTIFICATE}") is None:
            annotated = {"name": CERTIFICATE, "namespace": name, "annotations": {"kubernetes.io/description": _NOTE}}
            data = {"ca.crt": _NONE}
            self._world.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": annotated, "data": data})
        return None
