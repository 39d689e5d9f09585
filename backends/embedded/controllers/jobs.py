"""Jobs: Pods until enough have succeeded, or too many failed.

Owns: the Job controller. After kubernetes `pkg/controller/job/job_controller.go` (`syncJob`). Indexed completion and
Pod failure policies are not looked at; finalizers for Pod tracking are not needed, since nothing here is lost.
"""

from __future__ import annotations

from typing import NamedTuple

from backends.embedded.controllers import conditions, pods
from backends.embedded.controllers.events import Recorder
from backends.embedded.controllers.naming import suffix
from backends.embedded.controllers.world import JOB, POD, World, deleting, pod_from
from fleetui.model.objects import Obj
from fleetui.model.times import parse_time


class Verdict(NamedTuple):
    """How a Job ended: type, reason and message of its last condition."""

    kind: str
    reason: str
    message: str


class Tally(NamedTuple):
    """The Pods of a Job, by how far they are."""

    active: list[Obj]
    succeeded: int
    failed: int
    restarts: int
    """Restarts of the Pods' containers, where the Pods restart them themselves (``OnFailure``)."""


class Jobs:
    """Reconciles one Job at a time."""

    def __init__(self, world: World, recorder: Recorder) -> None:
        self._world = world
        self._events = recorder
        self._retry: dict[str, tuple[int, float]] = {}

    def reconcile(self, namespace: str, name: str) -> float | None:
        """Makes or deletes Pods and judges the Job; returns the seconds until something is due, or None."""
        job = self._world.get(JOB, namespace, name)
        if job is None or deleting(job):
            return None
        if ended(job) is not None:
            return self._expire(job)
        tally = tally_of(job, self._world.owned(job, POD))
        now = self._world.now
        verdict = judge(job, tally, now)
        wait = None
        if verdict is not None or suspended(job):
            self._stop(job, tally)
        else:
            wait = self._start(job, tally)
        self._report(job, verdict)
        if verdict is not None:
            self._retry.pop(job["metadata"]["uid"], None)
            return self._expire_later(job)
        return _earliest(wait, _deadline(job, now))

    # --- Pods ------------------------------------------------------------------------------------------------------

    def _start(self, job: Obj, tally: Tally) -> float | None:
        missing = _wanted(job, tally) - len(tally.active)
        for pod in pods.to_delete_first(tally.active)[: max(0, -missing)]:
            self._delete(job, pod)
        if missing <= 0:
            return None
        wait = self._backoff(job, tally.failed)
        if wait > 0:
            return wait
        for _ in range(missing):
            self._create(job)
        return None

    def _backoff(self, job: Obj, failed: int) -> float:
        """Seconds until the next Pod may be made; each further failure doubles the wait."""
        uid, now = job["metadata"]["uid"], self._world.now
        known, due = self._retry.get(uid, (0, now))
        if failed > known:
            due = now + self._world.timing.job_retry * 2.0 ** min(failed - 1, 8)
            self._retry[uid] = failed, due
        return due - now

    def _create(self, job: Obj) -> None:
        base = f"{job['metadata']['name']}-"
        uid, name = job["metadata"]["uid"], job["metadata"]["name"]
        labels = {
            "batch.kubernetes.io/controller-uid": uid,
            "batch.kubernetes.io/job-name": name,
            "controller-uid": uid,
            "job-name": name,
        }
        pod = pod_from(job["spec"]["template"], owner=job, name=base + suffix(self._world.random), labels=labels)
        pod["metadata"]["generateName"] = base
        if self._world.create(pod) is not None:
            self._events.normal(job, "SuccessfulCreate", f"Created pod: {pod['metadata']['name']}")

    def _stop(self, job: Obj, tally: Tally) -> None:
        for pod in tally.active:
            self._delete(job, pod)

    def _delete(self, job: Obj, pod: Obj) -> None:
        self._world.delete(pod)
        self._events.normal(job, "SuccessfulDelete", f"Deleted pod: {pod['metadata']['name']}")

    # --- the Job itself --------------------------------------------------------------------------------------------

    def _report(self, job: Obj, verdict: Verdict | None) -> None:
        tally = tally_of(job, self._world.owned(job, POD))
        old = job.get("status") or {}
        stamp = self._world.stamp()
        status: Obj = {
            "conditions": _conditions(job, verdict, stamp),
            "startTime": None if suspended(job) else old.get("startTime") or stamp,
            "completionTime": stamp if verdict and verdict.kind == "Complete" else None,
            "active": len(tally.active),
            "succeeded": tally.succeeded,
            "failed": tally.failed,
        }
        status = {key: value for key, value in status.items() if value}
        status |= {"terminating": 0, "uncountedTerminatedPods": {}, "ready": sum(map(pods.ready, tally.active))}
        self._world.set_status(job, status)
        was = conditions.is_true(job, "Suspended")
        if was != suspended(job):
            word = "Resumed" if was else "Suspended"
            self._events.normal(job, word, f"Job {word.lower()}")
        if verdict is not None:
            self._tell(job, verdict)

    def _tell(self, job: Obj, verdict: Verdict) -> None:
        if verdict.kind == "Complete":
            self._events.normal(job, "Completed", "Job completed")
        else:
            self._events.warning(job, verdict.reason, verdict.message)

    def _expire(self, job: Obj) -> float | None:
        left = _left_to_live(job, self._world.now)
        if left is not None and left <= 0:
            self._world.delete(job)
            return None
        return left

    def _expire_later(self, job: Obj) -> float | None:
        ttl = job["spec"].get("ttlSecondsAfterFinished")
        return None if ttl is None else float(ttl)


