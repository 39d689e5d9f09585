"""The subresources of Pods that a node answers: log, exec, attach, portforward.

Owns: what each request means (`handle`), and `LogStream`. Called by `handlers`; `server` sends what a `LogStream`
yields, and hands an `Upgrade` to `upgrades`. No HTTP here. Rules: kubernetes v1.37 pkg/registry/core/pod/rest,
pkg/registry/core/pod/strategy.go (LogLocation), cri-client v0.37 pkg/logs/logs.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Any

import msgspec

from backends.embedded import errors
from backends.embedded.calls import Call, Reply, Target
from backends.embedded.containers.container import Container, find
from backends.embedded.containers.logs import Line, Log
from backends.embedded.errors import ApiError, Cause
from backends.embedded.registry import ResourceType
from backends.embedded.store import ObjectStore
from fleetui.model.times import parse_time

Obj = dict[str, Any]
SUBRESOURCES = ("log", "exec", "attach", "portforward")
PLAIN = "text/plain"
_LOOK = 1.0
"""Seconds after which a log that is followed looks at its container again (the kubelet's: 1 s)."""


class Upgrade(msgspec.Struct, frozen=True):
    """A request that becomes a stream in both directions; `container` is empty for a port-forward."""

    kind: str
    namespace: str
    pod: str
    container: str = ""


class LogOptions(msgspec.Struct, frozen=True):
    """`PodLogOptions`, checked."""

    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    tail: int | None = None
    limit: int | None = None
    since: float = 0.0


def handle(store: ObjectStore, call: Call, target: Target, resource: ResourceType) -> Reply | LogStream | Upgrade:
    """What a request for one of `SUBRESOURCES` is answered with.

    Raises:
        ApiError: no such Pod or container, wrong options, or a Pod without a node.
    """
    options = _log_options(call, target.name, now=store.clock()) if target.subresource == "log" else None
    pod = store.record(resource, target.namespace, target.name).decode()
    if target.subresource == "portforward":
        _insist_on_node(pod)
        return Upgrade("portforward", target.namespace, target.name)
    container = find(pod, call.query.get("container", ""))
    if options is None:
        _insist_on_node(pod)
        return Upgrade(target.subresource, target.namespace, target.name, container.name)
    if not pod["spec"].get("nodeName"):
        return Reply(200, b"", PLAIN)
    log = Log(container, container.life(previous=options.previous))
    return LogStream(store, resource, container, log, options)


def _insist_on_node(pod: Obj) -> None:
    if not pod["spec"].get("nodeName"):
        raise errors.bad_request(f"pod {pod['metadata']['name']} does not have a host assigned")


class LogStream:
    """A container's log on its way to a client; iterate it once."""

    content_type = PLAIN

    def __init__(
        self, store: ObjectStore, resource: ResourceType, container: Container, log: Log, options: LogOptions
    ) -> None:
        self._store = store
        self._resource = resource
        self._container = container
        self._log = log
        self._options = options
        self._left = options.limit

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The lines, as many at a time as there are; with `follow` until the container ends."""
        lines = self._log.lines(self._store.clock())
        told = lines[-1].time if lines else 0.0
        if self._options.tail is not None:
            lines = lines[max(0, len(lines) - self._options.tail) :]
        yield self._text([line for line in lines if line.time >= self._options.since])
        while self._options.follow and not self._log.ended and self._left != 0:
            await asyncio.sleep(min(_LOOK, self._log.next_in(self._store.clock())))
            self._look()
            new = list(self._log.after(told, self._store.clock()))
            if new:
                told = new[-1].time
                yield self._text(new)

    def _look(self) -> None:
        """Notices that the container has ended: its log is then that of a life that is over."""
        found = self._store.find(self._resource, self._container.namespace, self._container.pod_name)
        pod = found.decode() if found is not None else None
        if pod is None or pod["metadata"]["uid"] != self._container.pod["metadata"]["uid"]:
            self._log.stop(self._store.clock())
            return
        now = Container(pod, self._container.spec)
        before = self._container.status.get("restartCount") or 0
        try:
            life = now.life(previous=(now.status.get("restartCount") or 0) > before)
        except ApiError:
            self._log.stop(self._store.clock())
            return
        if life.ended:
            self._log = Log(now, msgspec.structs.replace(life, restarts=before))

    def _text(self, lines: list[Line]) -> bytes:
        text = "".join(f"{_stamp(line.time)} {line.text}\n" if self._options.timestamps else f"{line.text}\n"
                       for line in lines).encode()  # fmt: skip
        if self._left is not None:
            text = text[: self._left]
            self._left -= len(text)
        return text


def _stamp(time: float) -> str:
    moment = datetime.fromtimestamp(time, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}000Z"


def _log_options(call: Call, pod: str, *, now: float) -> LogOptions:
    tail, limit, seconds = (_number(call, name) for name in ("tailLines", "limitBytes", "sinceSeconds"))
    faults: list[Cause] = []
    if tail is not None and tail < 0:
        faults.append(errors.field_invalid("tailLines", tail, "must be greater than or equal to 0"))
    if limit is not None and limit < 1:
        faults.append(errors.field_invalid("limitBytes", limit, "must be greater than 0"))
    if seconds is not None and call.query.get("sinceTime"):
        detail = "at most one of `sinceTime` or `sinceSeconds` may be specified"
        faults.append(errors.field_forbidden("[]", detail))  # as Go prints a path without a name
    elif seconds is not None and seconds < 1:
        faults.append(errors.field_invalid("sinceSeconds", seconds, "must be greater than 0"))
    if call.query.get("stream"):
        faults.append(errors.field_forbidden("stream", "may not be specified"))
    if faults:
        raise errors.invalid("", "PodLogOptions", pod, causes=faults)
    since = parse_time(call.query.get("sinceTime")) or (now - seconds if seconds is not None else 0.0)
    flags = {name: call.flag(name) for name in ("follow", "previous", "timestamps")}
    return LogOptions(**flags, tail=tail, limit=limit, since=since)


def _number(call: Call, name: str) -> int | None:
    return call.number(name) if call.query.get(name) else None
