"""The build environment: what `$ARGOCD_APP_NAME` and its like stand for in a source.

Owns: `build_environment` and `expand`. Rules: Argo CD 3.6 (`newEnv` in reposerver/repository/repository.go,
`Env.Envsubst` in types.go), whose substitution is Go's `os.Expand`. Called by `fleetui.render.helm` and by whoever
renders a source. Pure. Flux's substitution is another one: `fleetui.render.substitute`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_REFERENCE = re.compile(r"\$(?:\{([^}]*)\}|\{|([*#$@!?\-0-9]|[A-Za-z0-9_]+))")


def build_environment(
    *, app: str, namespace: str, project: str, revision: str, repo_url: str, path: str, target_revision: str
) -> dict[str, str]:
    """The variables of one source.

    Args:
        app: the application's instance name (`fleetui.engine.tracking`): ``NAMESPACE_NAME`` outside the control plane's
            own namespace.
        namespace: the destination's.
        revision: the resolved one: a commit, or a chart's version.
        path: `spec.source.path`, empty for a chart.
    """
    return {
        "ARGOCD_APP_NAME": app,
        "ARGOCD_APP_NAMESPACE": namespace,
        "ARGOCD_APP_PROJECT_NAME": project,
        "ARGOCD_APP_REVISION": revision,
        "ARGOCD_APP_REVISION_SHORT": revision[:7],
        "ARGOCD_APP_REVISION_SHORT_8": revision[:8],
        "ARGOCD_APP_SOURCE_REPO_URL": repo_url,
        "ARGOCD_APP_SOURCE_PATH": path,
        "ARGOCD_APP_SOURCE_TARGET_REVISION": target_revision,
    }


def expand(text: str, environment: Mapping[str, str]) -> str:
    """`text` with ``$NAME`` and ``${NAME}`` replaced; a name that is not known becomes nothing, ``$$`` a dollar sign.

    As in `os.Expand`, ``${`` without an end is dropped, and a dollar sign with no name behind it stays.
    """

    def value(found: re.Match[str]) -> str:
        name = found[1] or found[2] or ""
        return "$" if name == "$" else environment.get(name, "")

    return _REFERENCE.sub(value, text) if "$" in text else text
