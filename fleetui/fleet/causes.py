"""What messages of API servers, controllers and Git say that a thing waits for.

Owns: `told_by` and its table. Texts are those of Kubernetes 1.36 (apiserver, scheduler, kubelet, quota admission),
argo-cd v3.6 and git 2.4x, wherever they turn up: in a condition, an operation, an event. Called by `fleetui.fleet.why`.
Pure.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from fleetui.model.text import one_line


class Cause(NamedTuple):
    """A cause: a name for programs, a sentence, and what to do about it (empty where that is plain)."""

    name: str
    words: str
    remedy: str = ""


class _Pattern(NamedTuple):
    name: str
    pattern: re.Pattern[str]
    words: str
    remedy: str = ""


def _of(name: str, pattern: str, words: str, remedy: str = "") -> _Pattern:
    return _Pattern(name, re.compile(pattern, re.IGNORECASE | re.DOTALL), words, remedy)


_TABLE = (
    _of(
        "QuotaExceeded",
        r"exceeded quota: (?P<quota>[^,]+), requested: (?P<requested>.+?), used: (?P<used>.+?), "
        r"limited: (?P<limited>[^\s;]+)",
        "the ResourceQuota {quota} is exceeded: {requested} was asked for, {used} of {limited} is used",
        "Raise the quota or ask for less",
    ),
    _of(
        "WebhookRefuses",
        r'admission webhook "(?P<webhook>[^"]+)" denied the request(?:: (?P<reason>.+))?',
        "the admission webhook {webhook} refuses it: {reason}",
    ),
    _of(
        "WebhookUnreachable",
        r'failed calling webhook "(?P<webhook>[^"]+)": (?P<reason>.+)',
        "the admission webhook {webhook} does not answer: {reason}",
        "See to the webhook's Pods, or to its failurePolicy",
    ),
    _of(
        "PolicyRefuses",
        r"ValidatingAdmissionPolicy '(?P<policy>[^']+)'.*? denied request: (?P<reason>.+)",
        "the ValidatingAdmissionPolicy {policy} refuses it: {reason}",
    ),
    _of(
        "PodSecurity",
        r'violates PodSecurity "(?P<level>[^"]+)": (?P<reason>.+)',
        "the namespace's Pod security level {level} forbids it: {reason}",
    ),
    _of(
        "MissingDefinition",
        r'no matches for kind "(?P<kind>[^"]+)" in version "(?P<version>[^"]+)"',
        "nothing on the cluster defines the kind {kind} in {version}",
        "Install its CustomResourceDefinition, or sync it in an earlier wave",
    ),
    _of(
        "MissingDefinition",
        r"could not find (?:(?P<group>[\w.-]*)/)?(?P<kind>\w+) for requested resource",
        "nothing on the cluster defines the kind {kind} of {group}",
        "Install its CustomResourceDefinition, or sync it in an earlier wave",
    ),
    _of(
        "MissingVersion",
        r'could not find version "(?P<version>[^"]+)" of (?:(?P<group>[\w.-]*)/)?(?P<kind>\w+) for requested resource',
        "the cluster does not serve the version {version} of the kind {kind}",
        "Write the manifest in one that it serves",
    ),
    _of(
        "MissingNamespace",
        r'namespaces "(?P<namespace>[^"]+)" not found',
        "the namespace {namespace} does not exist",
        "Create it, or set the sync option CreateNamespace=true",
    ),
    _of(
        "Immutable",
        r"field is immutable|updates to \w+ spec for fields other than",
        "a field has changed that can't be changed in place",
        "Delete the object, or sync it with Replace=true,Force=true",
    ),
    _of(
        "SyncWindow",
        r"sync window",
        "a sync window is shut",
        "Wait for it to open, or ask for a sync by hand where it allows that",
    ),
    _of(
        "DependencyNotReady",
        r"dependency '(?P<dependency>[^']+)' (?:is not ready|not found)",
        "it depends on {dependency}, which is not ready",
    ),
    _of(
        "SourceAuthentication",
        r"authentication (?:required|failed)|could not read Username|Permission denied \(publickey|invalid credentials",
        "the Git server does not accept the login: {all}",
        "See to the repository's credentials",
    ),
    _of(
        "SourceUnreachable",
        r"could not resolve host|unable to access '|connection (?:refused|timed out)|repository not found|"
        r"does not appear to be a git repository|unable to resolve '|couldn't find remote ref|can't be fetched",
        "the source can't be fetched: {all}",
    ),
    _of(
        "Unschedulable",
        r"\d+/\d+ nodes are available: (?P<reason>.+?)(?:\. preemption:.*)?$",
        "no node takes it: {reason}",
    ),
    _of(
        "MountFails",
        r'(?:MountVolume\.\w+ failed for volume "(?P<volume>[^"]+)"[^:]*: )(?P<reason>.+)',
        "the volume {volume} can't be mounted: {reason}",
    ),
    _of(
        "ImagePull",
        r'(?:back-off pulling|failed to pull(?: and unpack)?) image "(?P<image>[^"]+)"(?:: (?P<reason>.+))?',
        "the image {image} can't be pulled: {reason}",
        "See to its name, its tag and the registry's login",
    ),
    _of("Hook", r"waiting for completion of hook (?P<hook>\S+)", "the sync waits for the hook {hook}"),
    _of("Forbidden", r"is forbidden: User \"(?P<user>[^\"]+)\" (?P<reason>cannot .+)", "{user} {reason}"),
)
"""The first that fits counts: a refusal by quota or webhook is worded as forbidden too."""


def told_by(message: str) -> Cause | None:
    """The cause that a message names; None where it names none that is known."""
    for entry in _TABLE:
        found = entry.pattern.search(message)
        if found is not None:
            parts = {name: one_line(value or "").strip() for name, value in found.groupdict().items()}
            words = entry.words.format_map({**parts, "all": one_line(message)})
            return Cause(entry.name, words.rstrip(" :."), entry.remedy)
    return None
