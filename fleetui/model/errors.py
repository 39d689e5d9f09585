"""The one tree of errors that an operator may see.

Owns: every error class that crosses a layer, and the exit status each ends a command with.
Raised at the seams (`backends`, `render`, `config`), chained to what caused them; caught by the command line, the
engine's loops and the console, which show ``str(error)``: one sentence that says what, where and what to do.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What a command of the command line ends with."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    DIFFERS = 4
    REFUSED = 5


class FleetError(Exception):
    """An error that is told to the operator in one sentence.

    Args:
        message: what happened and where (object, cluster, file and line).
        hint: what to do about it; appended to the sentence where there is one.
    """

    exit_code: ExitCode = ExitCode.FAILED

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class UsageError(FleetError):
    """A command line, a setting or a kubeconfig that can't be used as it is."""

    exit_code = ExitCode.USAGE


class MissingError(FleetError):
    """What was named does not exist (an application, a history entry, a node of a tree)."""

    exit_code = ExitCode.NOT_FOUND


class RefusedError(FleetError):
    """An action that fleetui itself does not carry out: read-only, a running operation, a rule of the project."""

    exit_code = ExitCode.REFUSED


class UnmetError(FleetError):
    """What was waited for did not come about in time."""

    exit_code = ExitCode.DIFFERS


# --- what an API server answers -------------------------------------------------------------------------------


class ClusterError(FleetError):
    """Something went wrong between us and one cluster's API server; `cluster` names it."""

    def __init__(self, message: str, hint: str = "", *, cluster: str = "") -> None:
        super().__init__(message, hint)
        self.cluster = cluster


class UnreachableError(ClusterError):
    """No answer: refused, timed out, name not found, TLS failed, connection lost."""


class UnauthorizedError(ClusterError):
    """401: the credentials are missing, wrong or expired."""


class StatusError(ClusterError):
    """An answer with a Kubernetes `Status`.

    Args:
        message: the server's own message, sanitised and cut.
        code: HTTP status.
        reason: `Status.reason`, such as ``NotFound``.
    """

    def __init__(self, message: str, hint: str = "", *, cluster: str = "", code: int = 0, reason: str = "") -> None:
        super().__init__(message, hint, cluster=cluster)
        self.code = code
        self.reason = reason


class ForbiddenError(StatusError):
    """403."""

    exit_code = ExitCode.REFUSED


class NotFoundError(StatusError):
    """404: the object, or the resource itself."""

    exit_code = ExitCode.NOT_FOUND


class ConflictError(StatusError):
    """409 Conflict: a stale resourceVersion, or fields owned by another field manager."""


class AlreadyExistsError(StatusError):
    """409 AlreadyExists."""


class GoneError(StatusError):
    """410: the resourceVersion or the continue token is too old; list again."""


class InvalidError(StatusError):
    """400, 413 or 422: the server does not accept the object or the patch."""


class OverloadedError(StatusError):
    """429 or 5xx: the server can't answer now; `retry_after` is its wish in seconds, or None."""

    def __init__(
        self,
        message: str,
        hint: str = "",
        *,
        cluster: str = "",
        code: int = 0,
        reason: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, hint, cluster=cluster, code=code, reason=reason)
        self.retry_after = retry_after


# --- what a Git repository answers ----------------------------------------------------------------------------


class GitError(FleetError):
    """Something went wrong with one repository; `url` names it (credentials in it masked)."""

    def __init__(self, message: str, hint: str = "", *, url: str = "") -> None:
        super().__init__(message, hint)
        self.url = url


class RepositoryUnreachableError(GitError):
    """The repository's host or folder does not answer."""


class GitAuthenticationError(GitError):
    """The repository refused the credentials, or wants some."""


class NotARepositoryError(GitError):
    """There is something at that address, but no Git repository."""


class RevisionNotFoundError(GitError):
    """The branch, tag or commit does not exist."""


class PathNotFoundError(GitError):
    """The folder or file does not exist in that commit."""


# --- what is written in a manifest ----------------------------------------------------------------------------


class ManifestError(FleetError):
    """A file that is no manifest.

    Args:
        message: what is wrong.
        path: the file, relative to the repository's root.
        line: 1-based, or None where no line can be named.
        hint: what to do about it.
    """

    def __init__(self, message: str, *, path: str = "", line: int | None = None, hint: str = "") -> None:
        self.path = path
        self.line = line
        where = path if line is None else f"{path}:{line}"
        super().__init__(f"{where}: {message}" if where else message, hint)


# --- what is written in an Application ------------------------------------------------------------------------


class ExpressionError(FleetError):
    """A jq path expression that could not be evaluated: it is no jq, took too long or too much, or there is no jq."""


# --- what is written in an ApplicationSet ---------------------------------------------------------------------


class TemplateError(FleetError):
    """A template that can't be rendered, or makes no Application.

    Args:
        message: what is wrong.
        field: the field of the template, such as ``spec.source.path``; empty where it is not known (yet).
        hint: what to do about it.
    """

    def __init__(self, message: str, hint: str = "", *, field: str = "") -> None:
        self.field = field
        self.reason = message
        super().__init__(f"{field}: {message}" if field else message, hint)


# --- what turns sources into manifests ------------------------------------------------------------------------


class ToolMissingError(FleetError):
    """A source needs a program or an extra that this machine lacks; it names the feature that needs it."""


class ChartError(FleetError):
    """A repository of charts can't be read, or has no such chart or version; `url` names it, credentials masked."""

    def __init__(self, message: str, hint: str = "", *, url: str = "") -> None:
        super().__init__(message, hint)
        self.url = url
