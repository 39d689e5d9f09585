"""Which application a person means.

Owns: the grammar of the command line's APP argument. Pure. Called by `fleetui.cli` and the console's `:` command.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from fleetui.model.app import AppKey
from fleetui.model.errors import MissingError, UsageError

_KINDS = {
    "argo": ("application", "applications", "application.argoproj.io", "applications.argoproj.io"),
    "flux": ("kustomization", "kustomizations", "ks"),
    "helm": ("helmrelease", "helmreleases", "hr"),
}
"""What kubectl calls the objects of each dialect."""
_NEAREST = 3


def find_app(keys: Iterable[AppKey], text: str, *, namespace: str = "") -> AppKey:
    """The application that `text` names: ``[CONTEXT/][NAMESPACE/]NAME``, or ``kind/NAME`` as kubectl has it.

    A context's name may contain slashes itself, so nothing is split: each application is asked for its own names.

    Args:
        keys: the applications there are.
        text: what was typed.
        namespace: keeps those of one namespace only; empty for all.

    Raises:
        MissingError: there is none; the nearest names are in the sentence.
        UsageError: it fits several; all of them are in the sentence.
    """
    known = [key for key in keys if not namespace or key.namespace == namespace]
    found = sorted(key for key in known if text in _names(key))
    if len(found) == 1:
        return found[0]
    if found:
        alike = len({str(key) for key in found}) < len(found)
        listed = ", ".join(f"{_KINDS[key.dialect][0]}/{key.name}" if alike else str(key) for key in found)
        more = "kind" if alike else "context or namespace"
        raise UsageError(f"{text} fits {len(found)} applications: {listed}", f"name its {more} too")
    raise MissingError(f"there is no application {text}", _hint(known, text))


def _names(key: AppKey) -> set[str]:
    return {
        key.name,
        f"{key.namespace}/{key.name}",
        f"{key.hub}/{key.name}",
        str(key),
        *(f"{kind}/{key.name}" for kind in ("app", "apps", *_KINDS[key.dialect])),
    }


def _hint(keys: list[AppKey], text: str) -> str:
    if not keys:
        return "no application is known here at all"
    by_name = {key.name: key for key in sorted(keys)}
    # Whoever names a wrong context or namespace gets the right one offered: the last part alone is compared.
    near = get_close_matches(text.rpartition("/")[2], by_name, n=_NEAREST)
    return (
        "nearest: " + ", ".join(str(by_name[name]) for name in near)
        if near
        else "fleetui get apps --all-contexts shows all"
    )
