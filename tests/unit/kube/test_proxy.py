"""Which proxy is taken: Go's rules (golang.org/x/net/http/httpproxy)."""

from __future__ import annotations

import pytest

from backends.kube.proxy import proxy_for

PROXY = "http://proxy:3128"


@pytest.mark.parametrize(
    ("server", "no_proxy", "proxied"),
    [
        ("https://api.example.com:6443", "", True),
        ("https://api.example.com:6443", "*", False),
        ("https://api.example.com:6443", "example.com", False),
        ("https://api.example.com:6443", ".example.com", False),
        ("https://example.com", ".example.com", True),
        ("https://api.example.com", "*.example.com", False),
        ("https://myexample.com", "example.com", True),
        ("https://api.example.com:6443", "api.example.com:6443", False),
        ("https://api.example.com:6443", "api.example.com:443", True),
        ("https://10.1.2.3:6443", "10.0.0.0/8", False),
        ("https://10.1.2.3:6443", "192.168.0.0/16, 10.1.2.3", False),
        ("https://10.1.2.3:6443", "10.1.2", True),
        ("https://[fd00::1]:6443", "fd00::/8", False),
        ("https://127.0.0.1:6443", "", False),
        ("https://localhost:6443", "", False),
    ],
)
def test_no_proxy(server: str, no_proxy: str, proxied: bool) -> None:
    assert proxy_for(server, {"HTTPS_PROXY": PROXY, "NO_PROXY": no_proxy}) == (PROXY if proxied else "")


def test_the_variable_of_the_scheme_counts_in_either_case() -> None:
    assert proxy_for("http://api", {"HTTPS_PROXY": PROXY}) == ""
    assert proxy_for("http://api", {"http_proxy": "proxy:3128"}) == PROXY
    assert proxy_for("https://api", {}) == ""
