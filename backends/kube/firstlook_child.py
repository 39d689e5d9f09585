"""The other process of a first look: asks each target once and hands the answers back.

Owns: one GET a target, in a thread each. Started by path by `backends.kube.firstlook`, never imported by the program:
it runs on the standard library alone, without site packages, so that it is there in 0.03 s. A line of JSON on stdin
says what to ask, and stdin's end, which comes with the parent's, ends it. Answers go to stdout; nothing is printed.
"""

from __future__ import annotations

import json
import os
import socket
import ssl
import struct
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

HEAD = struct.Struct(">HBQ")
"""Before each answer: which target, how it went (see below), how many bytes follow."""
FAILED, PLAIN, GZIP = 0, 1, 2
TIMEOUT = 10.0
"""Seconds without a byte; whoever waits for the answer has given up by then."""


def main() -> None:
    targets = json.loads(sys.stdin.buffer.readline())
    answers = Answers(sys.stdout.fileno(), len(targets))
    for number, target in enumerate(targets):
        threading.Thread(target=look, args=(number, target, answers), daemon=True).start()
    sys.stdin.buffer.read()
    os._exit(0)


class Answers:
    """Writes one answer after the other; after the last one the process ends."""

    def __init__(self, file: int, awaited: int) -> None:
        self._file = file
        self._awaited = awaited
        self._lock = threading.Lock()

    def give(self, number: int, kind: int, body: bytes = b"") -> None:
        with self._lock:
            rest = memoryview(HEAD.pack(number, kind, len(body)) + body)
            while rest:
                rest = rest[os.write(self._file, rest) :]
            self._awaited -= 1
            if not self._awaited:
                os._exit(0)


def look(number: int, target: dict[str, Any], answers: Answers) -> None:
    # Whatever goes wrong here is found out again, and told, by the ordinary request.
    try:
        kind, body = ask(target)
    except Exception:
        kind, body = FAILED, b""
    try:
        answers.give(number, kind, body)
    except OSError:
        os._exit(1)


def ask(target: dict[str, Any]) -> tuple[int, bytes]:
    headers = dict(target["headers"])
    if target["token_file"]:
        with open(target["token_file"], encoding="utf-8") as file:  # noqa: PTH123 - pathlib is slow to import
            headers["Authorization"] = f"Bearer {file.read().strip()}"
    lines = [f"GET {target['path']} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    with connected(target) as link:
        link.sendall("\r\n".join(lines).encode("latin-1"))
        chunks = []
        while chunk := link.recv(262_144):
            chunks.append(chunk)
    return understood(b"".join(chunks))


def connected(target: dict[str, Any]) -> socket.socket:
    link = socket.create_connection((target["host"], target["port"]), timeout=TIMEOUT)
    tls = target["tls"]
    if tls is None:
        return link
    return trusting(tls).wrap_socket(link, server_hostname=tls["name"] or target["host"])


def understood(answer: bytes) -> tuple[int, bytes]:
    """The body of an HTTP/1.1 answer that ended with its connection; http.client would take 0.015 s to import.

    What is not whole, or not quite what was asked for, has failed.
    """
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    headers = {
        name.strip().lower(): value.strip().lower() for name, _, value in (line.partition(":") for line in lines)
    }
    kind = {"identity": PLAIN, "gzip": GZIP}.get(headers.get("content-encoding", "identity"), FAILED)
    if status.split()[1:2] != ["200"] or kind == FAILED:
        return FAILED, b""
    if headers.get("transfer-encoding") == "chunked":
        return kind, unchunked(body)
    return (kind, body) if headers.get("content-length") == str(len(body)) else (FAILED, b"")


def unchunked(body: bytes) -> bytes:
    """Raises ValueError where the last chunk is not there."""
    chunks: list[bytes] = []
    at = 0
    while True:
        end = body.index(b"\r\n", at)
        size = int(body[at:end].partition(b";")[0], 16)
        if size == 0:
            return b"".join(chunks)
        at = end + 2 + size + 2
        if at > len(body):
            raise ValueError("cut")
        chunks.append(body[end + 2 : at - 2])


def trusting(tls: dict[str, Any]) -> ssl.SSLContext:
    """The settings of `backends.kube.tls.ssl_context`, which says why they are so."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.set_alpn_protocols(["http/1.1"])
    if tls["insecure"]:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif tls["ca"]:
        context.load_verify_locations(cadata=tls["ca"])
    elif tls["ca_file"]:
        context.load_verify_locations(tls["ca_file"])
    else:
        context.load_default_certs()
    if tls["cert"]:
        with file_of(tls["cert"]) as cert, file_of(tls["key"]) as key:
            context.load_cert_chain(cert, key, password="")
    return context


@contextmanager
def file_of(pem: dict[str, str]) -> Iterator[str]:
    """`ssl` loads a key from a file only: data is lent one in memory, which is gone with this process at the latest."""
    if pem["file"]:
        yield pem["file"]
        return
    memory = os.memfd_create("pem")
    try:
        os.write(memory, pem["data"].encode())
        yield f"/proc/self/fd/{memory}"
    finally:
        os.close(memory)


if __name__ == "__main__":
    main()
