"""The versions of a rollout's cells in Git: read, written wave by wave, and put back.

Owns: `GitTruths`, the implementation of `fleetui.engine.rollout.ports.Truths`. Where a version is written is found by
`fleetui.fleet.rolloutorigins`, and is in the plan; how a file is edited is in `fleetui.engine.rollout.truth`.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import takewhile
from typing import NamedTuple

from fleetui.engine.giturl import normalized
from fleetui.engine.rollout.ports import Written
from fleetui.engine.rollout.truth import ELEMENT, versions, with_versions
from fleetui.fleet.rolloutorigins import File, Origins, SetKey, set_of, text_in
from fleetui.gitports import Files, GitHost, GitHosts, Repository
from fleetui.model.app import App, AppKey
from fleetui.model.change import Commit
from fleetui.model.errors import RefusedError
from fleetui.model.rollout import CellKey, CellPlan, Delivery, RolloutPlan, Truth
from fleetui.model.text import masked, one_line

TRAILER = "Fleetui-Rollout"
WAVE_TRAILER = "Fleetui-Wave"
_REMEMBERED = 50
"""Commits of a file that are looked at for what was there before."""


class _Branch(NamedTuple):
    """A repository, and the branch of it that waves are committed to."""

    url: str
    branch: str


class GitTruths:
    """See `fleetui.engine.rollout.ports.Truths`.

    Args:
        origins: opens repositories, and knows which cells share an element.
        apps: all applications of the fleet, as they are now.
        hosts: where pull requests are opened; None: nowhere.
    """

    def __init__(
        self, origins: Origins, apps: Callable[[], Mapping[AppKey, App]], hosts: GitHosts | None = None
    ) -> None:
        self._origins = origins
        self._apps = apps
        self._hosts = hosts

    def vouch(self, truths: Iterable[str]) -> None:
        """See `fleetui.engine.rollout.ports.Truths.vouch`."""
        self._origins.vouch(truths)

    async def refuse_strange(self, plan: RolloutPlan) -> None:
        """See `fleetui.engine.rollout.ports.Truths.refuse_strange`."""
        apps = self._apps().values()
        named = {normalized(url) for app in apps if app.key.hub == plan.key.hub for url in _urls(app)}
        named |= {normalized(url) for url in self._origins.vouched}
        strange = [cell for cell in plan.cells if normalized(cell.truth.url) not in named]
        named |= {normalized(url) for url in await self._origins.behind(cell.app for cell in strange)}
        for cell in strange:
            if normalized(cell.truth.url) not in named:
                name, hub, url = plan.key.name, plan.key.hub, one_line(masked(cell.truth.url))
                raise RefusedError(
                    f"rollout {name} writes {cell.key} to {url}, which nothing of {hub} names",
                    f"if it is yours: fleetui rollout resume {name} --truth {url}",
                )

    async def versions(self, cells: Sequence[CellPlan]) -> Mapping[CellKey, str]:
        """See `fleetui.engine.rollout.ports.Truths.versions`."""
        found: dict[CellKey, str] = {}
        for branch, mine in _by_branch(cells).items():
            repository = self._opened(mine[0])
            tree = await repository.tree(await repository.resolve(branch.branch, fetch=True))
            content = await asyncio.to_thread(tree.files, "")
            by_path = _by_path(mine)

            def read(content: Files = content, by_path: Mapping[str, list[CellPlan]] = by_path) -> dict[CellKey, str]:
                said = {path: _versions(path, content.get(path), of) for path, of in by_path.items()}
                return {key: version for each in said.values() for key, version in each.items()}

            found |= await asyncio.to_thread(read)
        return found

    async def write(
        self, plan: RolloutPlan, wave: str, wanted: Mapping[CellKey, str], *, expected: Mapping[CellKey, str]
    ) -> Written:
        """See `fleetui.engine.rollout.ports.Truths.write`.

        Raises:
            ManifestError: a file can't be edited in place.
            RefusedError: a pull request is wanted where none can be opened.
            GitError: Git does not answer, or does not take the commit.
        """
        cells = [cell for cell in plan.cells if cell.key in wanted]
        commits: dict[CellKey, str] = {}
        changed: dict[CellKey, str] = {}
        pages: list[str] = []
        for branch, mine in _by_branch(cells).items():
            edit = await self._edit(branch, mine, plan, wanted, expected)
            onto, host = "", None
            if plan.delivery is Delivery.PULL_REQUEST:
                # Asked first: a branch that nobody can be asked to merge is not pushed.
                onto, host = f"fleetui/{plan.key.name}/{_in_a_branch(wave)}", await self._host(mine[0])
            repository = self._opened(mine[0])
            made = await repository.commit_files(
                branch=branch.branch,
                paths=sorted(edit.cells),
                change=edit.change,
                message=message_of(plan, wave, edit.moves(wanted)),
                author=plan.author,
                onto=onto,
            )
            changed |= edit.changed
            commits |= dict.fromkeys(edit.written, made)
            if host is not None and edit.written:
                base = await repository.branch(branch.branch)
                title, _, body = message_of(plan, wave, edit.moves(wanted)).partition("\n\n")
                pages.append((await host.open_pull_request(head=onto, base=base, title=title, body=body)).url)
            there = [cell for cell in mine if cell.key not in commits and cell.key not in changed]
            commits |= await self._earlier(repository, branch.branch, there, plan)
        return Written(commits, changed, " ".join(pages))

    async def merged(self, plan: RolloutPlan, pull_request: str) -> str:
        """See `fleetui.engine.rollout.ports.Truths.merged`."""
        number = pull_request.rstrip("/").rpartition("/")[2]
        cell = next((each for each in plan.cells if _same_host(each.truth.url, pull_request)), plan.cells[0])
        if not number.isdecimal():
            raise RefusedError(f"{pull_request} is no pull request's page")
        found = await (await self._host(cell)).pull_request(int(number))
        if found.state == "closed":
            raise RefusedError(f"the pull request {pull_request} was closed without a merge")
        return found.merge_commit if found.state == "merged" else ""

    # --- writing ------------------------------------------------------------------------------------------------------

    async def _edit(
        self,
        branch: _Branch,
        cells: Sequence[CellPlan],
        plan: RolloutPlan,
        wanted: Mapping[CellKey, str],
        expected: Mapping[CellKey, str],
    ) -> _Edit:
        known: list[Truth] = [cell.truth for cell in plan.cells]
        sets = {key: cell for cell in cells if cell.truth.kind == ELEMENT and (key := self._set(cell)) is not None}
        for key, cell in sets.items():
            truth = cell.truth
            made = await self._origins.made_at(key, File(truth.url, truth.branch, truth.path))
            known += [each for each in self._origins.truths_of(made).values() if each.kind == ELEMENT]
        by_path = _by_path(cells)
        goes_back = all(wanted[cell.key] == cell.from_version for cell in cells)
        before: Mapping[str, tuple[bytes, ...]] = {}
        if goes_back:
            repository = self._opened(cells[0])
            tip = await repository.resolve(branch.branch, fetch=True)
            before = {path: await self._before(repository, tip, path, plan) for path in by_path}
        return _Edit(by_path, dict(wanted), dict(expected), tuple(dict.fromkeys(known)), before)

    def _set(self, cell: CellPlan) -> SetKey | None:
        app = self._apps().get(cell.app)
        return set_of(app) if app is not None else None

    async def _before(self, repository: Repository, tip: str, path: str, plan: RolloutPlan) -> tuple[bytes, ...]:
        """What a file is, and what it was before each of the newest commits in a row that this rollout has made of it;
        nothing where somebody else's is the newest."""
        commits = await repository.touched(tip, path, limit=_REMEMBERED)
        own = list(takewhile(lambda commit: is_of(commit, plan.key.name), commits))
        found = []
        for commit in commits[: len(own) + 1] if own else ():
            files = (await repository.tree(commit.sha)).files("")
            content = await asyncio.to_thread(files.get, path)
            if content is not None:
                found.append(content)
        return tuple(found)

    async def _earlier(
        self, repository: Repository, branch: str, cells: Sequence[CellPlan], plan: RolloutPlan
    ) -> dict[CellKey, str]:
        """The commits that gave cells the version that they have: the newest of this rollout, or else of anybody."""
        found: dict[CellKey, str] = {}
        tip = await repository.resolve(branch, fetch=True) if cells else ""
        for path, mine in _by_path(cells).items():
            commits = await repository.touched(tip, path, limit=_REMEMBERED)
            own = next((each.sha for each in commits if is_of(each, plan.key.name)), "")
            found |= {cell.key: own or (commits[0].sha if commits else tip) for cell in mine}
        return found

    async def _host(self, cell: CellPlan) -> GitHost:
        """The host of a cell's repository.

        Raises:
            RefusedError: it has no pull requests.
        """
        if self._hosts is None:
            raise RefusedError(f"no pull request can be opened on {cell.truth.url} here", "deliver by commits")
        return await self._hosts.of(cell.truth.url, hub=cell.app.hub, project=self._project(cell))

    def _opened(self, cell: CellPlan) -> Repository:
        return self._origins.opened(cell.truth.url, hub=cell.app.hub, project=self._project(cell))

    def _project(self, cell: CellPlan) -> str:
        app = self._apps().get(cell.app)
        return app.project if app is not None else ""


