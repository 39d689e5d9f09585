"""Repositories of charts for the tests: archives made on the fly, an HTTP repository and a registry that note what they
are asked.

Owns: `archive`, `ChartServer` and `RegistryServer`. What goes wrong is set on them.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import io
import json
import ssl
import tarfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from aiohttp import web

from backends.charts_oci import CHART_CONFIG, CHART_LAYER, MANIFEST

MAP = b"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}-{{ .Chart.Name }}\n"


def tarball(*members: tuple[tarfile.TarInfo, bytes], packed: bool = True) -> bytes:
    """A tar of exactly these members."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for info, content in members:
            if info.isreg():
                info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return gzip.compress(raw.getvalue(), mtime=0) if packed else raw.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def archive(name: str, version: str, files: Mapping[str, bytes] | None = None) -> bytes:
    """A chart's archive, with one ConfigMap unless `files` say more."""
    content = {
        "Chart.yaml": f"apiVersion: v2\nname: {name}\nversion: {version}\n".encode(),
        "templates/map.yaml": MAP,
        **(files or {}),
    }
    return tarball(*((member(f"{name}/{path}"), data) for path, data in content.items()))


class Server:
    """Answers `answers[path]`, else what `fallback` says, and notes each request and its headers."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.headers: list[Mapping[str, str]] = []
        self.answers: dict[str, Callable[[web.BaseRequest], web.StreamResponse]] = {}
        self.url = ""
        self.tls: ssl.SSLContext | None = None
        self.stuck = asyncio.Event()
        """Set to let requests for ``/slow`` end."""

    @property
    def host(self) -> str:
        return self.url.removeprefix("http://")

    def count(self, part: str) -> int:
        return sum(part in path for path in self.asked)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked.append(request.path_qs)
        self.headers.append(dict(request.headers))
        if request.path.endswith("/slow"):
            await self.stuck.wait()
        answer = self.answers.get(request.path)
        return answer(request) if answer else self.fallback(request)

    def fallback(self, request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=404)


class ChartServer(Server):
    """An HTTP repository; `user` is what it wants, if anything."""

    def __init__(self) -> None:
        super().__init__()
        self.archives: dict[str, bytes] = {}
        self.index = b""
        self.authorization = ""

    def put(self, name: str, *versions: str, address: str = "charts/") -> None:
        """Publishes versions of a chart, in the index and as archives."""
        lines = [f"  {name}:"]
        for version in versions:
            file = f"{name}-{version}.tgz"
            self.archives[f"/{file}"] = archive(name, version)
            digest = hashlib.sha256(self.archives[f"/{file}"]).hexdigest()
            lines += [f"  - version: {version}", f"    name: {name}", f"    digest: {digest}"]
            lines += ["    urls:", f"    - {address}{file}"]
        head = self.index.removesuffix(b"generated: now\n") or b"apiVersion: v1\nentries:\n"
        self.index = head + "\n".join(lines).encode() + b"\ngenerated: now\n"

    def fallback(self, request: web.BaseRequest) -> web.StreamResponse:
        if self.authorization and request.headers.get("Authorization") != self.authorization:
            return web.Response(status=401)
        if request.path == "/index.yaml":
            etag = f'"{hashlib.sha256(self.index).hexdigest()[:8]}"'
            if request.headers.get("If-None-Match") == etag:
                return web.Response(status=304)
            return web.Response(body=self.index, headers={"ETag": etag})
        content = self.archives.get(request.path.removeprefix("/charts"))
        return web.Response(status=404) if content is None else web.Response(body=content)


class RegistryServer(Server):
    """A registry; `token` is what it wants, which its own token service gives to `login` (an Authorization header)."""

    def __init__(self) -> None:
        super().__init__()
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[tuple[str, str], bytes] = {}
        self.tags: dict[str, list[str]] = {}
        self.token = ""
        self.login = ""
        self.page = 100

    def put(self, path: str, tag: str, layer: bytes, *, config: str = CHART_CONFIG, kind: str = CHART_LAYER) -> str:
        """Publishes an artifact; returns its digest."""
        digests = [self._blob(b"{}"), self._blob(layer)]
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": config, "digest": digests[0], "size": 2},
            "layers": [{"mediaType": kind, "digest": digests[1], "size": len(layer)}],
        }
        content = json.dumps(manifest).encode()
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        self.manifests[path, tag] = self.manifests[path, digest] = content
        self.tags.setdefault(path, []).append(tag)
        return digest

    def _blob(self, content: bytes) -> str:
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        self.blobs[digest] = content
        return digest

    def fallback(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/token":
            if self.login and request.headers.get("Authorization") != self.login:
                return web.Response(status=401)
            return web.json_response({"token": self.token})
        if self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
            challenge = f'Bearer realm="{self.url}/token",service="here",scope="repository:x:pull"'
            return web.Response(status=401, headers={"WWW-Authenticate": challenge})
        path, _, rest = request.path.removeprefix("/v2/").partition("/tags/")
        if rest == "list":
            return self._tags(request, path)
        path, _, reference = request.path.removeprefix("/v2/").partition("/manifests/")
        if content := self.manifests.get((path, reference)):
            return web.Response(body=content, headers={"Content-Type": MANIFEST})
        blob = self.blobs.get(request.path.rpartition("/blobs/")[2])
        return web.Response(status=404) if blob is None else web.Response(body=blob)

    def _tags(self, request: web.BaseRequest, path: str) -> web.StreamResponse:
        start = int(request.query.get("from", 0))
        tags = self.tags.get(path, [])[start : start + self.page]
        more = start + self.page < len(self.tags.get(path, []))
        link = {"Link": f'</v2/{path}/tags/list?from={start + self.page}>; rel="next"'} if more else {}
        return web.json_response({"name": path, "tags": tags}, headers=link)


@asynccontextmanager
async def serving(*servers: Server) -> AsyncIterator[None]:
    """Serves each at a port of its own of this machine."""
    runners = []
    for server in servers:
        runner = web.ServerRunner(web.Server(server.handle))
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server.tls)
        await site.start()
        runners.append(runner)
        host, port = runner.addresses[0][:2]
        server.url = f"{'https' if server.tls else 'http'}://{host}:{port}"
    try:
        yield
    finally:
        for server in servers:
            server.stuck.set()
        for runner in runners:
            await runner.cleanup()
