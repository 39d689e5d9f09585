"""Nobody gives away what he does not hold.

Owns: what a user must hold to write a role or a binding. Called by `handlers`, through the guard of a write. Rules:
Kubernetes v1.37 pkg/registry/rbac/*/policybased/storage.go, pkg/registry/rbac/escalation_check.go,
pkg/registry/rbac/validation; component-helpers v0.37 auth/rbac/validation/policy_comparator.go.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Any

import msgspec

from backends.embedded import errors
from backends.embedded.access import MASTERS, Access, User
from backends.embedded.rbac import GROUP, Authorizer, Rule, url_covers

Obj = dict[str, Any]
Guard = Callable[[Obj, Obj | None], None]
_EVERYTHING = (Rule(("*",), ("*",), ("*",)), Rule(("*",), non_resource_urls=("*",)))


def guard(authorizer: Authorizer, access: Access) -> Guard | None:
    """What is to look at a role or a binding before it is written; None where nobody needs to."""
    checks = {"roles": _check_role, "clusterroles": _check_role}
    checks |= {"rolebindings": _check_binding, "clusterrolebindings": _check_binding}
    check = checks.get(access.plural) if access.group == GROUP else None
    if check is None or MASTERS in access.user.groups:
        return None
    return lambda new, old: None if _same_but_for_owners(new, old) else check(authorizer, access, new=new, old=old)


def _same_but_for_owners(new: Obj, old: Obj | None) -> bool:
    """IsOnlyMutatingGCFields: the garbage collector may do its work."""
    if old is None:
        return False
    own = {"ownerReferences", "finalizers", "managedFields", "selfLink"}

    def rest(obj: Obj) -> Obj:
        return obj | {"metadata": {key: value for key, value in obj["metadata"].items() if key not in own}}

    return rest(new) == rest(old)


def _check_role(authorizer: Authorizer, access: Access, *, new: Obj, old: Obj | None) -> None:
    if authorizer.decide(msgspec.structs.replace(access, verb="escalate")).allowed:
        return
    name = new["metadata"].get("name", "")
    _confirm(authorizer, access, msgspec.convert(new.get("rules") or [], list[Rule]), name=name)
    if _aggregates(new) or _aggregates(old):
        held = authorizer.rules(access.user, access.namespace)
        if _missing(held, _EVERYTHING):
            why = "must have cluster-admin privileges to use the aggregationRule"
            raise errors.forbidden(GROUP, access.plural, name, why=why)


def _aggregates(role: Obj | None) -> bool:
    return bool(((role or {}).get("aggregationRule") or {}).get("clusterRoleSelectors"))


def _check_binding(authorizer: Authorizer, access: Access, *, new: Obj, old: Obj | None) -> None:
    reference = new.get("roleRef") or {}
    plural = {"ClusterRole": "clusterroles", "Role": "roles"}.get(reference.get("kind", ""))
    if plural is not None:
        bind = Access(access.user, "bind", GROUP, plural, access.namespace, reference.get("name", ""))
        if authorizer.decide(bind).allowed:
            return
    try:
        rules = authorizer.rules_of(reference, access.namespace)
    except errors.ApiError:
        # The real server tells the role's name as if it were the binding's.
        raise errors.not_found(GROUP, access.plural, reference.get("name", "")) from None
    _confirm(authorizer, access, rules, name=new["metadata"].get("name", ""))


def _confirm(authorizer: Authorizer, access: Access, rules: Sequence[Rule], *, name: str) -> None:
    """ConfirmNoEscalation.

    Raises:
        ApiError: 403, with what is not held.
    """
    missing = _missing(authorizer.rules(access.user, access.namespace), rules)
    if missing:
        raise errors.forbidden(GROUP, access.plural, name, why=_why(access.user, missing))


def _why(user: User, missing: Sequence[Rule]) -> str:
    lines = sorted({_shown(rule) for rule in _compact(missing)})
    head = f'user "{user.name}" (groups={_quoted(user.groups)}) is attempting to grant RBAC permissions not currently'
    return f"{head} held:\n" + "\n".join(lines)


def _missing(held: Sequence[Rule], wanted: Sequence[Rule]) -> list[Rule]:
    """The parts of the wanted rules that no rule held covers."""
    return [part for rule in wanted for part in _parts(rule) if not any(_covers(owner, part) for owner in held)]


def _parts(rule: Rule) -> Iterator[Rule]:
    names: Sequence[tuple[str, ...]] = [(name,) for name in rule.resource_names or ()] or [()]
    for group, resource, verb, name in product(rule.api_groups or (), rule.resources or (), rule.verbs, names):
        yield Rule((verb,), (group,), (resource,), name)
    for url, verb in product(rule.non_resource_urls or (), rule.verbs):
        yield Rule((verb,), non_resource_urls=(url,))


def _covers(owner: Rule, part: Rule) -> bool:
    names = owner.resource_names or ()
    return (
        _has(owner.verbs, part.verbs)
        and _has(owner.api_groups or (), part.api_groups or ())
        and all(_covers_resource(owner.resources or (), resource) for resource in part.resources or ())
        and all(any(url_covers(o, url) for o in owner.non_resource_urls or ()) for url in part.non_resource_urls or ())
        and (not names or (bool(part.resource_names) and set(part.resource_names or ()) <= set(names)))
    )


def _has(owned: Sequence[str], wanted: Sequence[str]) -> bool:
    return "*" in owned or set(wanted) <= set(owned)


def _covers_resource(owned: Sequence[str], resource: str) -> bool:
    _, slash, subresource = resource.partition("/")
    return "*" in owned or resource in owned or (bool(slash) and f"*/{subresource}" in owned)


def _compact(rules: Sequence[Rule]) -> list[Rule]:
    """One rule for each resource, with all its verbs (CompactRules)."""
    found: dict[Rule, Rule] = {}
    for rule in rules:
        key = msgspec.structs.replace(rule, verbs=()) if rule.resources else rule
        known = found.get(key)
        found[key] = rule if known is None else msgspec.structs.replace(known, verbs=known.verbs + rule.verbs)
    return list(found.values())


def _shown(rule: Rule) -> str:
    parts = (
        ("APIGroups", rule.api_groups),
        ("Resources", rule.resources),
        ("NonResourceURLs", rule.non_resource_urls),
        ("ResourceNames", rule.resource_names),
        ("Verbs", rule.verbs),
    )
    return "{" + ", ".join(f"{name}:{_quoted(values)}" for name, values in parts if values) + "}"


def _quoted(values: Sequence[str]) -> str:
    return f"[{' '.join(json.dumps(value) for value in values)}]"