def ended(job: Obj) -> str | None:
    """``Complete`` or ``Failed`` once the Job has ended, else None."""
    return next((kind for kind in ("Complete", "Failed") if conditions.is_true(job, kind)), None)


def suspended(job: Obj) -> bool:
    return bool(job["spec"].get("suspend"))


def tally_of(job: Obj, found: list[Obj]) -> Tally:
    """Counts the Pods of a Job; one that is being deleted unfinished counts as nothing."""
    known = job.get("status") or {}
    # A finished Pod that somebody deleted has been counted before, and stays counted.
    return Tally(
        active=pods.active(found),
        succeeded=max(sum(pods.phase(pod) == "Succeeded" for pod in found), int(known.get("succeeded") or 0)),
        failed=max(sum(pods.phase(pod) == "Failed" for pod in found), int(known.get("failed") or 0)),
        restarts=sum(map(pods.restarts, found)) if _restarts_itself(job) else 0,
    )


def judge(job: Obj, tally: Tally, now: float) -> Verdict | None:
    """Whether the Job has ended, and how."""
    spec = job["spec"]
    limit = 6 if spec.get("backoffLimit") is None else int(spec["backoffLimit"])
    if tally.failed > limit or tally.restarts >= max(limit, 1):
        return Verdict("Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit")
    due = _deadline(job, now)
    if due is not None and due <= 0:
        return Verdict("Failed", "DeadlineExceeded", "Job was active longer than specified deadline")
    completions = spec.get("completions")
    if completions is not None or spec.get("parallelism") is None:
        done = tally.succeeded >= (1 if completions is None else int(completions))
    else:
        done = tally.succeeded > 0 and not tally.active
    message = "Reached expected number of succeeded pods"
    return Verdict("Complete", "CompletionsReached", message) if done else None


def _wanted(job: Obj, tally: Tally) -> int:
    spec = job["spec"]
    parallelism = spec.get("parallelism")
    width = 1 if parallelism is None else int(parallelism)
    completions = spec.get("completions")
    if completions is None and parallelism is not None:
        return len(tally.active) if tally.succeeded else width
    return min(width, (1 if completions is None else int(completions)) - tally.succeeded)


def _restarts_itself(job: Obj) -> bool:
    return bool((job["spec"]["template"].get("spec") or {}).get("restartPolicy") == "OnFailure")


def _conditions(job: Obj, verdict: Verdict | None, stamp: str) -> list[Obj]:
    found: list[Obj] = list((job.get("status") or {}).get("conditions") or ())
    held = conditions.find(found, "Suspended")
    if suspended(job) and not (held and held["status"] == "True"):
        found = conditions.put(found, _condition("Suspended", "JobSuspended", "Job suspended", stamp=stamp))
    elif held and held["status"] == "True" and not suspended(job):
        resumed = _condition("Suspended", "JobResumed", "Job resumed", stamp=stamp)
        found = conditions.put(found, {**resumed, "status": "False"})
    if verdict is not None:
        first = "SuccessCriteriaMet" if verdict.kind == "Complete" else "FailureTarget"
        for kind in (first, verdict.kind):
            found = conditions.put(found, _condition(kind, verdict.reason, verdict.message, stamp=stamp))
    return found


def _condition(kind: str, reason: str, message: str, *, stamp: str) -> Obj:
    return {
        "type": kind,
        "status": "True",
        "lastProbeTime": stamp,
        "lastTransitionTime": stamp,
        "reason": reason,
        "message": message,
    }


def _deadline(job: Obj, now: float) -> float | None:
    seconds = job["spec"].get("activeDeadlineSeconds")
    start = parse_time((job.get("status") or {}).get("startTime"))
    return None if seconds is None or start is None else start + int(seconds) - now


def _left_to_live(job: Obj, now: float) -> float | None:
    ttl = job["spec"].get("ttlSecondsAfterFinished")
    end = conditions.find(job["status"]["conditions"], ended(job) or "")
    since = parse_time(end["lastTransitionTime"]) if end else None
    return None if ttl is None or since is None else since + int(ttl) - now


def _earliest(*waits: float | None) -> float | None:
    return min((wait for wait in waits if wait is not None), default=None)
