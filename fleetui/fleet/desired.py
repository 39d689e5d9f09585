"""What Git says an application should be, at one commit.

Owns: `Desired`, `desired_of`. Called by the differ and the planner. The engine's own functions render, fill in and
track, so that console and engine see the same.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from fleetui.engine.application import text
from fleetui.engine.desired import Targets, targets_of
from fleetui.fleet.subject import Subject
from fleetui.model.errors import FleetError, PathNotFoundError, RevisionNotFoundError
from fleetui.model.objects import Discovery
from fleetui.ports import Repositories, Repository
from fleetui.render.source import render


@dataclass(frozen=True)
class Desired:
    """The desired objects at commit `sha`, and what the destination cluster serves."""

    sha: str
    targets: Targets
    discovery: Discovery


async def desired_of(
    subject: Subject,
    repositories: Repositories,
    *,
    revision: str,
    history_id: int | None = None,
    fetch: bool = False,
) -> Desired:
    """The desired state of an application.

    Args:
        subject: the application.
        repositories: where its repository is opened.
        revision: branch, tag or commit; empty for the source's `targetRevision`.
        history_id: take the source of this history entry instead of the present one.
        fetch: ask the remote for what is new first.

    Raises:
        GitError: the repository, the revision or the folder can't be had.
        ManifestError: a file is no manifest.
        ClusterError: the destination cluster could not be asked what it serves.
        FleetError: a source that can't be rendered here, or a destination that is not at hand.
    """
    source = subject.source(history_id)
    if source.get("chart"):
        raise FleetError(
            f"{subject.app.key}: Helm charts can't be rendered here yet", "its tree and history still show"
        )
    app = subject.app
    repository = repositories.open(text(source.get("repoURL")), hub=app.key.hub, project=app.project)
    wish = revision or text(source.get("targetRevision")) or "HEAD"
    sha = await _resolve(repository, wish, fetch=fetch)
    path = text(source.get("path")).strip("/")
    try:
        files = await repository.files(sha, "" if path == "." else path)
    except PathNotFoundError as error:
        raise FleetError(f"{subject.app.key}: there is no folder {path} in {wish}", f"commit {sha[:7]}") from error
    discovery = await subject.place.api.discover()
    namespace = subject.app.destination.namespace
    manifests = await asyncio.to_thread(render, source, files)
    targets = targets_of(manifests, discovery, app=subject.tracking, namespace=namespace)
    return Desired(sha, targets, discovery)


async def _resolve(repository: Repository, revision: str, *, fetch: bool) -> str:
    try:
        return await repository.resolve(revision, fetch=fetch)
    except RevisionNotFoundError:
        if fetch:
            raise
        # The engine may have seen a commit that this mirror has not fetched yet.
        return await repository.resolve(revision, fetch=True)
