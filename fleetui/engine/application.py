"""An `Application` object as the engine reads it.

Owns: `Application` (a typed view of spec, operation and status) and the names of Argo CD's annotations.
The rules are Argo CD's (`pkg/apis/application/v1alpha1/types.go`, v3). A malformed object gives defaults and, where it
matters, a sentence in `Application.problem`; never an exception.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from fleetui.model.objects import Obj

GROUP = "argoproj.io"
KIND = "Application"
PREFIX = "argocd.argoproj.io/"
REFRESH = PREFIX + "refresh"
SYNC_OPTIONS = PREFIX + "sync-options"
SYNC_WAVE = PREFIX + "sync-wave"
COMPARE_OPTIONS = PREFIX + "compare-options"
TRACKING_ID = PREFIX + "tracking-id"
HOOK = PREFIX + "hook"
HOOK_DELETE_POLICY = PREFIX + "hook-delete-policy"
HOOK_FINALIZER = PREFIX + "hook-finalizer"
IGNORE_HEALTHCHECK = PREFIX + "ignore-healthcheck"
DELETION_APPROVED = PREFIX + "deletion-approved"
MIGRATION_MANAGER = PREFIX + "client-side-apply-migration-manager"
SKIP_RECONCILE = PREFIX + "skip-reconcile"
FINALIZER = "resources-finalizer.argocd.argoproj.io"
PRE_DELETE_FINALIZER = "pre-delete-finalizer.argocd.argoproj.io"
POST_DELETE_FINALIZER = "post-delete-finalizer.argocd.argoproj.io"
IN_CLUSTER = "https://kubernetes.default.svc"

FIELD_MANAGER = "argocd-controller"
"""Under which managed objects are applied, so that an application can be handed to Argo CD and back."""

STATUS_MANAGER = "argocd-application-controller"
"""Under which Applications are written, as Argo CD's controller does."""

DEFAULT_HISTORY_LIMIT = 10


@dataclass(frozen=True)
class Retry:
    """`operation.retry`: `limit` < 0 means for ever; durations stay text until they are needed."""

    limit: int = 0
    duration: str = ""
    factor: int | None = None
    max_duration: str = ""


def mapping(value: Any) -> Mapping[str, Any]:
    """`value` where it is a map, else an empty one."""
    return value if type(value) is dict or isinstance(value, Mapping) else {}


def mappings(value: Any) -> list[Mapping[str, Any]]:
    """The maps of a list; anything else is left out."""
    return [item for item in value if type(item) is dict or isinstance(item, Mapping)] if type(value) is list else []


def strings(value: Any) -> tuple[str, ...]:
    """The strings of a list; anything else is left out."""
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def text(value: Any) -> str:
    """`value` where it is a string, else an empty one."""
    return value if isinstance(value, str) else ""


def whole(value: Any, default: int = 0) -> int:
    """`value` where it is a whole number, else `default`."""
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def uid_of(obj: Mapping[str, Any] | None) -> str:
    """Its uid; empty where it has none."""
    return text(mapping(mapping(obj).get("metadata")).get("uid"))


def version_of(obj: Mapping[str, Any] | None) -> str:
    """Its resourceVersion; empty where it has none."""
    return text(mapping(mapping(obj).get("metadata")).get("resourceVersion"))


def is_leaving(obj: Mapping[str, Any] | None) -> bool:
    """Whether it is being deleted."""
    return bool(mapping(mapping(obj).get("metadata")).get("deletionTimestamp"))


def retry_of(value: Any) -> Retry:
    """A `RetryStrategy` as written in a spec or an operation."""
    retry = mapping(value)
    backoff = mapping(retry.get("backoff"))
    factor = backoff.get("factor")
    return Retry(
        limit=whole(retry.get("limit")),
        duration=text(backoff.get("duration")),
        factor=factor if isinstance(factor, int) else None,
        max_duration=text(backoff.get("maxDuration")),
    )


