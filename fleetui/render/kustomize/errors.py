"""Why a kustomization is not built here.

Owns: `Unsupported`, and `Problem`, which becomes a `ManifestError` or an `Unsupported` where the file is known.
"""

from __future__ import annotations

from fleetui.model.errors import ManifestError


class Unsupported(ManifestError):  # noqa: N818 - no failure: it says that the binary has to build
    """Something that the native builder leaves to the binary.

    Args:
        feature: what it is, as a noun such as ``helmCharts`` or ``the remote resource https://…``.
        path: the file that asks for it, relative to the repository's root.
        line: 1-based, or None where no line can be named.
    """

    def __init__(self, feature: str, *, path: str = "", line: int | None = None) -> None:
        self.feature = feature
        super().__init__(f"{feature} can only be built by the kustomize binary", path=path, line=line)


class Problem(Exception):  # noqa: N818 - not an error of fleetui's tree: it never leaves this package
    """What is wrong with the input, in one sentence, from a step that knows neither file nor line."""


class UnsupportedProblem(Problem):
    """What is not built here, as a noun, from a step that knows neither file nor line."""
