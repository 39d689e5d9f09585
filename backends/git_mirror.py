"""One bare mirror of a repository on disk.

Owns: `Mirror`: made, fetched, and made anew where it is broken, under a lock between processes; and `Refs`, what it
holds. Blocking: called by `backends.git_repository` on executor threads, one writer at a time. A mirror appears by a
rename, so a half-made one is never seen; what a killed process leaves behind is swept by the next.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from backends.git_login import Led, Login, led_to, prepared
from backends.git_process import GitTimeoutError, Processes, Result, make_folder
from backends.git_remote import RedirectedError, Remote, explain
from backends.github_app import InstallationTokens
from backends.repository_access import RepositoryAccess
from fleetui.model.errors import (
    GitAuthenticationError,
    GitError,
    NotARepositoryError,
    RepositoryUnreachableError,
)

HEAD = "refs/fleetui/HEAD"
"""Where a mirror keeps the commit of the remote's HEAD, which may lie on no branch."""

_FETCHED = ("refs/heads/*", "refs/tags/*")
_FULL = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_REF_FORMAT = "%(refname)%00%(objectname)%00%(objecttype)%00%(*objectname)%00%(*objecttype)"
_TEMPORARY = ("new", "old")
_LOCK_POLL = 0.05


class BrokenMirrorError(Exception):
    """What the mirror should hold can't be read from it; a fresh mirror may help."""


@dataclass(frozen=True)
class Timeouts:
    """Seconds that git may take."""

    ask: float = 30.0
    """To list a remote's references."""
    fetch: float = 300.0
    """To fetch, or to make the mirror; also the longest wait for another process that does."""
    read: float = 60.0
    """To read the mirror."""


@dataclass(frozen=True)
class Refs:
    """The references of a mirror: full name to commit (annotated tags peeled), ``HEAD`` among them."""

    commits: Mapping[str, str]
    advertised: bytes = field(default=b"", repr=False)
    """What the remote said, as it said it: while it says the same, there is nothing to fetch."""


