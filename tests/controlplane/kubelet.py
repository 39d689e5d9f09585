"""The kubelet of the tests: owns the thread that makes Pods of a control plane without nodes run, end and go.

Started by server.py. Which status a Pod gets is podstatus.py's to say.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from tests.controlplane.api import FAILURES, Answer, Api, Json, Watch
from tests.controlplane.podstatus import is_finished, is_reported, pod_status

RETRY = 0.05
"""Seconds between two tries while the API server is away."""
GONE = (404, 409, 410)
"""Answers that mean the Pod changed or vanished under us: the next event tells."""


class ReadinessLoop:
    """Follows all Pods and reports on each; can be held, so that a test sees Pods that are not ready yet."""

    def __init__(self, api: Api, *, log: Path) -> None:
        self._api = api
        self._log = log
        self._thread = threading.Thread(target=self._run, name="test-kubelet", daemon=True)
        self._stopped = threading.Event()
        self._paused = False
        self._turn = threading.Lock()
        """Held while one Pod is handled: after pause() returns, no report is on its way."""
        self._stream = threading.Lock()
        """Guards the two below."""
        self._watch: Watch | None = None
        self._again = False

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._stopped.set()
        self._start_over()
        self._thread.join()
        self._api.close()

    def pause(self) -> None:
        """From here on Pods keep the status they have; deletions go on."""
        with self._turn:
            self._paused = True

    def resume(self) -> None:
        """Reports on all Pods that came in the meantime, and goes on."""
        with self._turn:
            self._paused = False
        self._start_over()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Holds Pods within a `with`: the way that cannot leave a shared control plane paused."""
        self.pause()
        try:
            yield
        finally:
            self.resume()

    def _start_over(self) -> None:
        with self._stream:
            self._again = True
            if self._watch is not None:
                self._watch.interrupt()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._follow_once()
            except FAILURES as error:
                self._note(f"the API server is away: {error}")
                self._api.close()
                self._stopped.wait(RETRY)

    def _follow_once(self) -> None:
        """Lists, handles each, and follows the changes until the stream ends."""
        with self._stream:
            self._again = False
        listed = self._api.request("GET", "/api/v1/pods")
        if not listed.ok:
            self._note(f"listing Pods was answered with {listed.status}: {listed.message}")
            self._stopped.wait(RETRY)
            return
        for pod in listed.body["items"]:
            self._handle(pod)
        version = listed.body["metadata"]["resourceVersion"]
        self._follow(self._api.watch(f"/api/v1/pods?watch=1&resourceVersion={version}"))

    def _follow(self, watch: Watch) -> None:
        with self._stream:
            self._watch = watch
            outdated = self._again
        try:
            for event in [] if outdated else watch:
                if event["type"] == "ERROR":  # 410: the version is too old, list again
                    return
                if event["type"] != "DELETED":
                    self._handle(event["object"])
        except ValueError as error:  # half a line, from a server that died
            self._note(f"the stream broke: {error}")
        finally:
            with self._stream:
                self._watch = None
            watch.close()

    def _handle(self, pod: Json) -> None:
        with self._turn:
            if "deletionTimestamp" in pod["metadata"]:
                self._let_go(pod)
            elif not self._paused and not is_finished(pod):
                self._report(pod)

    def _report(self, pod: Json) -> None:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        status = pod_status(pod, now=now)
        if is_reported(pod, status):
            return
        # Strategic, because it merges conditions by type and leaves those of others alone.
        content = "application/strategic-merge-patch+json"
        body: Json = {"metadata": {"uid": pod["metadata"]["uid"]}, "status": status}
        self._check(pod, self._api.request("PATCH", f"{_path(pod)}/status", body=body, content_type=content))

    def _let_go(self, pod: Json) -> None:
        metadata = pod["metadata"]
        if metadata.get("deletionGracePeriodSeconds", 0) == 0:
            return  # only a finalizer keeps it, and that is not a kubelet's to remove
        options: Json = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "gracePeriodSeconds": 0,
            "preconditions": {"uid": metadata["uid"]},
        }
        self._check(pod, self._api.request("DELETE", _path(pod), body=options))

    def _check(self, pod: Json, answer: Answer) -> None:
        if not answer.ok and answer.status not in GONE:
            self._note(f"{_path(pod)} was answered with {answer.status}: {answer.message}")

    def _note(self, text: str) -> None:
        with self._log.open("a") as log:
            log.write(f"{datetime.now(UTC).isoformat()} {text}\n")


def _path(pod: Json) -> str:
    return f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"
