"""Who may do what.

Owns: `Access` and the refusal. There are no roles: the embedded server is given a function. Called by `handlers`.
Wordings: apiserver v0.37 pkg/endpoints/handlers/responsewriters/errors.go (forbiddenMessage).
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from backends.embedded import errors


class Access(msgspec.Struct, frozen=True):
    """One thing that a user wants to do; `verb` is Kubernetes' (get, list, watch, create, update, patch, delete)."""

    user: str
    verb: str
    group: str = ""
    plural: str = ""
    namespace: str = ""
    name: str = ""
    subresource: str = ""


def authorize(allow: Callable[[Access], bool] | None, access: Access) -> None:
    """Refuses what `allow` does not let through.

    Raises:
        ApiError: 403.
    """
    if allow is None or allow(access):
        return
    what = f"{access.plural}/{access.subresource}" if access.subresource else access.plural
    where = f'in the namespace "{access.namespace}"' if access.namespace else "at the cluster scope"
    why = f'User "{access.user}" cannot {access.verb} resource "{what}" in API group "{access.group}" {where}'
    raise errors.forbidden(access.group, access.plural, access.name, why=why)
