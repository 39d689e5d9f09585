"""What a hub's ``argocd-cm`` changes about the health and the comparison of all its Applications.

Owns: `Overrides`, and how they are read. Called by `fleetui.engine.hubsettings`, which watches the ConfigMap; used by
the engine's comparisons and by `fleetui.fleet` for trees and diffs, so that both say the same. Pure. Rules: argo-cd
v3.6.1 util/settings/settings.go (`GetResourceOverrides`, `GetResourceCompareOptions`), util/argo/normalizers and
util/argo/diff/ignore.go. Not read: ``knownTypeFields``, ``ignoreResourceUpdates``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, NamedTuple

import msgspec

from fleetui.diff.ignore import IgnoreRule
from fleetui.diff.normalize import DEFAULTS, CompareOptions
from fleetui.engine.application import mapping, mappings
from fleetui.engine.filtering import EXCLUSIONS, INCLUSIONS, KindFilter, filter_of
from fleetui.engine.projects import GlobalProject
from fleetui.engine.tracking import ANNOTATION, INSTANCE_LABEL, Tracking
from fleetui.health import Judge, assess, judge
from fleetui.health.lua.library import Library, library_of
from fleetui.model.customizations import (
    CONFIG_MAP,
    EVERYTHING,
    HEALTH,
    IGNORE_DIFFERENCES,
    Customization,
    customizations_of,
    is_customization,
    yaml_map,
    yaml_value,
)
from fleetui.model.errors import UsageError
from fleetui.model.text import one_line

PART_OF = ("app.kubernetes.io/part-of", "argocd")
"""The label without which Argo CD does not see its own ConfigMap."""

_COMPARE_OPTIONS = "resource.compareoptions"
_GLOBAL_PROJECTS = "globalProjects"
_BUILD_OPTIONS = "kustomize.buildOptions"
_IMPERSONATION = "application.sync.impersonation.enabled"
_METHOD = "application.resourceTrackingMethod"
_LABEL = "application.instanceLabelKey"
_INSTALLATION = "installationID"
_READ = frozenset(
    {_BUILD_OPTIONS, _COMPARE_OPTIONS, _GLOBAL_PROJECTS, _IMPERSONATION, _METHOD, _LABEL, _INSTALLATION}
    | {EXCLUSIONS, INCLUSIONS}
)
_IGNORED_STATUS: dict[str, Literal["all", "crd", "none"]] = {
    "": "all",
    "all": "all",
    "crd": "crd",
    "none": "none",
    "off": "none",
    "false": "none",
}
_PATTERN = frozenset("*?[{\\")


class Doubt(msgspec.Struct, frozen=True):
    """A rule that can't be read: with what it concerns nothing can be compared, or a sync would put back what somebody
    wants left alone."""

    concerns: IgnoreRule
    sentence: str


@dataclass(frozen=True)
class Overrides:
    """A hub's settings for objects; as they are made here, those of a hub that has none.

    `rules` come after an Application's own. `kinds`: which are looked at. `tracking`: how objects say whose they are.
    `impersonates`: syncs are to be made as the service accounts that projects name. `kustomize_options`: what every
    `kustomize build` is to be told. `problems` are the sentences for whoever runs the hub: what was left out.
    """

    judge: Judge = judge
    rules: tuple[IgnoreRule, ...] = ()
    options: CompareOptions = DEFAULTS
    kinds: KindFilter = field(default_factory=KindFilter)
    tracking: Tracking = field(default_factory=Tracking)
    problems: tuple[str, ...] = ()
    doubts: tuple[Doubt, ...] = ()
    global_projects: tuple[GlobalProject, ...] = ()
    impersonates: bool = False
    kustomize_options: str = ""

    def doubt(self, obj: Mapping[str, Any]) -> str:
        """Why an object can't be compared with Git, in a sentence; empty where it can."""
        return next((each.sentence for each in self.doubts if each.concerns.concerns(obj)), "")


NO_OVERRIDES = Overrides()


class Written(NamedTuple):
    """What of ``argocd-cm`` the overrides are made from; `labelled`: whether Argo CD sees it."""

    data: Mapping[str, str]
    labelled: bool = True


def written_in(config_map: Mapping[str, Any]) -> Written:
    """What a decoded ``argocd-cm`` says of objects; equal to what it said before where that has not changed."""
    data = mapping(config_map.get("data")).items()
    kept = {key: value for key, value in data if key in _READ or is_customization(key)}
    label, value = PART_OF
    return Written(kept, labelled=mapping(mapping(config_map.get("metadata")).get("labels")).get(label) == value)


