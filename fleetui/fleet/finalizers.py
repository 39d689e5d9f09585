"""Who is to remove a finalizer, so that a deleted object can go.

Owns: `Keeper` and `keeper_of`, a table of finalizers and their controllers. Called by `fleetui.fleet.walk`, which looks
whether the controller is there, and by `fleetui.fleet.stuck`. Pure. From: Kubernetes 1.37, argo-cd v3.6
(pkg/apis/application/v1alpha1/types.go), Flux 2.7, Crossplane 2.1, cert-manager 1.19.
"""

from __future__ import annotations

from typing import NamedTuple


class Keeper(NamedTuple):
    """Who removes a finalizer: in words, what it waits for before it does, and its workload where it is known by name.

    `workloads` are kind and name of what runs it in a usual installation: any of them will do, in any namespace.
    `group` is the API group whose controller it is, where the finalizer says no more than that.
    """

    who: str
    until: str = ""
    workloads: tuple[tuple[str, str], ...] = ()
    group: str = ""


_CONTROL_PLANE = "Kubernetes' controller manager"
_ARGO = Keeper(
    "Argo CD's application controller",
    "all that the application manages is deleted",
    (("StatefulSet", "argocd-application-controller"), ("Deployment", "argocd-application-controller")),
)
_CROSSPLANE = (("Deployment", "crossplane"),)

_KNOWN = {
    "foregroundDeletion": Keeper("Kubernetes' garbage collector", "all that it owns is deleted"),
    "orphan": Keeper("Kubernetes' garbage collector", "what it owns is released"),
    "kubernetes.io/pvc-protection": Keeper(_CONTROL_PLANE, "no Pod uses it any more"),
    "kubernetes.io/pv-protection": Keeper(_CONTROL_PLANE, "no claim is bound to it any more"),
    "batch.kubernetes.io/job-tracking": Keeper("Kubernetes' Job controller", "its Job has counted it"),
    "customresourcecleanup.apiextensions.k8s.io": Keeper(_CONTROL_PLANE, "no object of the kind is left"),
    "service.kubernetes.io/load-balancer-cleanup": Keeper("the cloud's controller", "the load balancer is gone"),
    "resources-finalizer.argocd.argoproj.io": _ARGO,
    "foreground-finalizer.argocd.argoproj.io": _ARGO,
    "resources-finalizer.argocd.argoproj.io/foreground": _ARGO,
    "resources-finalizer.argocd.argoproj.io/background": _ARGO,
    "post-delete-finalizer.argocd.argoproj.io": _ARGO._replace(until="the PostDelete hooks have run"),
    "post-delete-finalizer.argocd.argoproj.io/cleanup": _ARGO._replace(until="the PostDelete hooks are deleted"),
    "argocd.argoproj.io/hook-finalizer": _ARGO._replace(until="the sync that made the hook is over"),
    "finalizer.managedresource.crossplane.io": Keeper("its Crossplane provider", "what it stands for is deleted"),
    "composite.apiextensions.crossplane.io": Keeper("Crossplane", "all that it is composed of is deleted", _CROSSPLANE),
    "finalizer.apiextensions.crossplane.io": Keeper("Crossplane", "its composite is deleted", _CROSSPLANE),
    "defined.apiextensions.crossplane.io": Keeper("Crossplane", "no composite of it is left", _CROSSPLANE),
    "offered.apiextensions.crossplane.io": Keeper("Crossplane", "no claim of it is left", _CROSSPLANE),
    "in-use.crossplane.io": Keeper("its Crossplane provider", "no managed resource uses it any more"),
    "acme.cert-manager.io/finalizer": Keeper(
        "cert-manager", "the challenge is cleaned up", (("Deployment", "cert-manager"),)
    ),
    "finalizer.acme.cert-manager.io": Keeper(
        "cert-manager", "the challenge is cleaned up", (("Deployment", "cert-manager"),)
    ),
    "finalizer.keda.sh": Keeper("Keda", workloads=(("Deployment", "keda-operator"),)),
}
_FLUX = {
    "kustomize.toolkit.fluxcd.io": "kustomize-controller",
    "helm.toolkit.fluxcd.io": "helm-controller",
    "source.toolkit.fluxcd.io": "source-controller",
    "notification.toolkit.fluxcd.io": "notification-controller",
    "image.toolkit.fluxcd.io": "image-reflector-controller",
}


def keeper_of(finalizer: str, group: str = "") -> Keeper:
    """Who removes `finalizer` from an object of the API group `group`; of one that nobody knows, the controller of the
    domain that it is named after."""
    if (known := _KNOWN.get(finalizer)) is not None:
        return known
    if finalizer == "finalizers.fluxcd.io" and (controller := _FLUX.get(group)):
        until = "all that it applied is deleted" if group.startswith(("kustomize", "helm")) else ""
        return Keeper(f"Flux's {controller}", until, (("Deployment", controller),))
    domain = finalizer.partition("/")[0]
    return Keeper(f"the controller of {domain}", group=domain if "." in domain else group)
