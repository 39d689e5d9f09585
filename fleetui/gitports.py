"""The Protocols about writing to Git, and about the hosts that have pull requests.

Owns: what a rollout and an image automation ask of a repository beyond reading. Implemented in `backends`; as in
`fleetui.ports`, all runs on the engine's event loop and raises the errors of `fleetui.model.errors` alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

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
