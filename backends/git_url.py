"""When two addresses name the same Git repository.

Owns: `identity` (which addresses share a mirror; which Argo CD holds for the same is in `fleetui.engine.giturl`),
`resolved` (relative addresses of submodules) and `host_of`. Pure. Called by `backends.git` and its neighbours.
"""

from __future__ import annotations

import re

_WEB = re.compile(r"(https?://)((?:[^/@]*@)?)([^/]*)(.*)", re.IGNORECASE | re.DOTALL)
_SSH_SCHEME = re.compile(r"((?:ssh|git\+ssh|ssh\+git)://)((?:[^/@]*@)?)([^/]*)(.*)", re.IGNORECASE | re.DOTALL)
_SCP = re.compile(r"([^/:@]+@)([^/:]+)(:.*)", re.DOTALL)


def identity(url: str) -> str:
    """What addresses have in common that name one repository: the case of the host, a trailing slash and ``.git`` make
    no difference. The case of the path does: hosts may tell it apart. A folder on this machine is only itself."""
    url = url.strip()
    match = _WEB.fullmatch(url) or _SSH_SCHEME.fullmatch(url)
    if match is not None:
        scheme, user, host, path = match.groups()
        return f"{scheme.lower()}{user}{host.lower()}{_bare(path)}"
    scp = _SCP.fullmatch(url)
    if scp is not None:
        user, host, path = scp.groups()
        return f"{user}{host.lower()}{_bare(path)}"
    return url


def resolved(url: str, base: str) -> str:
    """The address that a submodule's `url` means in the repository `base`: relative ones begin with ``./`` or ``../``
    (gitmodules(5); git's `relative_url`, remote.c)."""
    if not url.startswith(("./", "../")):
        return url
    base = base.rstrip("/")
    while True:
        if url.startswith("./"):
            url = url[2:]
        elif url.startswith("../"):
            url = url[3:]
            head, separator, _ = base.rpartition("/")
            if not separator:
                # scp-like: the folder after the colon is the last part.
                head, _, _ = base.rpartition(":")
                return f"{head}:{url}"
            base = head
        else:
            return f"{base}/{url}"


def host_of(url: str) -> str:
    """The host of an address, without port and user and in lower case; empty where it has none."""
    match = _WEB.fullmatch(url) or _SSH_SCHEME.fullmatch(url) or _SCP.fullmatch(url)
    if match is None:
        return ""
    host = match[2] if match.re is _SCP else match[3]
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()


def _bare(path: str) -> str:
    return path.rstrip("/").removesuffix(".git")
