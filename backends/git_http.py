"""Requests about a Git repository that are not Git's own: where its host redirects to, and GitHub's interface.

Owns: `opener` and `location`. Blocking: called by `backends.git_login` and `backends.github_app` on executor threads.
No redirect is ever followed here: what proves who asks goes to the host that was named, and to no other.
"""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from backends.git_remote import Remote
from backends.git_url import host_of
from backends.repository_access import RepositoryAccess
from fleetui.model.errors import GitAuthenticationError, NotARepositoryError, RepositoryUnreachableError
from fleetui.model.text import masked, one_line

TIMEOUT = 15.0
"""Seconds for one request."""
_ASKED = "/info/refs?service=git-upload-pack"
"""What git asks an HTTP host first (gitprotocol-http(5))."""


def opener(
    access: RepositoryAccess, url: str, *, certificate: Path | None = None, certificate_key: Path | None = None
) -> urllib.request.OpenerDirector:
    """Opens `url` and its neighbours with the certificates and the proxy of a login.

    Args:
        certificate, certificate_key: files with the client certificate that the host wants.

    Raises:
        GitAuthenticationError: a certificate can't be used.
    """
    context = ssl.create_default_context()
    try:
        if access.certificate_authority and host_of(url) == host_of(access.url):
            context.load_verify_locations(cadata=access.certificate_authority)
        if certificate is not None and certificate_key is not None:
            # An empty password, or OpenSSL would ask for one on the terminal that the console owns.
            context.load_cert_chain(certificate, certificate_key, password="")
    except (ssl.SSLError, ValueError) as error:
        shown = masked(access.url)
        message = f"the certificates for {shown} can't be used: {one_line(str(error))[:200]}"
        raise GitAuthenticationError(message, "check the repository Secret of the hub", url=shown) from error
    if access.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    handlers: list[urllib.request.BaseHandler] = [_NoRedirect(), urllib.request.HTTPSHandler(context=context)]
    if access.proxy:
        ways = {} if _bypassed(host_of(url), access.no_proxy) else dict.fromkeys(("http", "https"), access.proxy)
        handlers.append(urllib.request.ProxyHandler(ways))
    return urllib.request.build_opener(*handlers)


def location(
    remote: Remote,
    access: RepositoryAccess,
    authorization: str,
    *,
    certificate: Path | None = None,
    certificate_key: Path | None = None,
) -> str:
    """The repository's address that an HTTP host redirects to; empty where it redirects to none. Blocks.

    Args:
        authorization: the header's value; empty for none.

    Raises:
        GitError: it does not answer, or redirects to something other than a repository.
    """
    headers = {"User-Agent": "git/fleetui"} | ({"Authorization": authorization} if authorization else {})
    asked = remote.url.rstrip("/") + _ASKED
    try:
        request = urllib.request.Request(asked, headers=headers)
        opened = opener(access, remote.url, certificate=certificate, certificate_key=certificate_key)
        opened.open(request, timeout=TIMEOUT).close()
        return ""
    except urllib.error.HTTPError as error:
        with error:
            target = error.headers.get("Location", "") if 300 <= error.code < 400 else ""
    except (OSError, ValueError) as error:
        reason = one_line(str(getattr(error, "reason", error)))[:200]
        message = f"the repository {remote.shown} can't be reached: {reason}"
        raise RepositoryUnreachableError(message, "check the address and the network", url=remote.shown) from error
    if not target:
        return ""
    try:
        found = urljoin(asked, target)
    except ValueError:
        found = target
    if not found.endswith(_ASKED):
        # As git: whoever leads to a page to log in at names no repository (`update_url_from_redirect` in http.c).
        message = f"there is no Git repository at {remote.shown}: it redirects to {one_line(masked(found))[:200]}"
        hint = "check the address; some hosts do so where the login does not suffice"
        raise NotARepositoryError(message, hint, url=remote.shown)
    return found.removesuffix(_ASKED)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    # The handler's own would read the new address first, and leave the connection open where it is none.
    def http_error_302(self, *_: Any, **__: Any) -> Any:
        return None

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


def _bypassed(host: str, no_proxy: str) -> bool:
    """Whether a host is named in a list such as ``localhost,.example.org``, as curl reads it."""
    names = [name.strip().lstrip(".").lower() for name in no_proxy.split(",") if name.strip()]
    return any(name == "*" or host == name or host.endswith(f".{name}") for name in names)
