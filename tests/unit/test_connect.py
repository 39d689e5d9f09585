"""From contexts to clusters: each API server once."""

from __future__ import annotations

import pytest

from backends.kube.context import ContextConfig, ExecPlugin
from fleetui.cli.connect import one_way_each

VERSION = "client.authentication.k8s.io/v1"


def context(name: str, server: str = "https://a.example", plugin: tuple[str, ...] = (), **rest: str) -> ContextConfig:
    exec_plugin = ExecPlugin(plugin[0], VERSION, plugin[1:]) if plugin else None
    return ContextConfig(name, server, exec=exec_plugin, **rest)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("contexts", "current", "expected"),
    [
        ([context("a"), context("b", "https://b.example")], "a", {"a": (), "b": ()}),
        ([context("admin"), context("reader", "https://A.example:443")], "", {"admin": ("reader",)}),
        ([context("admin"), context("reader", "https://A.example:443")], "reader", {"reader": ("admin",)}),
        ([context("broken", ""), context("too", "")], "", {"broken": (), "too": ()}),
        ([context("a"), context("b", proxy_url="http://proxy")], "", {"a": (), "b": ()}),
        ([context("a"), context("b", tls_server_name="other")], "", {"a": (), "b": ()}),
        (
            [context("a", plugin=("tsh", "--cluster", "a")), context("b", plugin=("tsh", "--cluster", "b"))],
            "",
            {"a": (), "b": ()},
        ),
    ],
)
def test_contexts_that_lead_to_one_server_are_one(
    contexts: list[ContextConfig], current: str, expected: dict[str, tuple[str, ...]]
) -> None:
    assert one_way_each(contexts, current=current) == expected
