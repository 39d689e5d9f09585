"""What messages of API servers, controllers and Git say that a thing waits for.

Owns: `told_by` and its table. Texts are those of Kubernetes 1.37 (apiserver, scheduler, kubelet, controllers), argo-cd
v3.6, Flux 2.7 (kustomize-controller 1.7, source-controller 1.9) and git 2.4x, wherever they turn up: in a condition, an
operation, an event. Called by `fleetui.fleet.why` and `fleetui.fleet.stuck`. Pure.
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


LONGEST = 4096
"""Characters of a message that are read: whoever writes it must not decide how long that takes."""


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
        "Check the webhook's Pods, or its failurePolicy",
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
        "Invalid",
        r'(?<!\S)\S+ "[^"]+" is invalid: (?P<reason>.+)',
        "the API server finds it invalid: {reason}",
    ),
    _of(
        "FieldConflict",
        r'conflicts? with "(?P<manager>[^"]+)"[^:]*: ?(?P<fields>.+)',
        "the field manager {manager} holds what was to be applied: {fields}",
        "Let it go of them, or sync with Force",
    ),
    _of(
        "NamespaceTerminating",
        r"in namespace (?P<namespace>\S+) because it is being terminated",
        "the namespace {namespace} is being deleted, and takes nothing new",
    ),
    _of(
        "LimitRange",
        r"(?P<reason>(?:minimum|maximum) \S+ usage per \w+ is .+)",
        "a LimitRange forbids it: {reason}",
    ),
    _of(
        "SyncWindow",
        r"sync window",
        "a sync window is shut",
        "Wait for it to open, or ask for a sync by hand where it allows that",
    ),
    _of(
        "MissingProject",
        r"referencing project (?P<project>\S+) which does not exist",
        "the AppProject {project} does not exist",
    ),
    _of(
        "NotPermitted",
        r"(?:^|;)(?P<reason>[^;]*not permitted in project .+)",
        "its project does not allow that: {reason}",
        "Check the AppProject's sourceRepos, destinations and whitelists",
    ),
    _of(
        "DependencyNotReady",
        r"dependency '(?P<dependency>[^']+)' (?:is not ready|not found|revision is not up to date)",
        "it depends on {dependency}, which is not ready",
    ),
    _of(
        "SourceNotReady",
        r"(?P<kind>HelmChart|GitRepository|OCIRepository|HelmRepository|Bucket) '(?P<name>[^']+)' is not ready",
        "its source, the {kind} {name}, is not ready",
    ),
    _of(
        "HealthCheck",
        r"(?:timeout waiting for|failed early due to stalled resources): \[(?P<what>.+?)\]",
        "its health check waits for {what}",
    ),
    _of(
        "Probe",
        r"(?P<probe>Readiness|Liveness|Startup) probe (?:failed|errored): (?P<reason>.+)",
        "its {probe} probe fails: {reason}",
    ),
    _of(
        "Unschedulable",
        r"\d+/\d+ nodes are available: (?P<reason>.+?)(?:\. preemption:.*)?$",
        "no node takes it: {reason}",
    ),
    _of(
        "VolumeInUse",
        r'Multi-Attach error for volume "(?P<volume>[^"]+)" (?P<reason>.+)',
        "the volume {volume} is in use elsewhere: {reason}",
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
        "Check the image's name and tag, and the registry's login",
    ),
    _of(
        "SourceAuthentication",
        r"authentication (?:required|failed)|could not read Username|Permission denied \(publickey|invalid credentials",
        "the Git server does not accept the login: {all}",
        "Check the repository's credentials",
    ),
    _of(
        "SourceUnreachable",
        r"could not resolve host|unable to access '|repository not found|does not appear to be a git repository|"
        r"unable to resolve '|couldn't find remote ref|can't be fetched|failed to checkout and determine revision|"
        r"unable to clone '|failed to fetch Helm repository index|failed to pull artifact|"
        r"(?:git|repo|remote|clone|fetch|index|chart|artifact).*connection (?:refused|timed out)",
        "the source can't be fetched: {all}",
    ),
    _of("Hook", r"waiting for completion of hook (?P<hook>\S+)", "the sync waits for the hook {hook}"),
    _of(
        "PruneConfirmation",
        r"waiting for pruning confirmation of (?P<what>\S+)",
        "the sync waits for somebody to confirm that {what} is pruned",
    ),
    _of(
        "NoStorageClass",
        r"no persistent volumes available for this claim and no storage class is set",
        "no PersistentVolume fits, and no StorageClass is set or the default",
        "Name a StorageClass, or make one the default",
    ),
    _of(
        "Provisioning",
        r"either by the external provisioner '(?P<provisioner>[^']+)'",
        "the provisioner {provisioner} has not made its volume",
        "See whether the provisioner runs",
    ),
    _of(
        "ProvisioningFailed",
        r'failed to provision volume with StorageClass "(?P<class>[^"]+)": (?P<reason>.+)',
        "the StorageClass {class} can't give it a volume: {reason}",
    ),
    _of(
        "Metrics",
        r"unable to (?:get metrics for|fetch metrics from|get resource metric)|did not receive metrics|"
        r"unable to compute the replica count",
        "its metrics can't be had: {all}",
        "See whether the metrics API (metrics-server or an adapter) answers",
    ),
    _of("Forbidden", r"is forbidden: User \"(?P<user>[^\"]+)\" (?P<reason>cannot .+)", "user {user} {reason}"),
    _of(
        "MissingKey",
        r"couldn't find key (?P<key>\S+) in (?P<kind>ConfigMap|Secret) (?P<name>\S+)",
        "the {kind} {name} has no key {key}",
    ),
    _of("MissingKey", r"references non-existent (?:\w+ )?key: (?P<key>\S+)", "the key {key} is not there"),
    _of(
        "MissingObject",
        r'(?P<kind>[a-zA-Z][\w.-]{0,252}) \\?"(?P<name>[^"\\]+)\\?" not found',
        "the {kind} {name} does not exist",
    ),
)
"""The first that fits counts: a refusal by quota or webhook is worded as forbidden too."""


def told_by(message: str) -> Cause | None:
    """The cause that a message names; None where it names none that is known."""
    message = message[:LONGEST]
    for entry in _TABLE:
        found = entry.pattern.search(message)
        if found is not None:
            parts = {name: one_line(value or "").strip() for name, value in found.groupdict().items()}
            words = entry.words.format_map({**parts, "all": one_line(message)})
            return Cause(entry.name, words.rstrip(" :."), entry.remedy)
    return None
