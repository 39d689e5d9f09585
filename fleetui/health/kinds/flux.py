"""Health of Flux's objects as Argo CD sees them; Flux's own view is `fleetui.health.kstatus`.

Owns: `RULES` for the groups ``*.toolkit.fluxcd.io``. Rules: argo-cd v3.6.1 resource_customizations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from fleetui.health.kinds.common import conditions_of, has_conditions
from fleetui.health.reading import Section, flag, needed_section, text
from fleetui.health.verdicts import degraded, healthy, progressing, suspended
from fleetui.model.status import Health


@dataclass(frozen=True, slots=True)
class _Way:
    """How one kind counts its conditions.

    `moving`: the status of Ready that counts as moving; together with Reconciling it is `at_work`. `reasons`: of
    Reconciling, all where None. `besides`: conditions that have to be True beside Ready. Exactly `needed` True ones
    are healthy.
    """

    moving: str = "Unknown"
    reasons: frozenset[str] | None = None
    besides: frozenset[str] = frozenset()
    needed: int = 1
    at_work: Callable[[str], Health] = progressing
    suspends: bool = True
    outdates: bool = False


def _judge(way: _Way, obj: Section) -> Health:
    if way.suspends and flag(needed_section(obj, "spec"), "suspend"):
        return suspended(f"{text(obj, 'kind')} is suspended")
    if not has_conditions(obj):
        return progressing("Status unknown")
    moving = fine = 0
    message = ""
    for condition in conditions_of(obj):
        kind, on = text(condition, "type"), condition.get("status") == "True"
        reason = text(condition, "reason")
        if kind == "Ready":
            fine += on
            moving += condition.get("status") == way.moving
            message = reason
        elif kind == "Reconciling" and on:
            moving += way.reasons is None or reason in way.reasons
        elif kind == "ArtifactOutdated" and on and way.outdates:
            message = f"{message} {reason}"
        elif kind in way.besides:
            fine += on
    if moving == 2:
        return way.at_work(message)
    return healthy(message) if fine == way.needed else degraded(message)


_SOURCE = _Way(besides=frozenset({"ArtifactInStorage"}), needed=2, outdates=True)


def _helm_repository(obj: Section) -> Health:
    spec = needed_section(obj, "spec")
    if not flag(spec, "suspend") and text(spec, "type") == "oci":
        return healthy("Helm repositories of type 'oci' do not contain any information in the status.")
    return _judge(_SOURCE, obj)


def _image(*reasons: str, suspends: bool = True) -> Callable[[Section], Health]:
    return partial(_judge, _Way(moving="False", reasons=frozenset(reasons), suspends=suspends))


RULES: dict[tuple[str, str], Callable[[Section], Health | None]] = {
    ("kustomize.toolkit.fluxcd.io", "Kustomization"): partial(_judge, _Way()),
    ("helm.toolkit.fluxcd.io", "HelmRelease"): partial(
        _judge, _Way(besides=frozenset({"Released", "TestSuccess"}), needed=2)
    ),
    **{
        ("source.toolkit.fluxcd.io", kind): partial(_judge, _SOURCE)
        for kind in ("Bucket", "GitRepository", "HelmChart", "OCIRepository")
    },
    ("source.toolkit.fluxcd.io", "HelmRepository"): _helm_repository,
    ("image.toolkit.fluxcd.io", "ImageRepository"): _image("NewGeneration", "Scanning"),
    ("image.toolkit.fluxcd.io", "ImagePolicy"): _image(
        "NewGeneration", "AccessingRepository", "ApplyingPolicy", suspends=False
    ),
    ("image.toolkit.fluxcd.io", "ImageUpdateAutomation"): partial(_judge, _Way()),
    ("notification.toolkit.fluxcd.io", "Receiver"): partial(_judge, _Way(moving="False", at_work=degraded)),
}
