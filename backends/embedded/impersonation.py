"""Speaking for another user: ``kubectl --as``.

Owns: who a request with Impersonate headers comes from. Called by `handlers`. Rules: apiserver v0.37
pkg/endpoints/filters/impersonation/impersonation.go.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from urllib.parse import unquote

from backends.embedded.access import ANONYMOUS, AUTHENTICATED, UNAUTHENTICATED, Access, User
from backends.embedded.errors import bad_request
from backends.embedded.rbac import SERVICE_ACCOUNT, Authorizer

USER, GROUP, UID, EXTRA = "impersonate-user", "impersonate-group", "impersonate-uid", "impersonate-extra-"
AUTHENTICATION = "authentication.k8s.io"
Headers = Sequence[tuple[str, str]]


def impersonated(user: User, headers: Headers, authorizer: Authorizer) -> User:
    """The user that the request speaks for, `user` where for nobody else; `headers` have names in lower case.

    Raises:
        ApiError: 403, `user` may not; 400, something else is claimed, but no name.
    """
    asked = [(name, value) for name, value in headers if name.startswith("impersonate-")]
    if not asked:
        return user
    wanted = _claimed(asked)
    if not wanted.name:
        raise bad_request(f"requested {[value for _, value in asked]} without impersonating a user")
    for access in _accesses(user, wanted, groups=[value for name, value in asked if name == GROUP]):
        authorizer.authorize(access)
    return wanted


def _claimed(asked: Headers) -> User:
    name = next((value for header, value in asked if header == USER), "")
    groups = [value for header, value in asked if header == GROUP]
    extra: dict[str, tuple[str, ...]] = {}
    for header, value in asked:
        if header.startswith(EXTRA):
            key = unquote(header.removeprefix(EXTRA))
            extra[key] = (*extra.get(key, ()), value)
    uid = next((value for header, value in asked if header == UID), "")
    return User(name, tuple(_completed(name, groups)), uid, tuple(sorted(extra.items())))


def _completed(name: str, groups: list[str]) -> list[str]:
    """The groups with those that everybody of that kind is in."""
    if not groups and name.startswith(SERVICE_ACCOUNT):
        groups = ["system:serviceaccounts", f"system:serviceaccounts:{name.split(':')[2]}"]
    if name == ANONYMOUS:
        return groups if UNAUTHENTICATED in groups else [*groups, UNAUTHENTICATED]
    return groups if {AUTHENTICATED, UNAUTHENTICATED} & set(groups) else [*groups, AUTHENTICATED]


def _accesses(user: User, wanted: User, *, groups: Sequence[str]) -> Iterator[Access]:
    """What `user` must be allowed to do, to be `wanted`."""
    account = wanted.name.removeprefix(SERVICE_ACCOUNT).split(":")
    if wanted.name.startswith(SERVICE_ACCOUNT) and len(account) == 2:
        yield Access(user, "impersonate", "", "serviceaccounts", *account)
    else:
        yield Access(user, "impersonate", "", "users", "", wanted.name)
    for group in groups:
        yield Access(user, "impersonate", "", "groups", "", group)
    for key, values in wanted.extra:
        for value in values:
            yield Access(user, "impersonate", AUTHENTICATION, "userextras", "", value, key)
    if wanted.uid:
        yield Access(user, "impersonate", AUTHENTICATION, "uids", "", wanted.uid)
