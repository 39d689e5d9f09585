"""What becomes of a container, by its image's name alone. Pure.

Owns: the one convention of the embedded fleet. Called by `lives` and `kubelet`. A manifest can ask for a failure: an
image with ``does-not-exist`` in its name or the tag ``never-starts`` can't be pulled, one with ``crashes`` starts and
dies again and again, one with ``fails`` ends with exit code 1; all others run, or in a Job succeed.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum


class Fate(StrEnum):
    RUNS = "runs"
    NEVER_PULLED = "never pulled"
    CRASHES = "crashes"
    FAILS = "fails"


def fate(image: str) -> Fate:
    """What happens to a container with that image."""
    if "does-not-exist" in image or image.endswith(":never-starts"):
        return Fate.NEVER_PULLED
    if "crashes" in image:
        return Fate.CRASHES
    return Fate.FAILS if "fails" in image else Fate.RUNS


def reference(image: str) -> str:
    """The image with registry and tag, as containerd names it: ``nginx`` -> ``docker.io/library/nginx:latest``."""
    name = image if _tagged(image) else f"{image}:latest"
    first = name.split("/")[0]
    if "/" not in name:
        return f"docker.io/library/{name}"
    return name if "." in first or ":" in first or first == "localhost" else f"docker.io/{name}"


def image_id(image: str) -> str:
    """The digest under which a node knows a pulled image; equal names, equal digests."""
    full = reference(image)
    name = full.split("@")[0].rpartition(":")[0] if "@" not in full else full.split("@")[0]
    return f"{name}@sha256:{hashlib.sha256(full.encode()).hexdigest()}"


def pull_error(image: str) -> str:
    """What containerd says of an image that the registry does not have."""
    full = reference(image)
    return (
        f'rpc error: code = NotFound desc = failed to pull and unpack image "{full}": '
        f'failed to resolve reference "{full}": {full}: not found'
    )


def _tagged(image: str) -> bool:
    return "@" in image or ":" in image.rpartition("/")[2]
