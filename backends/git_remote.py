"""The address of a Git repository, and what Git's own words about it mean.

Owns: `Remote` (a repository's URL taken apart: credentials, a folder on this machine, how it is shown), `explain`
(standard error of git to one of fleetui's errors) and `RedirectedError`. Called by `backends.git` and its neighbours.
Pure, but for looking whether a local folder exists.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from fleetui.model.errors import GitAuthenticationError, GitError, NotARepositoryError, RepositoryUnreachableError
from fleetui.model.text import masked, one_line

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_SCP = re.compile(r"[^\s/:@-][^\s/:@]*@[^\s/:-][^\s/:]*:(?!:)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_LONGEST_REASON = 300

_AUTHENTICATION = (
    "authentication failed",
    "could not read username",
    "could not read password",
    "permission denied",
    "returned error: 401",
    "returned error: 403",
    "returned error: 407",
    "access denied",
    "invalid credentials",
    "host key verification failed",
)
_NOT_A_REPOSITORY = (
    "does not appear to be a git repository",
    "not a git repository",
    "repository not found",
    "is this a git repository",
    "returned error: 404",
    "returned error: 410",
)
_REJECTED = (
    "[rejected]",
    "[remote rejected]",
    "non-fast-forward",
)
_REDIRECTED = re.compile(r"returned error: 30[12378]\b")
_UNREACHABLE = (
    "could not resolve",
    "failed to connect",
    "couldn't connect",
    "unable to connect",
    "unable to look up",
    "connection refused",
    "connection reset",
    "connection timed out",
    "connection closed",
    "operation timed out",
    "operation too slow",
    "network is unreachable",
    "no route to host",
    "ssl certificate",
    "certificate verification failed",
    "tls connection",
    "ssl connection",
    "gnutls",
    "early eof",
    "hung up unexpectedly",
    "empty reply",
    "remote end closed",
    "returned error: 429",
    "returned error: 5",
)


class RedirectedError(GitError):
    """The host sends elsewhere whoever asks; git was told not to follow, since it would take the login along."""


@dataclass(frozen=True)
class Remote:
    """One repository's address; `shown` is free of credentials, and `url` is what git is given, free of them too."""

    url: str
    shown: str
    folder: Path | None = None
    authorization: str = field(default="", repr=False)
    """The value of the Authorization header for the credentials of an HTTP address; empty where it has none."""
    base: str = ""
    """Scheme and host of an HTTP address, as ``https://host/``; empty for others."""

    @classmethod
    def parse(cls, text: str) -> Remote:
        """Takes an address apart: an absolute path, file, http, https, ssh or git URL, or ``user@host:path``.

        Raises:
            GitError: it is none of these.
        """
        text = text.strip()
        if not text:
            raise GitError("the source names no repository", "set spec.source.repoURL")
        if _CONTROL.search(text) is None:
            scheme = _SCHEME.match(text)
            if scheme is not None:
                return cls._of_scheme(scheme[1].lower(), text)
            if text.startswith("/"):
                return cls(url=text, shown=text, folder=Path(text))
            if _SCP.match(text):
                return cls(url=text, shown=text)
        raise GitError(f"{one_line(masked(text))!r} is no address of a Git repository", _FORMS, url=masked(text))

    @classmethod
    def _of_scheme(cls, scheme: str, text: str) -> Remote:
        if scheme == "file":
            return cls(url=text, shown=text, folder=_folder(text))
        if scheme in ("http", "https"):
            return cls._of_http(text)
        if scheme in ("ssh", "git+ssh", "ssh+git", "git"):
            return cls(url=text, shown=masked(text))
        raise GitError(f"repositories over {scheme}:// are not supported: {masked(text)}", _FORMS, url=masked(text))

    @classmethod
    def _of_http(cls, text: str) -> Remote:
        head, _, rest = text.partition("://")
        host, slash, path = rest.partition("/")
        userinfo, at, host = host.rpartition("@")
        url, base = f"{head}://{host}{slash}{path}", f"{head}://{host}/"
        if not at:
            return cls(url=url, shown=url, base=base)
        user, _, password = userinfo.partition(":")
        token = base64.b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode()
        return cls(url=url, shown=masked(text), authorization=f"Basic {token}", base=base)


