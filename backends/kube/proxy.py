"""Which proxy a request to an API server goes through.

Owns: `proxy_for`, `proxy_problem`, `is_host` and `ProxyRefusedError`. Pure; called by `backends.kube.transport` and
`backends.kube.entries`. The rules of ``HTTPS_PROXY``, ``HTTP_PROXY`` and ``NO_PROXY`` are Go's
(golang.org/x/net/http/httpproxy), as kubectl has them: CIDR blocks count, loopback is never proxied. urllib's own rules
know neither.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from fleetui.model.text import one_line

PROXY_SCHEMES = ("http", "https", "socks5", "socks5h")
"""What a proxy's URL may begin with. kubectl knows socks5h in ``HTTPS_PROXY`` alone; either resolves names at the
proxy (Go net/http/transport.go)."""
_PORTS = {"http": 80, "https": 443}


class ProxyRefusedError(OSError):
    """A proxy that was reached and does not connect to the server; the text is its reason."""


def is_host(name: str) -> bool:
    """Whether a name can be looked up, or asked of a certificate; of others Python says so by a UnicodeError, much
    later."""
    try:
        name.encode("idna")
    except UnicodeError:
        return False
    return bool(name) and name.isprintable()


def proxy_problem(proxy: str) -> str:
    """Why a proxy's URL can't be used, without what may be secret in it; empty where it can."""
    try:
        url = urlsplit(proxy)
        fine = is_host(url.hostname or "") and (url.port is None or url.port > 0)
    except ValueError:
        return "is no URL such as http://proxy.example.com:3128"
    if not fine:
        return "is no URL such as http://proxy.example.com:3128"
    if url.scheme not in PROXY_SCHEMES:
        return f"asks for a proxy of the kind {one_line(url.scheme)}; supported are {', '.join(PROXY_SCHEMES)}"
    return ""


def proxy_for(server: str, env: Mapping[str, str]) -> str:
    """The proxy's URL for `server` (a URL) as the environment says it; empty for none."""
    url = urlsplit(server)
    proxy = _variable(env, f"{url.scheme}_proxy")
    if not proxy or _passed_by(url.hostname or "", url.port or _PORTS[url.scheme], _variable(env, "no_proxy")):
        return ""
    return proxy if "://" in proxy else f"http://{proxy}"


def _variable(env: Mapping[str, str], name: str) -> str:
    return env.get(name.upper()) or env.get(name) or ""


def _passed_by(host: str, port: int, no_proxy: str) -> bool:
    address = _address(host)
    if host == "localhost" or (address is not None and address.is_loopback):
        return True
    return any(_matches(rule.strip().lower(), host, port) for rule in no_proxy.split(",") if rule.strip())


def _matches(rule: str, host: str, port: int) -> bool:
    if rule == "*":
        return True
    address = _address(host)
    if "/" in rule:
        try:
            return address is not None and address in ipaddress.ip_network(rule, strict=False)
        except ValueError:
            return False
    name, colon, rule_port = rule.rpartition(":")
    if colon and rule_port.isdigit() and (":" not in name or name.endswith("]")):
        if int(rule_port) != port:
            return False
        rule = name
    if address is not None:
        return _address(rule.strip("[]")) == address
    rule = rule.removeprefix("*")
    return host.endswith(rule) if rule.startswith(".") else host == rule or host.endswith(f".{rule}")


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
