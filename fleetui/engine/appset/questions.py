"""What generators want to know of the world, as values: asked by the pure generation, answered at the rim.

Owns: the kinds of `Question`, and `Answer`. The generation (`fleetui.engine.appset.generate`) is given answers, and
says which questions are still open; whoever drives it (the reconciler, the command line) has them answered, side by
side, and generates again. A question is equal to another where the answer is.
"""

from __future__ import annotations

from typing import Any

import msgspec


class GitDirectories(msgspec.Struct, frozen=True):
    """Every folder of a repository at a revision but the hidden ones; answered with a tuple of paths, without a slash
    at either end."""

    url: str
    revision: str
    project: str


class GitFiles(msgspec.Struct, frozen=True):
    """The files that one pattern (a pathspec of Git, as Argo CD takes it) finds; answered with a mapping of path to
    bytes."""

    url: str
    revision: str
    project: str
    pattern: str


class HostRepositories(msgspec.Struct, frozen=True):
    """The repositories (with branches) that an SCM provider has, after the generator's filters.

    `provider`: the key that names it in the generator, such as ``github``. `spec`: the generator as JSON with sorted
    keys, but for what is done with the answer (`template` and `values`): the provider's own part under its key,
    `filters` and `cloneProtocol`; in all specs `requeueAfterSeconds` says how long an answer may be remembered.

    Answered with a tuple of mappings, the fields of Argo CD's `scm_provider.Repository`: ``organization``,
    ``repository``, ``url``, ``branch``, ``sha`` (texts), ``labels`` (a tuple of texts) and ``repository_id`` (a number
    or a text).
    """

    provider: str
    spec: str


class HostPullRequests(msgspec.Struct, frozen=True):
    """The open pull requests of a repository, after the generator's filters; the fields as above, and in `spec` also
    `continueOnRepoNotFoundError`, with which a repository that is not there has none.

    Answered with a tuple of mappings, the fields of Argo CD's `pull_request.PullRequest`: ``number`` (a number),
    ``title``, ``branch``, ``target_branch``, ``head_sha``, ``author`` (texts) and ``labels`` (a tuple of texts).
    """

    provider: str
    spec: str


class Decisions(msgspec.Struct, frozen=True):
    """The objects of the kind that a ConfigMap names, for a cluster decision resource; `spec`: the generator's
    `configMapRef`, `name`, `labelSelector` and `requeueAfterSeconds`, as JSON as above. Answered with the mapping
    ``{"matchKey": …, "statusListKey": …, "objects": […]}``: texts (the second is ``clusters`` where the ConfigMap names
    none), and the objects as they are."""

    spec: str


class PluginParameters(msgspec.Struct, frozen=True):
    """What a plugin's server answers to the ApplicationSet named `appset`; `spec`: the generator's `configMapRef`,
    `input` and `requeueAfterSeconds`, as JSON as above. Answered with a tuple of mappings, the ``output.parameters``
    as they are."""

    appset: str
    spec: str


class ChartVersions(msgspec.Struct, frozen=True):
    """What an OCI generator finds in an artifact; `spec`: its `repoURL` and `revision`, the `project`, and the one
    `pattern` for files (without it: folders), as JSON as above. Answered like `GitFiles` or `GitDirectories`."""

    spec: str


Question = (
    GitDirectories | GitFiles | HostRepositories | HostPullRequests | Decisions | PluginParameters | ChartVersions
)


class Answer(msgspec.Struct, frozen=True):
    """What the world said, or why it could not be asked, in a sentence that names what and where."""

    value: Any = None
    problem: str = ""