def overrides_of(written: Written | None) -> Overrides:
    """The overrides of a hub, None where it has no ``argocd-cm``. Whatever can't be read is left out and said; nothing
    is raised."""
    if written is None or not written.data:
        return NO_OVERRIDES
    if not written.labelled:
        unlabelled = f"{CONFIG_MAP} is not read, as Argo CD does not: it has no label {'='.join(PART_OF)}"
        return Overrides(problems=(unlabelled,))
    customizations, unread = customizations_of(written.data)
    library, problems = library_of(customizations)
    left_out = _LeftOut(problems)
    for sentence, what, key in unread:
        if key and what in {"", IGNORE_DIFFERENCES}:
            left_out.doubt(key, sentence)
        else:
            left_out.problems.append(sentence)
    rules = [_rule(each, left_out) for each in customizations if each.what == IGNORE_DIFFERENCES]
    options = _options(written.data.get(_COMPARE_OPTIONS, ""), left_out)
    global_projects = _global_projects(written.data.get(_GLOBAL_PROJECTS, ""), left_out)
    try:
        kinds = filter_of(written.data)
    except UsageError as error:
        left_out.doubt(EVERYTHING, str(error))
        kinds = KindFilter()
    scripted = any(each.what == HEALTH and each.value for each in customizations)
    return Overrides(
        judge=_by_scripts(library) if scripted else judge,
        rules=tuple(rules),
        options=options,
        kinds=kinds,
        tracking=_tracking(written.data),
        problems=tuple(dict.fromkeys(map(one_line, left_out.problems))),
        doubts=tuple(left_out.doubts),
        global_projects=global_projects,
        impersonates=written.data.get(_IMPERSONATION) == "true",
        kustomize_options=written.data.get(_BUILD_OPTIONS, "").strip(),
    )


def _global_projects(text: str, left_out: _LeftOut) -> tuple[GlobalProject, ...]:
    """Whose rules others get besides their own (util/settings/settings.go, `GetGlobalProjectsSettings`)."""
    try:
        found = yaml_value(text, f"{CONFIG_MAP}: {_GLOBAL_PROJECTS}")
    except UsageError as error:
        left_out.problems.append(str(error))
        return ()
    return tuple(
        GlobalProject(str(each.get("projectName") or ""), mapping(each.get("labelSelector")))
        for each in mappings(found)
    )


def _tracking(data: Mapping[str, str]) -> Tracking:
    return Tracking(
        method=data.get(_METHOD) or ANNOTATION,
        label=data.get(_LABEL) or INSTANCE_LABEL,
        installation=data.get(_INSTALLATION, ""),
    )


def _by_scripts(library: Library) -> Judge:
    from fleetui.health.lua.customizations import LuaCustomizations  # a hub without scripts doesn't pay for it

    return partial(assess, customizations=LuaCustomizations([library]))


@dataclass
class _LeftOut:
    """What was left out so far."""

    problems: list[str]
    doubts: list[Doubt] = field(default_factory=list)

    def doubt(self, key: str, sentence: str) -> None:
        self.problems.append(sentence)
        self.doubts.append(Doubt(_about(key), one_line(sentence)))


def _rule(customization: Customization, left_out: _LeftOut) -> IgnoreRule:
    """The rule of one value, as far as it can be read."""
    key = customization.key
    rule, where = _about(key), f"{CONFIG_MAP}: {IGNORE_DIFFERENCES} of {key}"
    try:
        found = msgspec.convert(yaml_map(customization.value, where), _Ignored)
    except UsageError as error:
        left_out.doubt(key, str(error))
        return rule
    except msgspec.ValidationError as error:
        left_out.doubt(key, f"{where} can't be read: {error}")
        return rule
    managers = found.managed_fields_managers or ()
    if managers and not _names_one_kind(key):
        # Argo CD looks these up by group and kind, where its other rules are patterns (`HasIgnoreDifference`).
        left_out.problems.append(f"{where}: managedFieldsManagers has no effect, as in Argo CD: it is not GROUP/KIND")
        managers = ()
    return msgspec.structs.replace(
        rule,
        json_pointers=found.json_pointers or (),
        jq_path_expressions=found.jq_path_expressions or (),
        managed_fields_managers=managers,
    )


class _Ignored(msgspec.Struct, rename="camel"):
    """argo-cd pkg/apis/application/v1alpha1/types.go, `OverrideIgnoreDiff`."""

    json_pointers: tuple[str, ...] | None = None
    jq_path_expressions: tuple[str, ...] | None = None
    managed_fields_managers: tuple[str, ...] | None = None


def _names_one_kind(key: str) -> bool:
    return key == EVERYTHING or ("/" in key and _PATTERN.isdisjoint(key))


def _about(key: str) -> IgnoreRule:
    group, _, kind = key.rpartition("/")
    return IgnoreRule(group=group, kind=kind)


def _options(text: str, left_out: _LeftOut) -> CompareOptions:
    where = f"{CONFIG_MAP}: {_COMPARE_OPTIONS}"
    try:
        found = yaml_map(text, where)
    except UsageError as error:
        left_out.doubt(EVERYTHING, str(error))
        return DEFAULTS
    aggregated, status = found.get("ignoreAggregatedRoles"), found.get("ignoreResourceStatusField")
    if not isinstance(aggregated, bool | None):
        left_out.doubt(EVERYTHING, f"{where} can't be read: ignoreAggregatedRoles is neither true nor false")
        return DEFAULTS
    if not isinstance(status, str | bool | None):
        left_out.doubt(EVERYTHING, f"{where} can't be read: ignoreResourceStatusField is no text")
        return DEFAULTS
    # YAML makes a boolean of ``off``, and Argo CD text of that again.
    named = str(status).lower() if isinstance(status, bool) else status or ""
    if named not in _IGNORED_STATUS:
        left_out.problems.append(f"{where}: ignoreResourceStatusField {named} is not known, and taken for all")
    return CompareOptions(_IGNORED_STATUS.get(named, "all"), aggregated is True)
