"""References to container images.

Owns: `split`, `with_image`. Follows api 0.21.2 (internal/image/image.go, filters/imagetag/updater.go). Called by
`transform`, `edit`.
"""

from __future__ import annotations

from fleetui.render.kustomize.kustomization import Image


def split(reference: str) -> tuple[str, str, str]:
    """Name, tag and digest of an image (internal/image/image.go)."""
    slash = max(reference.find("/"), 0)
    at, colon = reference.find("@", slash), reference.find(":", slash)
    if at < 0 and colon < 0:
        return reference, "", ""
    if at >= 0 and (at < colon or colon < 0):
        return reference[:at], "", reference[at + 1 :]
    if at >= 0:
        return reference[:colon], reference[colon + 1 : at], reference[at + 1 :]
    return reference[:colon], reference[colon + 1 :], ""


def with_image(reference: str, image: Image) -> str:
    """`reference` with the name, tag or digest that `image` asks for."""
    name, tag, digest = split(reference)
    name = image.new_name or name
    if image.new_tag or image.digest:
        tag, digest = image.new_tag, image.digest
    elif image.tag_suffix:
        tag, digest = tag + image.tag_suffix, ""
    return f"{name}{':' if tag else ''}{tag}{'@' if digest else ''}{digest}"
