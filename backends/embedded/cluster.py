"""One embedded cluster: a store and the server in front of it.

Owns: `EmbeddedCluster`, and its two users. Controllers and content are given to its store from outside.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable

from backends.embedded.access import AUTHENTICATED, MASTERS, User
from backends.embedded.faults import FaultPlan, JumpingClock
from backends.embedded.server import EmbeddedServer
from backends.embedded.store import ObjectStore

ADMIN = User("kubernetes-admin", (MASTERS, AUTHENTICATED))
VIEWER = User("viewer", ("viewers", AUTHENTICATED))


class EmbeddedCluster:
    """A cluster by name, with the tokens of an administrator and of a viewer, who may do what roles let him do.

    Args:
        clock: seconds since the epoch.
        anonymous: whether requests without a token are answered, as the administrator's.
        seed: of its faults.
    """

    def __init__(
        self,
        name: str,
        *,
        port: int = 0,
        clock: Callable[[], float] = time.time,
        anonymous: bool = True,
        seed: int = 0,
    ) -> None:
        self.name = name
        self.token, self.viewer_token = secrets.token_hex(16), secrets.token_hex(16)
        self.tokens = {self.token: ADMIN, self.viewer_token: VIEWER}
        self.clock = JumpingClock(clock)
        self.faults = FaultPlan(seed, jump=self.clock.jump)
        self.store = ObjectStore(self.clock)
        self.server = EmbeddedServer(
            self.store,
            name=name,
            tokens=self.tokens,
            port=port,
            anonymous=anonymous,
            stranger=ADMIN,
            faults=self.faults,
        )

    @property
    def url(self) -> str:
        return self.server.url

    async def start(self) -> None:
        """Starts the server, again on the same port and data after a stop."""
        await self.server.start()

    async def stop(self) -> None:
        """Stops the server and drops its connections; the data stay."""
        await self.server.stop()
