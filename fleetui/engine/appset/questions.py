"""What generators want to know of the world, as values: asked by the pure generation, answered at the rim.

Owns: the kinds of `Question`, and `Answer`. The generation (`fleetui.engine.appset.generate`) is given answers, and
says which questions are still open; whoever drives it (the reconciler, the command line) has them answered, side by
side, and generates again. A question is equal to another where the answer is.
"""

from __future__ import annotations

from typing import Any

import msgspec


class GitDirectories(msgspec.Struct, frozen=True):
    """Every folder of a repository at a revision; answered with a tuple of paths, without a slash at either end."""

    url: str
    revision: str
    project: str


class GitFiles(msgspec.Struct, frozen=True):
    """The files that one pattern finds; answered with a mapping of path to bytes."""

    url: str
    revision: str
    project: str
    pattern: str


class HostRepositories(msgspec.Struct, frozen=True):
    """The repositories (with branches) that an SCM provider has; `spec` is the provider's part of the generator as JSON
    with sorted keys. Answered with a tuple of mappings, the fields of Argo CD's `scm_provider.Repository`."""

    provider: str
    spec: str


class HostPullRequests(msgspec.Struct, frozen=True):
    """The open pull requests of a repository, before the generator's filters; `spec` as above. Answered with a tuple of
    mappings, the fields of Argo CD's `pull_request.PullRequest`."""

    provider: str
    spec: str


class Decisions(msgspec.Struct, frozen=True):
    """The objects of the kind that a ConfigMap names, for a cluster decision resource; `spec` as above. Answered with
    the mapping ``{"matchKey": …, "statusListKey": …, "objects": […]}``."""

    spec: str


class PluginParameters(msgspec.Struct, frozen=True):
    """What a plugin's server answers; `spec` as above. Answered with a tuple of mappings."""

    appset: str
    spec: str


class ChartVersions(msgspec.Struct, frozen=True):
    """What an OCI generator finds in a registry; `spec` as above. Answered like `GitDirectories` or `GitFiles`."""

    spec: str


Question = (
    GitDirectories | GitFiles | HostRepositories | HostPullRequests | Decisions | PluginParameters | ChartVersions
)


class Answer(msgspec.Struct, frozen=True):
    """What the world said, or why it could not be asked, in a sentence that names what and where."""

    value: Any = None
    problem: str = ""
