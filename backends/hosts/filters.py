"""What of a host's repositories and pull requests a generator takes.

Owns: `listed_repositories` and `listed_pulls`: a host's lists, filtered as the service layer of Argo CD does (v3.6.1:
applicationset/services/scm_provider/utils.go, applicationset/services/pull_request/utils.go): filters about a
repository first, then, at each of its branches, those about a branch; of filters of one sort one has to fit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from backends.hosts.model import Host, HostPull, HostRepository, each, names, words
from fleetui.model.errors import GitError
from fleetui.model.goregexes import GoRegex, compiled


class _Filter(msgspec.Struct, frozen=True):
    """`repository`, `label`, `branch`: expressions that have to be found; None where any will do."""

    repository: GoRegex | None
    label: GoRegex | None
    branch: GoRegex | None
    present: tuple[str, ...]
    absent: tuple[str, ...]
    of_branches: bool
    of_repositories: bool

    def fits(self, one: HostRepository) -> bool:
        """But for the paths, which the host has to be asked about."""
        return (
            _found(self.repository, one.repository)
            and _found(self.branch, one.branch)
            and (self.label is None or any(map(self.label.search, one.labels)))
        )


async def listed_repositories(
    host: Host, part: Mapping[str, Any], generator: Mapping[str, Any]
) -> list[HostRepository]:
    """The repositories with branches that an SCM provider generator takes.

    Args:
        part: the provider's own part of the generator.
        generator: `filters` and `cloneProtocol`.

    Raises:
        GitError: the host does not answer, or a filter is no expression.
    """
    filters = [_filter(item) for item in _maps(generator.get("filters"))]
    found = await host.repositories(part, words(generator, "cloneProtocol"))
    about = [one for one in filters if one.of_repositories]
    if about:
        found = [one for one in found if any(wanted.fits(one) for wanted in about)]
    branches = [one for some in await each(found, lambda one: host.branches(part, one)) for one in some]
    about = [one for one in filters if one.of_branches]
    if not about:
        return branches

    async def taken(one: HostRepository) -> bool:
        for wanted in about:
            if wanted.fits(one) and await _has_paths(host, part, one, wanted):
                return True
        return False

    return [one for one, fits in zip(branches, await each(branches, taken), strict=True) if fits]


async def listed_pulls(host: Host, part: Mapping[str, Any], generator: Mapping[str, Any]) -> list[HostPull]:
    """The pull requests that a pull request generator takes.

    Raises:
        GitError: as above.
    """
    filters = [
        [(field, _expression(item, key)) for key, field in _OF_PULLS.items()]
        for item in _maps(generator.get("filters"))
    ]
    found = await host.pulls(part)
    if not filters:
        return found
    return [
        one
        for one in found
        if any(all(_found(wanted, getattr(one, field)) for field, wanted in each) for each in filters)
    ]


_OF_PULLS = {"branchMatch": "branch", "targetBranchMatch": "target_branch", "titleMatch": "title"}


async def _has_paths(host: Host, part: Mapping[str, Any], one: HostRepository, wanted: _Filter) -> bool:
    for path in wanted.present:
        if not await host.has_path(part, one, path):
            return False
    for path in wanted.absent:
        if await host.has_path(part, one, path):
            return False
    return True


def _filter(item: Mapping[str, Any]) -> _Filter:
    of_branches = any(item.get(key) is not None for key in ("pathsExist", "pathsDoNotExist", "branchMatch"))
    of_repositories = any(item.get(key) is not None for key in ("repositoryMatch", "labelMatch"))
    return _Filter(
        repository=_expression(item, "repositoryMatch"),
        label=_expression(item, "labelMatch"),
        branch=_expression(item, "branchMatch"),
        present=tuple(path.rstrip("/") for path in names(item.get("pathsExist"))),
        absent=tuple(path.rstrip("/") for path in names(item.get("pathsDoNotExist"))),
        of_branches=of_branches,
        # What is also about branches is held against those alone.
        of_repositories=of_repositories and not of_branches,
    )


def _expression(item: Mapping[str, Any], key: str) -> GoRegex | None:
    pattern = item.get(key)
    if pattern is None:
        return None
    try:
        return compiled(str(pattern))
    except ValueError as error:
        raise GitError(f"the filter {key} {error}", "write it as Go's regexp has it") from error


def _found(wanted: GoRegex | None, text: str) -> bool:
    return wanted is None or wanted.search(text)


def _maps(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
