"""Repositories of charts: HTTP ones with an index, and OCI registries.

Owns: `ChartRepositories`, which implements `fleetui.renderports.Charts`. Called by the composition root and by
`backends.helm`. How requests are made is in `backends.charts_http`, what registries say in `backends.charts_oci`, what
an index says in `backends.charts_index`, what archives hold in `backends.charts_archive`, what is kept on disk in
`backends.charts_store`. Rules: Argo CD 3.6 (util/helm/client.go, util/oci/client.go).
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import msgspec

from backends.charts_archive import unpack
from backends.charts_index import Entry, entries
from backends.charts_oci import Registry
from backends.charts_store import Store
from backends.repository_access import AccessBook, RepositoryAccess
from fleetui.config import Paths
from fleetui.model.errors import ChartError
from fleetui.model.text import masked, quoted
from fleetui.renderports import Files
from fleetui.versions import Version, VersionError
from fleetui.versions.newest import chart_version, is_version, newest

if TYPE_CHECKING:
    from backends.charts_http import Answer, Timeouts, Web

KEPT = 180.0
"""Seconds for which an index or a list of tags counts as known (Argo CD: ARGOCD_REPO_CACHE_EXPIRATION of revisions)."""
MOST_INDEX = 64 * 1024 * 1024
"""Bytes."""
MOST_ARCHIVE = 64 * 1024 * 1024
_MOST_VALUES = 16 * 1024 * 1024
_REMEMBERED = 1024

_log = logging.getLogger(__name__)


class ChartRepositories:
    """The repositories of charts of one process; one event loop uses them.

    Args:
        book: the logins; None for none.
        cache: where archives are kept (default: ``charts`` in fleetui's XDG cache folder).
        timeouts: of requests.
        now: seconds, of a clock that does not go back.
    """

    def __init__(
        self,
        book: AccessBook | None = None,
        *,
        cache: Path | None = None,
        timeouts: Timeouts | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._book = book
        self._store = Store(cache or Paths.of().cache / "charts")
        self._timeouts = timeouts
        self._now = now
        self._web: Web | None = None
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._listed: OrderedDict[str, tuple[Sequence[Entry], float]] = OrderedDict()

    async def close(self) -> None:
        if self._web is not None:
            await self._web.close()

    async def resolve(self, repo: str, chart: str, version: str, *, project: str = "", refresh: bool = False) -> str:
        if not chart:
            return await self._artifact_digest(repo, version, project, refresh=refresh)
        # As Argo CD: that the repository has it is seen when it is fetched.
        if is_version(version):
            return version
        listed = await self._versions(repo, chart, self._access(repo, project), refresh=refresh)
        try:
            return newest(version, [entry.version for entry in listed])
        except VersionError as error:
            raise ChartError(f"{_named(repo, chart)}: {quoted(version)}: {error}", url=masked(repo)) from error

    async def files(
        self,
        repo: str,
        chart: str,
        version: str,
        *,
        project: str = "",
        pass_credentials: bool = False,
        refresh: bool = False,
    ) -> Files:
        key = _key("archive", self._login(repo, project), repo, chart, version)
        async with self._lock(key):
            kept = None if refresh else await asyncio.to_thread(self._kept, key)
            if kept is None:
                kept = await self._fetched(
                    repo, chart, version, project, pass_credentials=pass_credentials, refresh=refresh
                )
                await asyncio.to_thread(self._keep, key, kept)
        archive, is_chart = kept
        return await asyncio.to_thread(unpack, archive, chart=is_chart, what=f"{_named(repo, chart)} {version}")

    async def remote(self, url: str) -> bytes:
        from backends.charts_http import failed

        answer = await self._asked(url, RepositoryAccess(url=url), limit=_MOST_VALUES)
        if answer.status != 200:
            raise failed(answer, "file of values")
        return answer.body

    def _lock(self, key: str) -> asyncio.Lock:
        """One for all who want the same now; gone when nobody does any more."""
        return self._locks.setdefault(key, asyncio.Lock())

    # --- archives -----------------------------------------------------------------------------------------------

    def _kept(self, key: str) -> tuple[bytes, bool] | None:
        note = self._store.note(key)
        digest, _, kind = note[0].decode("ascii", "replace").partition(" ") if note else ("", "", "")
        content = self._store.read(digest)
        return None if content is None else (content, kind == "chart")

    def _keep(self, key: str, kept: tuple[bytes, bool]) -> None:
        content, is_chart = kept
        digest = self._store.keep(content)
        self._store.write_note(key, f"{digest} {'chart' if is_chart else 'artifact'}".encode())

    async def _fetched(
        self, repo: str, chart: str, version: str, project: str, *, pass_credentials: bool, refresh: bool
    ) -> tuple[bytes, bool]:
        """The archive of a version, and whether it is that of a chart."""
        access = self._access(repo, project)
        if _is_oci(repo, access):
            return await self._pulled(repo, chart, version, access, refresh=refresh)
        listed = await self._versions(repo, chart, access, refresh=refresh)
        taken = _taken(version, [entry.version for entry in listed], repo, chart)
        entry = next(each for each in listed if each.version == taken)
        if not entry.urls:
            raise ChartError(f"{_named(repo, chart)} {taken} has no address in the index", url=masked(repo))
        return await self._downloaded(repo, chart, entry, project, pass_credentials=pass_credentials), True

    async def _downloaded(self, repo: str, chart: str, entry: Entry, project: str, *, pass_credentials: bool) -> bytes:
        from backends.charts_http import failed, joined, same_host

        if entry.digest and (known := await asyncio.to_thread(self._store.read, entry.digest)) is not None:
            return known
        url = joined(f"{repo.rstrip('/')}/", entry.urls[0])
        if url.startswith("oci://"):
            base, _, tag = url.rpartition(":")
            return (await self._pulled(base, "", tag, self._access(base, project), refresh=False))[0]
        access = self._access(repo, project)
        own = pass_credentials or same_host(repo, url)
        login = access if own else _without_login(access)
        answer = await self._asked(url, login, limit=MOST_ARCHIVE, everywhere=pass_credentials)
        if answer.status != 200:
            raise failed(answer, f"archive of {chart} {entry.version}")
        if entry.digest and hashlib.sha256(answer.body).hexdigest() != entry.digest:
            raise ChartError(f"{masked(url)} has another digest than the index of {masked(repo)} says", url=masked(url))
        return answer.body

    async def _pulled(
        self, repo: str, chart: str, version: str, access: RepositoryAccess, *, refresh: bool
    ) -> tuple[bytes, bool]:
        registry = self._registry(repo, chart, access)
        reference = version
        if chart:
            reference = await self._tag(repo, chart, version, access, refresh=refresh)
        _, manifest = await registry.manifest(reference)
        layer = registry.layer(manifest)
        if chart and not layer.is_chart:
            raise ChartError(f"{registry.name}:{reference} is no chart", url=registry.name)
        known = await asyncio.to_thread(self._store.read, layer.digest.removeprefix("sha256:"))
        return known or await registry.blob(layer.digest, limit=MOST_ARCHIVE), layer.is_chart

    async def _tag(self, repo: str, chart: str, version: str, access: RepositoryAccess, *, refresh: bool) -> str:
        """The tag that Helm pulls for a version: a tag has no ``+``."""
        try:
            Version.strict(version)
        except VersionError:
            listed = await self._versions(repo, chart, access, refresh=refresh)
            version = _taken(version, [entry.version for entry in listed], repo, chart)
        return version.replace("+", "_")

    # --- versions -----------------------------------------------------------------------------------------------

    async def _versions(self, repo: str, chart: str, access: RepositoryAccess, *, refresh: bool) -> Sequence[Entry]:
        """The versions that a repository has of a chart."""
        key = _key("versions", access, repo, chart)
        async with self._lock(_key("index", access, repo)):
            known = self._listed.get(key)
            if known is not None and not refresh and self._now() - known[1] < KEPT:
                return known[0]
            if _is_oci(repo, access):
                tags = await self._tags(repo, chart, access)
                listed: Sequence[Entry] = [Entry(tag.replace("_", "+"), ()) for tag in tags]
                age = 0.0
            else:
                listed, age = await self._indexed(repo, chart, access, refresh=refresh)
            self._listed[key] = listed, self._now() - age
            while len(self._listed) > _REMEMBERED:
                self._listed.popitem(last=False)
        return listed

    async def _indexed(
        self, repo: str, chart: str, access: RepositoryAccess, *, refresh: bool
    ) -> tuple[Sequence[Entry], float]:
        """What the index says of a chart, and how many seconds ago."""
        index, age = await self._index(repo, access, refresh=refresh)
        try:
            found = await asyncio.to_thread(entries, index, chart)
        except ChartError as error:
            raise ChartError(f"{masked(repo)}: {error.message}", url=masked(repo)) from error
        if not found:
            raise ChartError(f"chart {quoted(chart)} not found in the index of {masked(repo)}", url=masked(repo))
        return found, age

    async def _index(self, repo: str, access: RepositoryAccess, *, refresh: bool) -> tuple[bytes, float]:
        """The ``index.yaml`` of a repository and its age: asked for with its ETag once it is older than `KEPT`."""
        from backends.charts_http import AwayError, address, failed

        key = _key("index", access, repo)
        kept = await asyncio.to_thread(self._kept_index, key)
        if kept is not None and not refresh and kept[2] < KEPT:
            return kept[0], kept[2]
        headers = {"If-None-Match": kept[1]} if kept and kept[1] else {}
        parts = address(repo)
        url = parts._replace(path=f"{parts.path.rstrip('/')}/index.yaml").geturl()
        try:
            answer = await self._asked(url, access, limit=MOST_INDEX, headers=headers)
            if answer.status == 304 and kept is not None:
                content, etag = kept[0], kept[1]
            elif answer.status == 200:
                content, etag = answer.body, answer.headers.get("etag", "")
            else:
                raise failed(answer, "index of charts")
        except AwayError as error:
            if kept is None:
                raise
            _log.warning("%s; its index of %d minutes ago is used", error, kept[2] // 60)
            return kept[0], 0.0
        await asyncio.to_thread(self._keep_index, key, content, etag)
        return content, 0.0

    def _kept_index(self, key: str) -> tuple[bytes, str, float] | None:
        if (note := self._store.note(key)) is None:
            return None
        digest, _, etag = note[0].decode(errors="replace").partition(" ")
        content = self._store.read(digest)
        return None if content is None else (content, etag, note[1])

    def _keep_index(self, key: str, content: bytes, etag: str) -> None:
        self._store.write_note(key, f"{self._store.keep(content)} {etag}".encode(errors="replace"))

    async def _tags(self, repo: str, chart: str, access: RepositoryAccess) -> Sequence[str]:
        from backends.charts_http import AwayError

        registry = self._registry(repo, chart, access)
        key = _key("tags", access, registry.name)
        try:
            tags = await registry.tags()
        except AwayError as error:
            note = await asyncio.to_thread(self._store.note, key)
            if note is None:
                raise
            _log.warning("%s; its tags of %d minutes ago are used", error, note[1] // 60)
            return msgspec.json.decode(note[0], type=list[str])
        await asyncio.to_thread(self._store.write_note, key, msgspec.json.encode(tags))
        return tags

    async def _artifact_digest(self, repo: str, revision: str, project: str, *, refresh: bool) -> str:
        """The digest that a tag, a constraint on tags or a digest means."""
        from backends.charts_http import AwayError

        if revision.startswith("sha256:"):
            return revision
        access = self._access(repo, project)
        key = _key("digest", access, repo, revision)
        versions = partial(self._versions, repo, "", access, refresh=refresh)
        try:
            digest = await self._digest(self._registry(repo, "", access), revision, versions)
        except AwayError as error:
            note = await asyncio.to_thread(self._store.note, key)
            if note is None:
                raise
            _log.warning("%s; its digest of %d minutes ago is used", error, note[1] // 60)
            return note[0].decode()
        await asyncio.to_thread(self._store.write_note, key, digest.encode())
        return digest

    async def _digest(
        self, registry: Registry, revision: str, versions: Callable[[], Awaitable[Sequence[Entry]]]
    ) -> str:
        """As `nativeOCIClient.resolveRevision`: a tag of that very name first, whatever it looks like."""
        try:
            return (await registry.manifest(revision))[0]
        except ChartError as error:
            if is_version(revision):
                raise
            try:
                version = newest(revision, [entry.version for entry in await versions()])
            except VersionError:
                raise error from None
            if version == revision:
                raise
        return (await registry.manifest(version.replace("+", "_")))[0]

    # --- asking -------------------------------------------------------------------------------------------------

    def _registry(self, repo: str, chart: str, access: RepositoryAccess) -> Registry:
        base = _reference(repo)
        return Registry(self._opened(), f"{base}/{chart}" if chart else base, access)

    async def _asked(self, url: str, access: RepositoryAccess, **how: Any) -> Answer:
        return await self._opened().get(url, access=access, **how)

    def _opened(self) -> Web:
        if self._web is None:
            from backends.charts_http import Timeouts, Web

            self._web = Web(self._timeouts or Timeouts())
        return self._web

    def _access(self, repo: str, project: str) -> RepositoryAccess:
        """The login, where it can be used."""
        found = self._login(repo, project)
        if found.problem:
            raise ChartError(f"the login of {masked(repo)} can't be used: {found.problem}", url=masked(repo))
        return found

    def _login(self, repo: str, project: str) -> RepositoryAccess:
        # A registry's Secret may name it with its scheme or without.
        other = repo.removeprefix("oci://") if repo.startswith("oci://") else f"oci://{repo}"
        names = (repo, other) if _is_registry(repo) else (repo,)
        known = [found for name in names if self._book and (found := self._book.find(name, project))]
        return next(filter(_has_login, known), known[0] if known else RepositoryAccess(url=repo))


def _key(what: str, access: RepositoryAccess, *names: str) -> str:
    """Under which something is kept: what came with a project's own login is that project's."""
    return json.dumps([what, *names, *filter(None, [access.project])])


def _is_oci(repo: str, access: RepositoryAccess) -> bool:
    """As `IsHelmOciRepo`: a registry's name has no scheme."""
    return _is_registry(repo) or access.enable_oci


def _is_registry(repo: str) -> bool:
    return "://" not in repo or repo.startswith("oci://")


def _has_login(access: RepositoryAccess) -> bool:
    return bool(access.username or access.password or access.bearer_token or access.client_certificate)


def _reference(repo: str) -> str:
    return repo.partition("://")[2].rstrip("/") if "://" in repo else repo.rstrip("/")


def _taken(wanted: str, versions: Sequence[str], repo: str, chart: str) -> str:
    try:
        found = chart_version(wanted, versions)
    except VersionError as error:
        raise ChartError(f"{_named(repo, chart)}: {quoted(wanted)}: {error}", url=masked(repo)) from error
    if found is None:
        raise ChartError(f"no chart version found for {_named(repo, chart)} {wanted}", url=masked(repo))
    return found


def _without_login(access: RepositoryAccess) -> RepositoryAccess:
    return msgspec.structs.replace(access, username="", password="", client_certificate="", client_key="")


def _named(repo: str, chart: str) -> str:
    return f"chart {chart} of {masked(repo)}" if chart else f"the artifact {masked(repo)}"
