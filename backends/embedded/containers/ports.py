"""What answers on the ports of a container.

Owns: `answer`. Called by `backends.embedded.portforward` for each connection. A container with ``echo`` in its image's
name sends back what it is sent; every other one is a web server with one page.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from backends.embedded.containers.container import Container

_LONGEST_HEAD = 2**16
Read = Callable[[], Awaitable[bytes]]
Write = Callable[[bytes], Awaitable[None]]


async def answer(container: Container, port: int, read: Read, write: Write) -> None:
    """Serves one connection to its end; `read` returns empty bytes when the client has ended its half."""
    if "echo" in container.image:
        while data := await read():
            await write(data)
        return
    head = bytearray()
    while b"\r\n\r\n" not in head and len(head) <= _LONGEST_HEAD:
        data = await read()
        if not data:
            break
        head += data
    line = bytes(head).split(b"\r\n")[0].decode(errors="replace")
    method, _, rest = line.partition(" ")
    path, _, protocol = rest.partition(" ")
    if not protocol.startswith("HTTP/"):
        await write(_response("400 Bad Request", "this is a web server\n"))
        return
    where = f"{container.name} of pod {container.namespace}/{container.pod_name}, port {port}"
    body = f"{where}\n{container.image} is not there: fleetui's embedded cluster answers {method} {path}\n"
    await write(_response("200 OK", body, head_only=method == "HEAD"))


def _response(status: str, body: str, *, head_only: bool = False) -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(body.encode())}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + (b"" if head_only else body.encode())
