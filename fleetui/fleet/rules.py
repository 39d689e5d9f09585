"""What a list of RBAC rules allows.

Owns: `Attributes`, `Rules` and how the one is held against the other. Pure; made from a SelfSubjectRulesReview by
`fleetui.fleet.permissions`, which also asks where the rules can't say. Never here: requests, and how long an answer
counts.

A rule matches as the RBAC authorizer matches it (Kubernetes 1.37: plugin/pkg/auth/authorizer/rbac/rbac.go,
`RuleAllows`; pkg/apis/rbac/v1/evaluation_helpers.go).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from fleetui.model.objects import ApiResource, Obj
from fleetui.model.text import one_line

ALL = "*"


class Attributes(msgspec.Struct, frozen=True):
    """One request to an API server, as its authorizer sees it (authorization/v1, `ResourceAttributes`).

    An empty `namespace` stands for all of them or for none, an empty `name` for a collection; `resource` is the plural.
    """

    verb: str
    group: str
    version: str
    resource: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def full_name(self) -> str:
        """``pods/log``, ``deployments.apps``, as kubectl names what is asked for."""
        resource = f"{self.resource}.{self.group}" if self.group else self.resource
        return f"{resource}/{self.subresource}" if self.subresource else resource


def attributes(
    verb: str, resource: ApiResource, namespace: str = "", *, name: str = "", subresource: str = ""
) -> Attributes:
    """`verb` on a resource that was discovered; the namespace is left out where the resource is not in one."""
    return Attributes(
        verb,
        resource.group,
        resource.version,
        resource.plural,
        namespace=namespace if resource.namespaced else "",
        name=name,
        subresource=subresource,
    )


class ResourceRule(msgspec.Struct, frozen=True):
    """One of `status.resourceRules`; a rule without `names` holds for every object."""

    verbs: frozenset[str]
    groups: frozenset[str]
    resources: frozenset[str]
    names: frozenset[str] = frozenset()

    def matches(self, asked: Attributes) -> bool:
        return (
            _has(self.verbs, asked.verb)
            and _has(self.groups, asked.group)
            and self._names_resource(asked)
            and (not self.names or asked.name in self.names)
        )

    def _names_resource(self, asked: Attributes) -> bool:
        """``pods/log`` is a resource of its own, which ``pods`` does not name; ``*/scale`` is that of every kind."""
        if not asked.subresource:
            return _has(self.resources, asked.resource)
        wanted = {f"{asked.resource}/{asked.subresource}", f"*/{asked.subresource}"}
        return ALL in self.resources or not wanted.isdisjoint(self.resources)


class UrlRule(msgspec.Struct, frozen=True):
    """One of `status.nonResourceRules`."""

    verbs: frozenset[str]
    urls: tuple[str, ...]

    def matches(self, verb: str, url: str) -> bool:
        return _has(self.verbs, verb) and any(_fits(pattern, url) for pattern in self.urls)


class Rules(msgspec.Struct, frozen=True):
    """What a user may do in one namespace, as far as the API server could list it.

    `incomplete` says that there may be more: an authorizer that can't list its rules (a webhook, as the big clouds
    have it) or a role that could not be read. `problem` is the server's word on it.
    """

    resources: tuple[ResourceRule, ...] = ()
    urls: tuple[UrlRule, ...] = ()
    incomplete: bool = False
    problem: str = ""

    def allow(self, asked: Attributes) -> bool | None:
        """Whether a request in the rules' namespace is allowed; None where they don't say.

        They don't where they are incomplete and none matches, and where the request leaves the namespace: a Role of
        the namespace is listed beside the ClusterRoles, and gives nothing outside it.
        """
        if any(rule.matches(asked) for rule in self.resources):
            return True if asked.namespace else None
        return None if self.incomplete else False

    def allow_url(self, verb: str, url: str) -> bool | None:
        """Whether `verb` (``get``) is allowed on a path such as ``/readyz``; None where the rules don't say."""
        if any(rule.matches(verb, url) for rule in self.urls):
            return True
        return None if self.incomplete else False


def rules_of(review: Obj) -> Rules:
    """The rules in an answered SelfSubjectRulesReview; what is odd in it is left out, and makes them incomplete."""
    status = review.get("status")
    if not isinstance(status, Mapping):
        return Rules(incomplete=True, problem="the answer has no status")
    resources, odd = _maps(status.get("resourceRules"))
    urls, odd_urls = _maps(status.get("nonResourceRules"))
    return Rules(
        resources=tuple(map(_resource_rule, resources)),
        urls=tuple(UrlRule(_words(each, "verbs"), tuple(sorted(_words(each, "nonResourceURLs")))) for each in urls),
        incomplete=status.get("incomplete") is not False or odd or odd_urls,
        problem=one_line(str(status.get("evaluationError") or "")),
    )


def _resource_rule(rule: Mapping[str, Any]) -> ResourceRule:
    return ResourceRule(
        verbs=_words(rule, "verbs"),
        groups=_words(rule, "apiGroups"),
        resources=_words(rule, "resources"),
        names=_words(rule, "resourceNames"),
    )


def _maps(value: object) -> tuple[list[Mapping[str, Any]], bool]:
    """The maps of a list, and whether there was anything else."""
    listed: Sequence[object] = value if isinstance(value, list) else ()
    maps = [each for each in listed if isinstance(each, Mapping)]
    return maps, len(maps) != len(listed) or not isinstance(value, list | None)


def _words(rule: Mapping[str, Any], key: str) -> frozenset[str]:
    listed = rule.get(key)
    return frozenset(each for each in listed if isinstance(each, str)) if isinstance(listed, list) else frozenset()


def _has(words: frozenset[str], word: str) -> bool:
    return ALL in words or word in words


def _fits(pattern: str, url: str) -> bool:
    if pattern == ALL:
        return True
    return url.startswith(pattern.rstrip(ALL)) if pattern.endswith(ALL) else url == pattern
