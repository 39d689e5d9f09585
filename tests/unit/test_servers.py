"""When two ways to reach an API server count as one."""

from __future__ import annotations

import pytest

from fleetui.model.servers import ServerIdentity, normalized

AWS = ("aws", "eks", "get-token", "--cluster-name", "a")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://API.Example.com", "https://api.example.com:443"),
        ("https://api.example.com:443/", "https://api.example.com:443"),
        ("HTTPS://api.example.com.:6443//", "https://api.example.com:6443"),
        ("http://10.0.0.1", "http://10.0.0.1:80"),
        ("https://rancher.example/k8s/clusters/C-1/", "https://rancher.example:443/k8s/clusters/C-1"),
        ("https://[FD00::1]", "https://[fd00::1]:443"),
        ("https://kubernetes.default.svc", "https://kubernetes.default.svc:443"),
        ("no url", "no url"),
        ("https://x:notaport/", "https://x:notaport"),
        ("", ""),
    ],
)
def test_a_url_has_one_spelling(url: str, expected: str) -> None:
    assert normalized(url) == expected
    assert normalized(expected) == expected


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (ServerIdentity("https://a:443"), True),
        (ServerIdentity("https://b:443"), False),
        (ServerIdentity("https://a:443", proxy="http://p"), False),
        (ServerIdentity("https://a:443", tls_server_name="b"), False),
        (ServerIdentity("https://a:443", plugin=AWS), True),
    ],
)
def test_the_url_the_proxy_and_the_tls_name_tell_servers_apart(other: ServerIdentity, same: bool) -> None:
    one = ServerIdentity.of("https://A/")
    assert one.same(other) is same
    assert other.same(one) is same


def test_where_the_plugin_s_arguments_choose_the_cluster_the_url_does_not_tell() -> None:
    """An access proxy has one URL for all clusters."""
    ways = [ServerIdentity("https://proxy:443", plugin=("tsh", "kube", name)) for name in ("a", "b")]
    assert not ways[0].same(ways[1])
    assert ways[0].same(ways[0])
    assert ways[0].same(ServerIdentity("https://proxy:443", plugin=AWS))
