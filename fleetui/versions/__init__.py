"""Versions and the constraints that they are held to, as Flux and Argo CD read them.

Owns: `Version` and `Constraint`. Called by whoever chooses a tag, a chart or an image. Pure.
Rules and wordings: Masterminds/semver v3.5.0 (version.go, constraints.go), which both projects use; ordering and
printing are those of the package ``semver``.
"""

from fleetui.versions.constraint import Constraint
from fleetui.versions.version import Version, VersionError

__all__ = ["Constraint", "Version", "VersionError"]
