"""When two ways to reach an API server lead to the same one.

Owns: `ServerIdentity`. Pure data; made in `backends`, compared in `fleetui.fleet`.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import msgspec

_PORTS = {"http": 80, "https": 443}


def normalized(url: str) -> str:
    """A server's URL in one spelling: scheme and host in lower case, the port always there, no trailing slash.

    What is no URL comes back without trailing slashes.
    """
    text = url.strip().rstrip("/")
    try:
        parts = urlsplit(text)
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return text
    if not parts.hostname or port is None:
        return text
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname.rstrip(".")
    return f"{parts.scheme}://{host}:{port}{parts.path.rstrip('/')}"


class ServerIdentity(msgspec.Struct, frozen=True):
    """What tells one API server from another before anybody has asked it.

    The same URL through another proxy, or under another TLS server name, may be another server. So it may with another
    login: access proxies such as Teleport have one URL for all clusters, and the plugin's arguments choose.
    """

    url: str
    proxy: str = ""
    tls_server_name: str = ""
    plugin: tuple[str, ...] = ()
    """The command and arguments of a credential plugin."""

    def __repr__(self) -> str:
        # A proxy's URL and a plugin's arguments may hold secrets.
        return f"ServerIdentity({self.url!r})"

    @classmethod
    def of(cls, url: str) -> ServerIdentity:
        """The identity of a server of which only the URL is known."""
        return cls(normalized(url))

    @property
    def way(self) -> tuple[str, str, str]:
        """What two identities of one server have in common."""
        return self.url, self.proxy, self.tls_server_name

    def same(self, other: ServerIdentity) -> bool:
        """Whether both lead to the same server, as far as this can be told without asking."""
        chooses = bool(self.plugin and other.plugin) and self.plugin[0] == other.plugin[0]
        return self.way == other.way and not (chooses and self.plugin != other.plugin)