class Application:
    """A typed view of one Application object; `obj` is not copied and must not be changed."""

    def __init__(self, obj: Obj) -> None:
        self.obj = obj
        self.metadata = mapping(obj.get("metadata"))
        self.spec = mapping(obj.get("spec"))
        self.status = mapping(obj.get("status"))

    @property
    def name(self) -> str:
        return text(self.metadata.get("name"))

    @property
    def namespace(self) -> str:
        return text(self.metadata.get("namespace"))

    @property
    def uid(self) -> str:
        return uid_of(self.obj)

    @property
    def resource_version(self) -> str:
        return version_of(self.obj)

    @property
    def deleting(self) -> bool:
        return is_leaving(self.obj)

    @property
    def finalizers(self) -> tuple[str, ...]:
        return strings(self.metadata.get("finalizers"))

    @property
    def annotations(self) -> Mapping[str, Any]:
        return mapping(self.metadata.get("annotations"))

    @property
    def refresh(self) -> str:
        """``normal``, ``hard`` or empty."""
        wish = text(self.annotations.get(REFRESH))
        return wish if wish in {"", "hard"} else "normal"

    @property
    def project(self) -> str:
        return text(self.spec.get("project")) or "default"

    @property
    def destination(self) -> Mapping[str, Any]:
        return mapping(self.spec.get("destination"))

    @property
    def destination_namespace(self) -> str:
        return text(self.destination.get("namespace"))

    @property
    def sync_policy(self) -> Mapping[str, Any]:
        return mapping(self.spec.get("syncPolicy"))

    @property
    def sync_options(self) -> tuple[str, ...]:
        return strings(self.sync_policy.get("syncOptions"))

    @property
    def automated(self) -> Mapping[str, Any] | None:
        """`syncPolicy.automated` where automated sync is on, else None (present, and `enabled` is not false)."""
        automated = self.sync_policy.get("automated")
        if not isinstance(automated, Mapping) or automated.get("enabled") is False:
            return None
        return automated

    @property
    def operation(self) -> Mapping[str, Any] | None:
        operation = self.obj.get("operation")
        return operation if isinstance(operation, Mapping) else None

    @property
    def operation_state(self) -> Mapping[str, Any] | None:
        state = self.status.get("operationState")
        return state if isinstance(state, Mapping) else None

    @property
    def history(self) -> list[Mapping[str, Any]]:
        history = self.status.get("history")
        return [entry for entry in history if isinstance(entry, Mapping)] if isinstance(history, list) else []

    @property
    def history_limit(self) -> int:
        return whole(self.spec.get("revisionHistoryLimit"), DEFAULT_HISTORY_LIMIT)

    def problem(self) -> str:
        """What its spec asks for that this engine can't do, in a sentence; empty where there is nothing. What is wrong
        with it besides, `fleetui.engine.projects.spec_problems` says."""
        if self.spec.get("sourceHydrator") is not None:
            return "spec.sourceHydrator is not supported by this engine; give spec.source the branch that it writes"
        return ""


def has_option(options: tuple[str, ...], option: str) -> bool:
    """Whether ``Name=value`` is among the options (trimmed, as Argo CD compares them)."""
    return any(item.strip() == option for item in options)


def annotation(obj: Mapping[str, Any] | None, key: str) -> str:
    """One annotation of an object; empty where there is none."""
    if obj is None:
        return ""
    return text(mapping(mapping(obj.get("metadata")).get("annotations")).get(key))


def annotation_option(obj: Mapping[str, Any] | None, key: str, option: str) -> bool:
    """Whether a comma separated annotation holds ``option``."""
    return option in {item.strip() for item in annotation(obj, key).split(",")}


class DryRun(NamedTuple):
    """How an Application wants API servers asked what an apply would change: at all (compare-option
    ``ServerSideDiff=false`` says no), and with what mutating webhooks would change (``IncludeMutationWebhook=true``).

    (`controller/state.go`, `shouldUseServerSideDiff`, which is off unless asked for.)
    """

    asked: bool = True
    mutations: bool = False

    @classmethod
    def of(cls, app: Mapping[str, Any]) -> DryRun:
        """As the Application's annotations say."""
        return cls(
            asked=not annotation_option(app, COMPARE_OPTIONS, "ServerSideDiff=false"),
            mutations=annotation_option(app, COMPARE_OPTIONS, "IncludeMutationWebhook=true"),
        )


def annotation_value(obj: Mapping[str, Any] | None, key: str, option: str) -> str | None:
    """The value of ``option=value`` in a comma separated annotation; None where it is not there."""
    return option_value([item.strip() for item in annotation(obj, key).split(",")], option)


def option_value(options: Iterable[str], option: str) -> str | None:
    """The value of the first ``option=value`` (`types.go`, `SyncOptions.GetOptionValue`); None where there is none."""
    return next((item.removeprefix(f"{option}=") for item in options if item.startswith(f"{option}=")), None)


def object_option(app: Application, obj: Mapping[str, Any] | None, option: str) -> str | None:
    """The value of a sync option for one object: its own annotation comes before the Application's list."""
    own = annotation_value(obj, SYNC_OPTIONS, option)
    return option_value(app.sync_options, option) if own is None else own
