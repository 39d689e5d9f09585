"""The CustomResourceDefinitions that fleetui puts into a hub where Argo CD's are not there.

Owns: the YAML files beside this module and `load`. Called by ``fleetui bootstrap``, by the demo and by tests. Names,
scopes, short names, subresources and printer columns are Argo CD's (`manifests/crds/`); the schemas are permissive, so
that objects made for Argo CD's own definitions pass unchanged.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any


def load() -> list[dict[str, Any]]:
    """The definitions as decoded objects, a fresh copy at each call, in a fixed order."""
    import yaml

    files = sorted(Path(__file__).parent.glob("*.yaml"))
    return [yaml.load(file.read_bytes(), Loader=yaml.CSafeLoader) for file in files]
