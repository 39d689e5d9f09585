"""The console in front of a scripted fleet, as a program: ``python -m tests.screens.run_console SCENARIO FILE``.

SCENARIO is small, hostile, many, wide, expired or shell. Writes into FILE how many frames had been painted and which
modules were loaded when the fleet was opened.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fleetui.runtime import Runtime
from screens.app import FleetApp


def main(scenario: str, noted: Path) -> int:
    frames: list[int] = []

    def note() -> None:
        loaded = sorted({name.partition(".")[0] for name in sys.modules})
        noted.write_text(f"{len(frames)}\n" + "\n".join(loaded), encoding="utf-8")

    async def start() -> object:
        note()
        fleet = scenarios()[scenario]()
        return await fleet.open()  # type: ignore[attr-defined]

    with Runtime() as runtime:
        app = FleetApp(start, runtime, contexts=("east",), now=lambda: 1_760_000_000.0)  # type: ignore[arg-type]
        app.post_display_hook = lambda: frames.append(1)  # type: ignore[method-assign]
        app.run()
    return app.return_code or 0


def scenarios() -> dict[str, Callable[[], object]]:
    import asyncio

    from fleetui.fleet.views import PodView, PodViews
    from fleetui.model.errors import RefusedError
    from fleetui.model.status import ClusterState
    from fleetui.podports import Output
    from tests.screens import fake_fleet, hostile

    def many() -> fake_fleet.FakeFleet:
        apps = (fake_fleet.app(f"app-{number:04}", "east") for number in range(1000))
        return fake_fleet.FakeFleet(*apps, clusters=(fake_fleet.status("east"),))

    class Expired(fake_fleet.FakeFleet):
        """Its logins talk to the terminal, as a plugin does, and fail."""

        async def login(self, cluster: str) -> None:
            from fleetui.model.errors import UnauthorizedError

            script = "trap '' INT; printf 'Password: ' >&2; read -r typed; printf %s \"$typed\""
            plugin = await asyncio.create_subprocess_exec("sh", "-c", script, stdout=asyncio.subprocess.PIPE)
            try:
                typed, _ = await plugin.communicate()
            finally:
                if plugin.returncode is None:
                    plugin.kill()
                    await plugin.wait()
            raise UnauthorizedError(f"{cluster}: {typed.decode()!r} is no password")

    def expired() -> fake_fleet.FakeFleet:
        return Expired(clusters=(fake_fleet.status("stage-1", ClusterState.UNAUTHORIZED, message="login expired"),))

    class Session:
        """A process that says what it is sent, byte by byte, and which size its terminal has, until it is sent a q."""

        exit_code = 0

        def __init__(self) -> None:
            self._said: asyncio.Queue[bytes | None] = asyncio.Queue()

        async def read(self) -> tuple[Output, bytes] | None:
            said = await self._said.get()
            return None if said is None else (Output.OUT, said)

        async def write(self, data: bytes) -> None:
            for byte in data:
                self._said.put_nowait(None if byte == ord("q") else f"<{byte:02x}>".encode())

        async def resize(self, columns: int, rows: int) -> None:
            self._said.put_nowait(f"size {columns}x{rows}\r\n".encode())

    class Shells(fake_fleet.FakeFleet):
        """A shell can be had once; after that it is forbidden."""

        @asynccontextmanager
        async def shell(self, pod: PodView, container: str, *, warn: Callable[[str], object]) -> AsyncIterator[Any]:
            self.shells.append((pod, container))
            if len(self.shells) > 1:
                raise RefusedError("prod: you may not create pods/exec of payments/web (RBAC)")
            yield Session()

    def shell() -> fake_fleet.FakeFleet:
        fleet = Shells(fake_fleet.app("payments", "prod"), clusters=(fake_fleet.status("prod"),))
        view = fake_fleet.pod_view("web", hub="prod")
        fleet.running[fake_fleet.key("payments", "prod"), None] = PodViews((view,))
        return fleet

    return {
        "shell": shell,
        "small": fake_fleet.small_fleet,
        "hostile": hostile.hostile_fleet,
        "many": many,
        "wide": fake_fleet.wide_fleet,
        "expired": expired,
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
