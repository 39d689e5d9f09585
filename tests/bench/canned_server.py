"""An API server that costs nothing: one answer for every request, whatever it is. Started by `bench_apply`.

Prints the port that it listens on; ends with its parent's pipe.
"""

from __future__ import annotations

import asyncio
import json
import sys

_MANAGED = {
    "manager": "bench",
    "operation": "Apply",
    "apiVersion": "v1",
    "time": "2026-11-25T10:00:00Z",
    "fieldsType": "FieldsV1",
    "fieldsV1": {"f:data": {"f:settings.yaml": {}, "f:value": {}}, "f:metadata": {"f:labels": {"f:app": {}}}},
}
_OBJECT = {
    "kind": "ConfigMap",
    "apiVersion": "v1",
    "metadata": {
        "name": "settings",
        "namespace": "bench",
        "uid": "5b7a1f0e-9c1d-4f4e-8d65-3f1c1a2b9e77",
        "resourceVersion": "12345",
        "creationTimestamp": "2026-11-25T10:00:00Z",
        "labels": {"app": "settings"},
        "managedFields": [_MANAGED],
    },
    "data": {"settings.yaml": "level: info\nworkers: 4\n" * 8, "value": "a"},
}
_BODY = json.dumps(_OBJECT).encode()
_ANSWER = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(_BODY)}\r\n\r\n".encode() + _BODY


class _Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self._came = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._came += data
        while (end := self._came.find(b"\r\n\r\n")) >= 0:
            _, _, rest = self._came[:end].lower().partition(b"content-length:")
            whole = end + 4 + int(rest.partition(b"\r\n")[0] or 0)
            if len(self._came) < whole:
                return
            self._came = self._came[whole:]
            self._transport.write(_ANSWER)


async def main() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Connection, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