def _urls(app: App) -> tuple[str, ...]:
    return app.source.repo_url, *app.revisions


class _Edit:
    """One commit's change, made of the files as they are when it is pushed; called again where somebody pushed first.

    `changed` and `written` say what became of the cells in the last call.
    """

    def __init__(
        self,
        cells: Mapping[str, list[CellPlan]],
        wanted: Mapping[CellKey, str],
        expected: Mapping[CellKey, str],
        known: Collection[Truth],
        before: Mapping[str, tuple[bytes, ...]],
    ) -> None:
        self.cells = cells
        self.changed: dict[CellKey, str] = {}
        self.written: list[CellKey] = []
        self._wanted, self._expected = wanted, expected
        self._known = known
        self._before = before

    def moves(self, wanted: Mapping[CellKey, str]) -> Mapping[CellKey, str]:
        """The cells of this commit, with their versions."""
        return {cell.key: wanted[cell.key] for mine in self.cells.values() for cell in mine}

    def change(self, files: Files) -> Files:
        """The files with the wanted versions, where they have the expected ones."""
        self.changed, self.written = {}, []
        return {path: self._edited(path, files[path], mine) for path, mine in self.cells.items()}

    def _edited(self, path: str, content: bytes | None, cells: Sequence[CellPlan]) -> bytes | None:
        now = _versions(path, content, cells)
        moving: dict[Truth, str] = {}
        for cell in cells:
            key, version = cell.key, now.get(cell.key, "")
            if version == self._wanted[key]:
                continue
            if version != self._expected.get(key):
                self.changed[key] = version
                continue
            moving[cell.truth] = self._wanted[key]
            self.written.append(key)
        if content is None or not moving:
            return content
        known = [each for each in self._known if each.path == path]
        return (
            self._restored(path, content, moving, known)
            or with_versions(text_in(content, path), moving, known).encode()
        )

    def _restored(self, path: str, content: bytes, moving: dict[Truth, str], known: Sequence[Truth]) -> bytes | None:
        """The file as it once was, where all of it is still as this rollout left it."""
        left, *earlier = self._before.get(path) or (b"",)
        if left != content or not earlier:
            return None
        wanted = versions(text_in(content, path), known) | moving
        return next((each for each in earlier if versions(text_in(each, path), known) == wanted), None)


