"""Options of `kustomize build` that a hub sets for all its Applications.

Owns: `refused_option`. (``kustomize.buildOptions`` of ``argocd-cm``: Argo CD v3.6 util/settings/settings.go,
`GetKustomizeSettings`; the options are those of kustomize 5.8, commands/build.) Called by `fleetui.engine.rendering`.
Pure.
"""

from __future__ import annotations

_RESTRICTOR = "--load-restrictor"
_DEFAULTS = {
    _RESTRICTOR: "LoadRestrictionsRootOnly",
    "--as-current-user": "false",
    "--enable-alpha-plugins": "false",
    "--enable-exec": "false",
    "--enable-helm": "false",
    "--enable-managedby-label": "false",
    "--enable-star": "false",
    "--network": "false",
}
"""What may be said, since it is so without being said."""


def refused_option(options: str) -> str:
    """The first of `options` (as on a command line, between blanks) that changes what is built; empty where none does:
    every such one is refused, be it only for who may read or run what."""
    words = iter(options.split())
    for word in words:
        name, given, value = word.partition("=")
        if not given:
            value = next(words, "") if name == _RESTRICTOR else "true"
        if _DEFAULTS.get(name) != value:
            return word if given or name != _RESTRICTOR else f"{name} {value}".rstrip()
    return ""
