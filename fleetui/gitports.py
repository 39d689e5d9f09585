"""The Protocols about Git: repositories, commits onto them, and the hosts that have pull requests.

Owns: what the engine, the fleet and an image automation ask of a repository and of its host. Implemented in `backends`;
as in `fleetui.ports`, all runs on the engine's event loop and raises the errors of `fleetui.model.errors` alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from fleetui.model.change import Commit
from fleetui.ports import Subscription
from fleetui.renderports import Tree

Files = Mapping[str, bytes | None]
"""Files by their paths from the repository's root; None for one that there is not, or is to go."""


class Committer(Protocol):
    """A repository that takes commits of single files."""

    async def branch(self, revision: str) -> str:
        """The branch that `revision` names, which the remote is asked for (``HEAD``, or nothing: the default one).

        Raises:
            RefusedError: it is no branch.
        """
        ...

    async def commit_files(
        self,
        *,
        branch: str,
        paths: Sequence[str],
        change: Callable[[Files], Files],
        message: str,
        author: tuple[str, str],
        onto: str = "",
    ) -> str:
        """Pushes a commit in which some files are others, and returns it; where `change` changes nothing, the commit
        that `branch` is at.

        Args:
            branch: which it is based on (``HEAD``: the default one), and pushed onto where `onto` names no other.
            paths: the files that `change` is given.
            change: the files as they are to be; called again, with the files as they then are, where somebody else
                pushed meanwhile: what others push is never overwritten.
            author: name and email of an operator who has told Git neither.
            onto: a branch that is made, or made anew, for a pull request.

        Raises:
            RefusedError: `branch` is no branch. Whatever `change` raises.
            GitError: the remote takes no push.
        """
        ...


class Repository(Committer, Protocol):
    """One Git repository, mirrored on this machine."""

    @property
    def url(self) -> str: ...

    async def resolve(self, revision: str, *, fetch: bool = False, tag_prefix: str = "") -> str:
        """The full SHA of a branch, tag, SHA (prefix) or ``HEAD``, or of the newest tag that a range of semantic
        versions allows, as the mirror has it. With `tag_prefix` only tags that begin so count, and without it.

        The first call mirrors the repository; `fetch` asks the remote first.

        Raises:
            GitError: unreachable, not authenticated, no repository, no such revision.
        """
        ...

    async def tree(self, sha: str) -> Tree:
        """The files of commit `sha`, without a checkout.

        Raises:
            GitError: there is no such commit, or it can't be read.
        """
        ...

    async def commit(self, sha: str) -> Commit: ...

    async def blame(self, sha: str, path: str) -> Sequence[Commit]:
        """Which commit wrote each line of the file `path` (from the repository's root) as it is in commit `sha`: the
        first line's first, without their messages. Takes long where the history is; remembered.

        Raises:
            PathNotFoundError: there is no such file in that commit.
        """
        ...

    async def touched(self, sha: str, path: str, *, limit: int) -> Sequence[Commit]:
        """The commits that changed the file `path`, newest first, from commit `sha` on; at most `limit`."""
        ...

    async def put_back(self, *, branch: str, path: str, revision: str, message: str, author: tuple[str, str]) -> str:
        """Pushes a commit onto `branch` (``HEAD``: the default one) in which the folder `path` is again as it was in
        commit `revision`; returns it. What others push meanwhile is never overwritten. `author`: name and email
        of an operator who has told Git neither.

        Raises:
            RefusedError: `branch` is no branch, or the folder is already like that.
            GitError: the remote takes no push.
        """
        ...

    def subscribe(self, listener: Callable[[], None]) -> Subscription:
        """Watches the remote (by interval; a repository on this machine at once) and calls `listener` after each
        fetch that moved a reference."""
        ...


class Repositories(Protocol):
    """The repositories that this process has mirrored: one mirror however many applications use it."""

    def open(self, url: str, *, hub: str = "", project: str = "") -> Repository:
        """The repository at `url`, logged in to as the hub named `hub` says for its AppProject `project`, and where it
        says nothing, or none is named, as the user himself."""
        ...

    async def close(self) -> None: ...


class ProjectRepositories(Protocol):
    """The repositories that a hub's Secrets give to one AppProject alone, beside its `sourceRepos`."""

    def of_project(self, project: str) -> Sequence[str]:
        """Their URLs."""
        ...

    async def ready(self) -> None:
        """Returns when they are known, or that they can't be known now."""
        ...

    def subscribe(self, listener: Callable[[], None]) -> Subscription:
        """Calls `listener` whenever they may be others."""
        ...


class Folder(NamedTuple):
    """A folder of a branch, and the commit in which it was as it is wanted."""

    url: str
    branch: str
    path: str
    revision: str


class PullRequest(NamedTuple):
    """A pull request: its page, its number, and whether it is ``open``, ``merged`` or ``closed``."""

    url: str
    number: int
    state: str
    merge_commit: str = ""


class GitHost(Protocol):
    """The host of a repository, as far as it has pull requests (GitHub, GitLab, Gitea, Bitbucket, Azure DevOps)."""

    async def open_pull_request(self, *, head: str, base: str, title: str, body: str) -> PullRequest:
        """Opens one from branch `head` onto `base`, or returns the one that is open between the two.

        Raises:
            GitError: the host does not answer, or does not permit it.
        """
        ...

    async def pull_request(self, number: int) -> PullRequest:
        """One as it is now.

        Raises:
            GitError: the host does not answer, does not permit it, or has none with that number.
        """
        ...


class GitHosts(Protocol):
    """Finds the host of a repository."""

    async def of(self, url: str, *, hub: str = "", project: str = "") -> GitHost:
        """The host of the repository at `url`, logged in to as `Repositories.open` logs in: waits until it is known
        what the hub says, and asks a host of unknown kind which one it is.

        Raises:
            RefusedError: it is no host that has pull requests, or there is no token for it; the sentence names what
            to set.
        """
        ...
