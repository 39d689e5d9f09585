"""Which API server a context leads to.

Owns: `identity_of`. Pure; called by the command line and by the readers of hubs' Secrets.
"""

from __future__ import annotations

from backends.kube.context import ContextConfig
from fleetui.model.servers import ServerIdentity, normalized


def identity_of(config: ContextConfig) -> ServerIdentity:
    """The identity of the server of `config`, by which two ways to reach it are known as one.

    A context that can't be used leads nowhere, and is the same as no other.
    """
    plugin = (config.exec.command, *config.exec.args) if config.exec is not None else ()
    return ServerIdentity(
        normalized(config.server) or f"context {config.name}", config.proxy_url, config.tls_server_name, plugin
    )
