"""Git repositories for tests, made with git itself, and a small web server that hands them out.

Owns: `Source`, `WebServer` and `files_of`. Called by the tests of `backends.git`.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import shutil
import ssl
import subprocess
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from fleetui.gitports import Repository
from tests.waiting import wait_until

_ENV = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_SYSTEM": "/dev/null",
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_COMMITTER_NAME": "Ben",
    "GIT_COMMITTER_EMAIL": "ben@example.org",
    "GIT_ALLOW_PROTOCOL": "file",
}


async def files_of(repository: Repository, sha: str, path: str = "") -> dict[str, bytes]:
    """Every file below a folder of a commit, with its content."""
    tree = await repository.tree(sha)
    return await asyncio.to_thread(lambda: dict(tree.files(path)))


class Source:
    """A repository with a working tree, as a developer has it."""

    def __init__(self, path: Path, *, object_format: str = "sha1") -> None:
        self.path = path
        path.mkdir(parents=True)
        self.git("init", "-q", "-b", "main", f"--object-format={object_format}", ".")

    @property
    def url(self) -> str:
        return self.path.as_uri()

    def git(self, *arguments: str | bytes, **env: str) -> str:
        """The output of a git command in the repository."""
        command: list[Any] = ["git", *arguments]
        done = subprocess.run(command, cwd=self.path, env=_ENV | env, capture_output=True, check=True)
        return done.stdout.decode(errors="replace").strip()

    def write(self, **files: str) -> None:
        """Files by path, with ``__`` for a slash and ``_`` for the dot before ``yaml``."""
        for name, text in files.items():
            self.put(name.replace("__", "/").replace("_yaml", ".yaml"), text.encode())

    def put(self, name: str, content: bytes) -> None:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def commit(self, message: str = "a change", **env: str) -> str:
        """Commits the working tree; returns the SHA."""
        self.git("add", "--all")
        self.git("commit", "-q", "--allow-empty", "-m", message, **env)
        return self.git("rev-parse", "HEAD")

    def publish(self, folder: Path) -> None:
        """Copies the repository to where a plain web server can hand it out (git's dumb HTTP protocol)."""
        self.git("gc", "-q")
        self.git("update-server-info")
        fresh = folder.with_name(f"{folder.name}.fresh")
        shutil.copytree(self.path / ".git", fresh)
        shutil.rmtree(folder, ignore_errors=True)
        fresh.rename(folder)


class WebServer:
    """Serves a folder on a port of this machine.

    `status` answers every request with that status; `login` asks for ``user:password`` and `bearer` for a token; what
    contains `stuck` is not answered until that is taken away or the server ends; `requests` are the paths asked for.
    `moved` are first parts of paths that are redirected, and where to; `logins` the Authorization of each request.
    With `tls`, a context of this server's, it speaks https.
    """

    def __init__(self, folder: Path, *, port: int = 0, login: str = "", tls: ssl.SSLContext | None = None) -> None:
        folder.mkdir(exist_ok=True)
        self.status = 0
        self.login = login
        self.bearer = ""
        self.scheme = "https" if tls else "http"
        self.stuck = ""
        self.requests: list[str] = []
        self.logins: list[str | None] = []
        self.moved: dict[str, str] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", port), partial(_Handler, self, str(folder)))
        self._server.daemon_threads = True
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    @property
    def port(self) -> int:
        return self._server.server_port

    def url(self, name: str, login: str = "") -> str:
        return f"{self.scheme}://{login}{'@' if login else ''}127.0.0.1:{self.port}/{name}"

    @property
    def expected(self) -> str:
        """The Authorization that a request must carry."""
        if self.bearer:
            return f"Bearer {self.bearer}"
        return "Basic " + base64.b64encode(self.login.encode()).decode() if self.login else ""

    def close(self) -> None:
        self.stuck = ""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Handler(SimpleHTTPRequestHandler):
    def __init__(self, owner: WebServer, folder: str, *rest: Any) -> None:
        self._owner = owner
        super().__init__(*rest, directory=folder)

    def handle(self) -> None:
        # A client that does not trust this server ends the handshake, which is no failure of the test.
        with contextlib.suppress(ssl.SSLError, ConnectionError):
            super().handle()

    def do_GET(self) -> None:
        self._owner.requests.append(self.path)
        self._owner.logins.append(self.headers.get("Authorization"))
        first, _, rest = self.path.lstrip("/").partition("/")
        wait_until(lambda: not self._owner.stuck or self._owner.stuck not in self.path, 60, "the server answers again")
        if self._owner.expected and self.headers.get("Authorization") != self._owner.expected:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.end_headers()
        elif first in self._owner.moved:
            self.send_response(302)
            where = self._owner.moved[first]
            self.send_header("Location", where if "?" in where else f"{where}/{rest}")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif self._owner.status:
            self.send_error(self._owner.status)
        else:
            with contextlib.suppress(ConnectionError):
                super().do_GET()

    def log_message(self, *args: Any) -> None:
        pass