def _by_branch(cells: Iterable[CellPlan]) -> dict[_Branch, list[CellPlan]]:
    found: dict[_Branch, list[CellPlan]] = defaultdict(list)
    for cell in cells:
        found[_Branch(cell.truth.url, cell.truth.branch)].append(cell)
    return found


def _by_path(cells: Iterable[CellPlan]) -> dict[str, list[CellPlan]]:
    found: dict[str, list[CellPlan]] = defaultdict(list)
    for cell in cells:
        found[cell.truth.path].append(cell)
    return found


def _versions(path: str, content: bytes | None, cells: Sequence[CellPlan]) -> dict[CellKey, str]:
    if content is None:
        return {}
    said = versions(text_in(content, path), [cell.truth for cell in cells])
    return {cell.key: said[cell.truth] for cell in cells if cell.truth in said}


def _same_host(url: str, page: str) -> bool:
    """Whether a pull request's page is one of a repository's."""
    name = url.removesuffix("/").removesuffix(".git").rpartition("://")[2].replace(":", "/").rpartition("@")[2]
    return "/".join(name.split("/")[-2:]) in page


def _in_a_branch(wave: str) -> str:
    """A wave's name as a part of a branch's."""
    return "".join(each if each.isalnum() or each in "-_" else "-" for each in wave) or "wave"


# --- messages ---------------------------------------------------------------------------------------------------------


def message_of(plan: RolloutPlan, wave: str, wanted: Mapping[CellKey, str]) -> str:
    """The message of a wave's commit: what moves where, and the trailers by which it is found again."""
    versions_of: dict[tuple[str, str], list[str]] = defaultdict(list)
    for key, version in sorted(wanted.items()):
        versions_of[key.addon, version].append(key.cluster)
    back = all(wanted.get(cell.key, cell.from_version) == cell.from_version for cell in plan.cells)
    moves = ", ".join(f"{addon} {'back ' * back}to {version}" for addon, version in versions_of)
    lines = [f"{addon} {version}: {', '.join(clusters)}" for (addon, version), clusters in versions_of.items()]
    subject = f"Move {moves}" if len(moves) <= 60 else f"Move {len(versions_of)} addons"
    said = [plan.message] if plan.message else []
    trailers = f"{TRAILER}: {plan.key.name}\n{WAVE_TRAILER}: {one_line(wave)}"
    return "\n\n".join([f"{subject} ({one_line(wave)})", *said, "\n".join(lines), trailers]) + "\n"


def is_of(commit: Commit, rollout: str) -> bool:
    """Whether a rollout has made a commit."""
    return f"{TRAILER}: {rollout}" in commit.message.splitlines()
