"""What to say of an object whose kind an API server does not serve.

Owns: `unserved`. The words are those of Argo CD's discovery (gitops-engine `utils/kube`,
`ServerResourceForGroupVersionKind`) and of its results (`util/argo`, `AugmentSyncMsg`). Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fleetui.model.objects import Discovery, ObjectRef, ref_of, split_api_version


def unserved(obj: Mapping[str, Any], discovery: Discovery, *, namespace: str = "") -> tuple[str, str] | None:
    """Why the kind of `obj` is not served: what discovery says, and what a sync result says; None where it is served.

    Args:
        obj: a decoded object.
        discovery: what the server serves.
        namespace: the application's own, which stands in where the object names none.
    """
    if discovery.of(obj) is not None:
        return None
    ref = ref_of(obj)
    api_version = str(obj.get("apiVersion", ""))
    if any(resource.api_version == api_version for resource in discovery):
        plain = f'{ref.kind}.{ref.group} "" not found' if ref.group else f'{ref.kind} "" not found'
        return plain, plain
    raw = (
        f"failed to discover server resources for group version {api_version}: "
        "the server could not find the requested resource"
    )
    return raw, not_found(ref, split_api_version(api_version)[1], discovery, namespace=namespace)


def not_found(ref: ObjectRef, version: str, discovery: Discovery, *, namespace: str = "") -> str:
    """Argo CD's sentence for an object whose kind, or whose version of it, the API server does not know."""
    kind = f"{ref.group}/{ref.kind}"
    requested = f"for requested resource {ref.namespace or namespace}/{ref.name}."
    other = discovery.by_kind(ref.group, ref.kind)
    if other is None:
        return (
            f"The Kubernetes API could not find {kind} {requested} "
            f'Make sure the "{ref.kind}" CRD is installed on the destination cluster.'
        )
    return (
        f'The Kubernetes API could not find version "{version}" of {kind} {requested} '
        f'Version "{other.version}" of {kind} is installed on the destination cluster.'
    )
