"""Tokens of GitHub App installations.

Owns: `InstallationTokens`. Called by `backends.git_login` on executor threads. (Argo CD v3.6: util/git/creds.go,
`GitHubAppCreds`, with ghinstallation v2.) The app's own assertion is signed by the `openssl` program: nothing that is
installed with fleetui signs RSA, and hand-made signing has no place here.
"""

from __future__ import annotations

import base64
import json
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from backends.git_http import TIMEOUT, opener
from backends.git_url import host_of
from backends.repository_access import RepositoryAccess
from fleetui.model.errors import GitAuthenticationError, GitError, RepositoryUnreachableError, ToolMissingError
from fleetui.model.text import one_line

API = "https://api.github.com"
EARLY = 60.0
"""Seconds before its end at which a token is renewed."""
_PAGES = 50
_LARGEST = 4 * 1024 * 1024
_Key = tuple[int, int, str, str, str]


class InstallationTokens:
    """Tokens by app and installation, each asked for once until it ends.

    Args:
        now: seconds since the epoch.
    """

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._tokens: dict[_Key, tuple[str, float]] = {}
        self._locks: dict[_Key, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(
        self,
        access: RepositoryAccess,
        shown: str,
        *,
        key: Path,
        certificate: Path | None = None,
        certificate_key: Path | None = None,
    ) -> str:
        """The token for a repository; blocks.

        Args:
            shown: how messages name the repository.
            key: the file with the app's private key.
            certificate, certificate_key: files with the client certificate that the host wants.

        Raises:
            GitAuthenticationError: GitHub refuses the app.
            RepositoryUnreachableError: GitHub does not answer.
            ToolMissingError: there is no `openssl`.
        """
        owner = "" if access.app_installation_id else _owner(access.url)
        name = (access.app_id, access.app_installation_id, owner, access.app_base_url, access.app_private_key)
        with self._lock:
            lock = self._locks.setdefault(name, threading.Lock())
        with lock:
            token, until = self._tokens.get(name, ("", 0.0))
            if not token or self._now() > until - EARLY:
                api = _Api(access, shown, self._assertion(access, key, shown), certificate, certificate_key)
                token, until = api.token(owner)
                self._tokens[name] = token, until
        return token

    def _assertion(self, access: RepositoryAccess, key: Path, shown: str) -> str:
        """A JWT of the app (RFC 7519, RS256); half a minute old, for clocks that differ."""
        issued = int(self._now()) - 30
        claims = {"iat": issued, "exp": issued + 120, "iss": str(access.app_id)}
        body = ".".join(_base64(json.dumps(part).encode()) for part in ({"alg": "RS256", "typ": "JWT"}, claims))
        command = ["openssl", "dgst", "-sha256", "-binary", "-passin", "pass:", "-sign", str(key)]
        try:
            # Without a password and without a terminal, or openssl would ask for one where the console is.
            done = subprocess.run(
                command,
                input=body.encode(),
                capture_output=True,
                timeout=TIMEOUT,
                check=False,
                start_new_session=True,
            )
        except FileNotFoundError as error:
            message = f"the repository {shown} is logged in to as a GitHub App, which needs openssl"
            raise ToolMissingError(message, "install it, for example with: apt-get install openssl") from error
        except subprocess.TimeoutExpired as error:
            raise GitError(f"openssl did not sign for the GitHub App {access.app_id}", url=shown) from error
        if done.returncode != 0:
            message = (
                f"the repository {shown} can't be read: the private key of the GitHub App {access.app_id} is unusable"
            )
            raise GitAuthenticationError(
                message, "put the PEM file that GitHub gave into githubAppPrivateKey", url=shown
            )
        return f"{body}.{_base64(done.stdout)}"


class _Api:
    """GitHub's REST interface, as the app."""

    def __init__(
        self,
        access: RepositoryAccess,
        shown: str,
        assertion: str,
        certificate: Path | None,
        certificate_key: Path | None,
    ) -> None:
        self._access = access
        self._shown = shown
        self._base = access.app_base_url.rstrip("/") or API
        self._headers = {
            "Authorization": f"Bearer {assertion}",
            "Accept": "application/vnd.github+json",
            "User-Agent": "fleetui",
        }
        self._opener = opener(access, self._base, certificate=certificate, certificate_key=certificate_key)

    def token(self, owner: str) -> tuple[str, float]:
        """A new token, and when it ends, in seconds since the epoch."""
        installation = self._access.app_installation_id or self._installation(owner)
        answer = self._ask(f"/app/installations/{installation}/access_tokens", method="POST")
        try:
            return str(answer["token"]), datetime.fromisoformat(str(answer["expires_at"])).timestamp()
        except (KeyError, TypeError, ValueError) as error:
            raise self._failed("the answer names no token") from error

    def _installation(self, owner: str) -> int:
        """The installation at the account that owns the repository (`DiscoverGitHubAppInstallationID`)."""
        for page in range(1, _PAGES + 1):
            found = self._ask(f"/app/installations?per_page=100&page={page}")
            if not isinstance(found, list) or not found:
                break
            for each in filter(_is_installation, found):
                if str(each["account"].get("login")).lower() == owner.lower():
                    return int(each["id"])
        raise self._failed(f"it is not installed for {one_line(owner) or 'the owner'}")

    def _ask(self, path: str, method: str = "GET") -> Any:
        request = urllib.request.Request(self._base + path, method=method, headers=self._headers)
        if request.type not in ("http", "https"):
            raise self._failed("githubAppEnterpriseBaseUrl is no https address")
        try:
            with self._opener.open(request, timeout=TIMEOUT) as response:
                return json.loads(response.read(_LARGEST))
        except urllib.error.HTTPError as error:
            error.close()
            raise self._failed(
                f"{host_of(self._base)} answers {error.code} {one_line(str(error.reason))[:100]}"
            ) from error
        except (OSError, ValueError) as error:
            reason = one_line(str(getattr(error, "reason", error)))[:200]
            message = f"the repository {self._shown} can't be reached: no token from {host_of(self._base)}: {reason}"
            raise RepositoryUnreachableError(message, "check the address and the network", url=self._shown) from error

    def _failed(self, reason: str) -> GitAuthenticationError:
        message = f"the repository {self._shown} refused the login: the GitHub App {self._access.app_id}: {reason}"
        return GitAuthenticationError(message, "check the app's id, installation and key", url=self._shown)


def _is_installation(each: Any) -> bool:
    return isinstance(each, dict) and isinstance(each.get("account"), dict) and isinstance(each.get("id"), int)


def _owner(url: str) -> str:
    """The account in an address: the first part of its path (`ExtractOrgFromRepoURL`)."""
    rest = url.partition("://")[2]
    path = rest.partition("/")[2] if rest else url.partition(":")[2]
    return path.strip("/").partition("/")[0]


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
