"""Why a kustomization is not built here.

Owns: `Unsupported`. Raised all over this package, caught by `fleetui.engine.sources`.
"""

from __future__ import annotations

from fleetui.model.errors import ManifestError


class Unsupported(ManifestError):
    """Something that the native builder leaves to the binary.

    Args:
        feature: what it is, as a noun such as ``helmCharts`` or ``the remote resource https://…``.
        path: the file that asks for it, relative to the repository's root.
        line: 1-based, or None where no line can be named.
    """

    def __init__(self, feature: str, *, path: str = "", line: int | None = None) -> None:
        self.feature = feature
        super().__init__(f"{feature} can only be built by the kustomize binary", path=path, line=line)
