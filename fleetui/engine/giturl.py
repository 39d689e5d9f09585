"""Repository URLs as Argo CD compares them.

Owns: `normalized` (Argo CD v3.6.1 util/git/git.go, `NormalizeGitURL`). Called for the repositories of projects. Pure.
"""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import quote

_SSH = re.compile(r"(ssh://)?([^/:]*?)@[^@]+")
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):(.*)", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_BAD_ESCAPE = re.compile(r"%(?![0-9a-f]{2})")
_PORT = re.compile(r"(:[0-9]*)?")
_IN_PATH = "$&+,/:;=@!'()*[]%~-_."


@lru_cache(maxsize=4096)
def normalized(url: str) -> str:
    """One spelling for the ways in which a repository is written: ``git@host:a/b.git`` is ``ssh://git@host/a/b``. Empty
    where Go's `url.Parse` does not take it."""
    url = url.strip().lower()
    if _SSH.fullmatch(url) and not url.startswith("ssh://"):
        url = f"ssh://{url.replace(':', '/', 1)}"
    return _parsed(url.removesuffix(".git")).removeprefix("ssh://")


def _parsed(url: str) -> str:
    """`url.Parse(url).String()`: the path escaped where it must be; empty where it is no URL."""
    if _CONTROL.search(url) or url.startswith(":"):
        return ""
    url, hash_, fragment = url.partition("#")
    found = _SCHEME.fullmatch(url)
    scheme, rest = (f"{found[1]}:", found[2]) if found else ("", url)
    rest, question, query = rest.partition("?")
    if scheme and not rest.startswith("/"):
        return f"{scheme}{rest}{question}{query}{hash_}{fragment}"
    if not scheme and ":" in rest.partition("/")[0]:
        return ""
    authority, path = "", rest
    if rest.startswith("//") and (scheme or not rest.startswith("///")):
        authority, slash, path = rest[2:].partition("/")
        path = slash + path
        if not _PORT.fullmatch(_after_host(authority)):
            return ""
        authority = f"//{authority}"
    if _BAD_ESCAPE.search(path) or " " in authority:
        return ""
    return f"{scheme}{authority}{quote(path, safe=_IN_PATH)}{question}{query}{hash_}{fragment}"


def _after_host(authority: str) -> str:
    host = authority.rpartition("@")[2].rpartition("]")[2]
    return host[host.rfind(":") :] if ":" in host else ""