_FORMS = "write it like https://host/team/repository.git, git@host:team/repository.git or file:///folder"


_HUB_HINT = "check the repository Secret and the known hosts of the hub"


def _folder(url: str) -> Path | None:
    parts = urlsplit(url)
    return Path(unquote(parts.path)) if parts.netloc in ("", "localhost") else None


def explain(stderr: str, remote: Remote, *, by_hub: bool = False) -> GitError:
    """What went wrong between git and a remote, by what git printed (in English: the caller sets ``LC_ALL=C``).

    `by_hub`: the login was that of a hub's Secret. A `GitError` of no sub-class is a failure that is not known to be
    the remote's.
    """
    said = stderr.lower()
    reason, url = _reason(stderr), remote.shown
    if "dubious ownership" in said:
        hint = "run fleetui as the folder's owner, or change its owner"
        return GitAuthenticationError(f"the repository {url} belongs to another user of this machine", hint, url=url)
    if remote.folder is not None and not remote.folder.exists():
        hint = "check the path"
        return RepositoryUnreachableError(f"the repository {url} can't be reached: no such folder", hint, url=url)
    if _REDIRECTED.search(said):
        hint = "name the address that it leads to in spec.source.repoURL"
        return RedirectedError(f"the repository {url} is elsewhere: {reason}", hint, url=url)
    if any(words in said for words in _REJECTED):
        hint = "somebody pushed before, or the branch is protected: ask again, or make a pull request"
        return GitError(f"the repository {url} does not take the push: {_rejection(stderr) or reason}", hint, url=url)
    if any(words in said for words in _AUTHENTICATION):
        hint = _HUB_HINT if by_hub else _authentication_hint(said, remote)
        return GitAuthenticationError(f"the repository {url} refused the login: {reason}", hint, url=url)
    if any(words in said for words in _NOT_A_REPOSITORY) or _not_found(said):
        hint = "check the address; some hosts say so where the credentials don't suffice"
        return NotARepositoryError(f"there is no Git repository at {url}: {reason}", hint, url=url)
    if any(words in said for words in _UNREACHABLE):
        hint = "check the address and the network"
        return RepositoryUnreachableError(f"the repository {url} can't be reached: {reason}", hint, url=url)
    return GitError(f"the repository {url} can't be read: {reason}", url=url)


def _not_found(said: str) -> bool:
    return "fatal: repository '" in said and "' not found" in said


def _authentication_hint(said: str, remote: Remote) -> str:
    if "host key verification failed" in said:
        return "connect to the host once with ssh, so that its key is known"
    if remote.folder is not None:
        return "check the folder's permissions"
    if remote.url.startswith("http"):
        return "put the credentials of this host in ~/.netrc"
    return "load the key that the repository knows into your ssh-agent"


def _rejection(stderr: str) -> str:
    """Why a push was rejected: in git's words, and in those of the host's hook."""
    rejected = re.search(r"rejected\] .*\((.*)\)", stderr)
    remote = (line.removeprefix("remote:").strip() for line in stderr.splitlines() if line.startswith("remote:"))
    words = [rejected[1] if rejected else "", next(filter(None, remote), "")]
    return one_line(masked(": ".join(filter(None, words))))[:_LONGEST_REASON]


def _reason(stderr: str) -> str:
    """The line of git's output that says most, masked and made harmless."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    telling = [line for line in lines if line.lower().startswith(("fatal:", "error:", "ssh:", "remote: error"))]
    best = next((line for line in telling or lines if "could not read from remote" not in line.lower()), "")
    best = re.sub(r"^(fatal|error|remote): *", "", best, flags=re.IGNORECASE)
    return one_line(masked(best))[:_LONGEST_REASON] or "git gave no reason"