class Mirror:
    """The mirror of `remote` at `path`, which need not exist yet.

    Args:
        access: the login that a hub names now, asked for before each process that needs one.
        tokens: those of GitHub Apps.
    """

    def __init__(
        self,
        path: Path,
        remote: Remote,
        processes: Processes,
        *,
        timeouts: Timeouts,
        access: Callable[[], RepositoryAccess | None] = lambda: None,
        tokens: InstallationTokens | None = None,
    ) -> None:
        self.path = path
        self.remote = remote
        self._spellings = [remote]
        self._led: dict[str, Led] = {}
        self._processes = processes
        self._timeouts = timeouts
        self._access = access
        self._tokens = tokens or InstallationTokens()
        self._swept = False

    def also(self, remote: Remote) -> None:
        """Names another way to write the address: where one is no repository (a host that wants ``.git``), the next is
        tried, so that no application suffers from how another one writes it."""
        if all(remote.url != known.url for known in self._spellings):
            self._spellings.append(remote)

    def exists(self) -> bool:
        return (self.path / "HEAD").is_file() and (self.path / "objects").is_dir() and (self.path / "refs").is_dir()

    # --- writing --------------------------------------------------------------------------------------------------

    def refresh(self, known: Refs | None, wanted: Sequence[str] = ()) -> Refs:
        """Asks the remote what it has, fetches what changed since `known`, and returns what the mirror now holds.

        `wanted`: full names of references beside branches and tags (such as a pull request's).

        Raises:
            GitError: unreachable, not authenticated, not a repository.
        """
        advertised = self._ask(wanted)
        if known is not None and known.advertised == advertised and self.exists():
            return known
        with self._locked() as lock:
            if self.exists():
                self._fetch_or_make_anew(_refspecs(advertised, wanted), advertised, lock=lock)
            else:
                self._make(_refspecs(advertised, wanted), advertised, lock=lock)
            return self._held(advertised)

    def fetch_commit(self, sha: str) -> None:
        """Fetches one commit that no reference leads to; quietly in vain where the remote doesn't give it."""
        with self._locked() as lock, suppress(GitError):
            self._fetch(self.path, [sha], lock=lock)

    def make_anew(self, wanted: Sequence[str] = ()) -> Refs:
        """Replaces a broken mirror.

        Raises:
            GitError: as `refresh`; the broken mirror is kept then.
        """
        advertised = self._ask(wanted)
        with self._locked() as lock:
            self._make(_refspecs(advertised, wanted), advertised, lock=lock)
            return self._held(advertised)

    def _fetch_or_make_anew(self, refspecs: Sequence[str], advertised: bytes, *, lock: int) -> None:
        try:
            self._fetch(self.path, [*refspecs], lock=lock, prune=True)
        except (RepositoryUnreachableError, GitAuthenticationError):
            raise
        except GitError:
            # The remote has just listed its references, so the mirror itself may be what is damaged.
            self._make(refspecs, advertised, lock=lock)
        with suppress(GitTimeoutError):
            collect = [f"--git-dir={self.path}", "gc", "--auto", "--quiet"]
            self._processes.run(collect, held=[lock], timeout=self._timeouts.fetch)

    def _make(self, refspecs: Sequence[str], advertised: bytes, *, lock: int) -> None:
        fresh, old = (self.path.with_name(f"{self.path.name}.{word}-{secrets.token_hex(4)}") for word in _TEMPORARY)
        kind = "sha256" if len(advertised.split(b"\t", 1)[0]) == 64 else "sha1"
        try:
            init: list[str | Path] = ["init", "--bare", "--quiet", "--template=", f"--object-format={kind}", fresh]
            self._run(init, held=[lock], timeout=self._timeouts.read)
            self._fetch(fresh, refspecs, lock=lock)
            with suppress(FileNotFoundError):
                self.path.rename(old)
            fresh.rename(self.path)
        except OSError as error:
            message = f"the mirror of {self.remote.shown} can't be written: {error.strerror}"
            raise GitError(message, f"check the folder {self.path.parent}", url=self.remote.shown) from error
        finally:
            shutil.rmtree(old, ignore_errors=True)
            shutil.rmtree(fresh, ignore_errors=True)

    def _ask(self, wanted: Sequence[str]) -> bytes:
        make_folder(self.path.parent)
        for spelling in (known := list(self._spellings)):
            try:
                answer = self._ask_at(spelling, wanted)
            except NotARepositoryError:
                if spelling is known[-1]:
                    raise
            else:
                break
        if self._spellings[0] is not spelling:
            # The one that is right is tried first from now on.
            self._spellings = [spelling, *(each for each in self._spellings if each is not spelling)]
        return answer

    def _ask_at(self, remote: Remote, wanted: Sequence[str]) -> bytes:
        self.remote = remote
        command = ["ls-remote", "--", remote.url, "HEAD", *_FETCHED, *wanted]
        try:
            return self._run_with_login(command, timeout=self._timeouts.ask)
        except GitError as error:
            # Where it once led may be gone; where nothing is known, only a redirect is worth a second look.
            if self._led.pop(remote.url, None) is None and not isinstance(error, RedirectedError):
                raise
        led = led_to(remote, self._access(), self._tokens)
        if led.remote is not remote:
            self._led[remote.url] = led
        return self._run_with_login(command, timeout=self._timeouts.ask)

    def _fetch(self, mirror: Path, refspecs: Sequence[str], *, lock: int, prune: bool = False) -> None:
        options = ["--quiet", "--force", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance"]
        access = self._access()
        if access is not None and access.depth > 0:
            options.append(f"--depth={access.depth}")
        elif (mirror / "shallow").exists():
            options.append("--unshallow")
        arguments = [f"--git-dir={mirror}", "fetch", *options, *["--prune"] * prune, "--", self.remote.url, *refspecs]
        self._run_with_login(arguments, held=[lock], timeout=self._timeouts.fetch)

    def _run_with_login(self, arguments: Sequence[str | Path], *, held: Sequence[int] = (), timeout: float) -> bytes:
        access = self._access()
        with prepared(self.remote, access, self._tokens, self._led.get(self.remote.url)) as login:
            return self._run(arguments, login=login, by_hub=access is not None, held=held, timeout=timeout)

    def _run(
        self,
        arguments: Sequence[str | Path],
        *,
        login: Login | None = None,
        by_hub: bool = False,
        held: Sequence[int] = (),
        timeout: float,
    ) -> bytes:
        login = login or Login()
        try:
            result = self._processes.run(
                arguments, config=login.config, variables=login.environment, held=held, timeout=timeout
            )
        except GitTimeoutError as error:
            message, hint = f"the repository {self.remote.shown} can't be reached: {error}", "check the network"
            raise RepositoryUnreachableError(message, hint, url=self.remote.shown) from error
        if result.code != 0:
            raise explain(result.stderr, self.remote, by_hub=by_hub)
        return result.stdout

    # --- the lock between processes -------------------------------------------------------------------------------

    @contextmanager
    def _locked(self) -> Iterator[int]:
        """Keeps other writers out, and yields the descriptor for git processes to hold: one that outlives a killed
        fleetui still keeps others out."""
        make_folder(self.path.parent)
        fd = os.open(self.path.with_name(f"{self.path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._take(fd)
            self._sweep()
            yield fd
        finally:
            os.close(fd)

    def _take(self, fd: int) -> None:
        deadline = time.monotonic() + self._timeouts.fetch
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline or self._processes.closed:
                    message = f"the mirror of {self.remote.shown} is held by another process"
                    raise GitError(message, f"end what holds {self.path}.lock", url=self.remote.shown) from None
                time.sleep(_LOCK_POLL)
            else:
                return

    def _sweep(self) -> None:
        """Removes what a killed process left: whoever holds the lock knows that nobody is at work."""
        if self._swept:
            return
        self._swept = True
        for word in _TEMPORARY:
            for path in self.path.parent.glob(f"{self.path.name}.{word}-*"):
                shutil.rmtree(path, ignore_errors=True)
        for path in self.path.rglob("*.lock"):
            path.unlink(missing_ok=True)

    # --- reading --------------------------------------------------------------------------------------------------

    def read(self, *arguments: str | Path, stdin: bytes = b"") -> bytes:
        """The output of a git command on the mirror that must succeed.

        Raises:
            BrokenMirrorError: it did not.
        """
        result = self._git(*arguments, stdin=stdin, timeout=self._timeouts.read)
        if result.code != 0:
            raise BrokenMirrorError(result.stderr.strip() or f"git {arguments[0]} failed")
        return result.stdout

    def settings_in(self, blob: str) -> dict[str, str] | None:
        """What a file in git's own format of settings says (``.gitmodules``), key to value; None where it is in no such
        format.

        Raises:
            BrokenMirrorError: the mirror can't be read.
        """
        self.read("cat-file", "-e", blob)
        result = self._git("config", f"--blob={blob}", "--no-includes", "-z", "--list", timeout=self._timeouts.read)
        if result.code != 0:
            return None
        pairs = (item.partition("\n") for item in result.stdout.decode(errors="replace").split("\0") if item)
        return {key: value for key, _, value in pairs}

    def write(self, *arguments: str, stdin: bytes = b"", config: Sequence[tuple[str, str]] = ()) -> bytes:
        """The output of a git command that adds objects to the mirror; they belong to nothing until they are pushed.

        Raises:
            BrokenMirrorError: it failed.
        """
        command = [f"--git-dir={self.path}", *arguments]
        result = self._processes.run(command, stdin=stdin, config=config, timeout=self._timeouts.read)
        if result.code != 0:
            raise BrokenMirrorError(result.stderr.strip() or f"git {arguments[0]} failed")
        return result.stdout

    def ask(self, *arguments: str) -> bytes:
        """The output of ``git ls-remote``.

        Raises:
            GitError: the remote does not answer.
        """
        return self._run_with_login(["ls-remote", *arguments], timeout=self._timeouts.ask)

    def push(self, commit: str, branch: str, *, over: str | None = None) -> None:
        """Pushes a commit onto a branch that leads to its parent, as the user: what a hub's Secrets log in to is the
        hub's to read, and not for a person to write with.

        Args:
            over: the commit that the branch has now and need not lead on from (empty: there is no such branch yet).

        Raises:
            GitError: the remote does not take it: no permission, a protected branch, or a commit that came before.
        """
        name = f"refs/heads/{branch}"
        lease = [] if over is None else [f"--force-with-lease={name}:{over}"]
        command = [f"--git-dir={self.path}", "push", "--quiet", *lease, "--", self.remote.url, f"{commit}:{name}"]
        with prepared(self.remote, None, self._tokens, self._led.get(self.remote.url)) as login:
            self._run(command, login=login, timeout=self._timeouts.fetch)

    def commit_id(self, revision: str) -> str | None:
        """The full SHA of the commit that a full or abbreviated SHA names (through tags); None where there is none.

        `revision` must be hexadecimal: nothing else ever reaches git's own grammar of revisions.

        Raises:
            BrokenMirrorError: the mirror can't be read.
        """
        if not re.fullmatch(r"[0-9a-f]+", revision) or not self.exists():
            return None
        arguments = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        result = self._git(*arguments, timeout=self._timeouts.read)
        if result.code > 1:
            raise BrokenMirrorError(result.stderr.strip())
        found = result.stdout.decode().strip()
        return found if _FULL.fullmatch(found) else None

    def _git(self, *arguments: str | Path, stdin: bytes = b"", timeout: float) -> Result:
        try:
            return self._processes.run([f"--git-dir={self.path}", *arguments], stdin=stdin, timeout=timeout)
        except GitTimeoutError as error:
            message = f"the mirror of {self.remote.shown} can't be read: {error}"
            raise GitError(message, f"is the disk of {self.path.parent} overloaded?", url=self.remote.shown) from error

    def _held(self, advertised: bytes) -> Refs:
        commits: dict[str, str] = {}
        for line in self.read("for-each-ref", f"--format={_REF_FORMAT}").decode(errors="backslashreplace").splitlines():
            name, oid, kind, peeled, peeled_kind = line.split("\0")
            commit = oid if kind == "commit" else peeled if peeled_kind == "commit" else self.commit_id(oid)
            if commit:
                commits[name] = commit
        head = commits.pop(HEAD, None)
        if head and _advertises(advertised, b"HEAD"):
            commits["HEAD"] = head
        return Refs(commits, advertised)


def _advertises(advertised: bytes, name: bytes) -> bool:
    return any(line.endswith(b"\t" + name) for line in advertised.splitlines())


def _refspecs(advertised: bytes, wanted: Sequence[str]) -> list[str]:
    """What to fetch; HEAD and single references only where the remote has them, because git fails on absent ones."""
    specs = [f"+{pattern}:{pattern}" for pattern in _FETCHED]
    if _advertises(advertised, b"HEAD"):
        specs.append(f"+HEAD:{HEAD}")
    return specs + [f"+{name}:{name}" for name in wanted if _advertises(advertised, name.encode())]
