"""`engine run`.

Owns: how the engine is started without a console, what it tells, and how it ends.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial

from fleetui.cli import logs
from fleetui.cli.connect import Connection
from fleetui.cli.options import Scope
from fleetui.cli.output import aligned, emit
from fleetui.cli.report import say
from fleetui.cli.service import serve_until_stopped
from fleetui.engine.application import GROUP, KIND
from fleetui.engine.appset.applicationset import KIND as SET_KIND
from fleetui.engine.clock import SystemClock
from fleetui.engine.controller import Engine
from fleetui.engine.hubwebhooks import HubWebhooks
from fleetui.engine.lease import EngineLease
from fleetui.engine.recorder import EventRecorder
from fleetui.engine.rehearsal import Rehearsal, SetVerdict, Verdict
from fleetui.engine.telling import Listener, Listeners
from fleetui.engine.tracking import CONTROL_PLANE_NAMESPACE
from fleetui.engine.webhook import Answer
from fleetui.fleet.store import LiveStore
from fleetui.model.errors import (
    ExitCode,
    FleetError,
    ForbiddenError,
    OverloadedError,
    RefusedError,
    UnreachableError,
)
from fleetui.model.objects import Obj, ObjectRef

_log = logging.getLogger(__name__)

FIRST_RETRY = 1.0
LAST_RETRY = 30.0
"""Seconds between two tries to begin on a hub that does not answer."""
SETTLED_INTERVAL = 0.1
"""Seconds between two looks at whether an engine that runs once is done; two in a row have to find it so, for what it
wrote last may wake it a moment later."""
TRIES = 3
"""Failures of an Application in a row after which an engine that runs once gives up."""
GRACE = 20.0
"""Seconds that the running steps have to come to their end after SIGTERM; Kubernetes kills after 30."""
LAST_EVENTS = 2.0
"""Seconds in which the Events that still wait are sent at the end."""


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What `engine run` is asked for.

    `listen`: host and port of ``/healthz`` and ``/metrics``, None for neither. `webhook_listen`: those of
    ``/api/webhook``, None for what the settings say. `dry_run`: write nothing, tell what would be done. `once`: end
    when nothing is left to do. `traces`: send OpenTelemetry traces. `qps`: requests a second to each API server that
    may go on for ever, 0: as many as it answers.
    """

    git_interval: float = 60.0
    qps: float = 0.0
    once: bool = False
    dry_run: bool = False
    listen: tuple[str, int] | None = None
    webhook_listen: tuple[str, int] | None = None
    traces: bool = False
    log_format: logs.Format = "text"
    log_level: str = "info"


def run_engine(scope: Scope, options: RunOptions) -> int:
    """`engine run`: reconciles every chosen hub until SIGINT or SIGTERM, which let the running steps come to their end;
    or, with `once`, until nothing is left to do.

    A hub that does not answer is tried again, but not with `once`. One that can't be used ends its own engine, the last
    one the command. Returns the exit status: with `dry_run` and `once`, whether something would be done.

    Raises:
        FleetError: no hub can be used: no definition of Applications, another engine at work, no permission; or the
            address can't be listened on.
    """
    if scope.read_only and not options.dry_run:
        raise RefusedError("this engine would write, and --read-only forbids it", "add --dry-run, or leave it away")
    logs.configure(options.log_format, options.log_level)
    run = _Run(scope, options)
    if serve_until_stopped(run.work, stop=run.stop, grace=GRACE):
        if options.log_format == "json":
            _log.info("engine stopped")
        else:
            say("fleetui: engine stopped")
        return ExitCode.FAILED if options.once else ExitCode.OK
    if not (options.dry_run and options.once):
        return ExitCode.OK
    verdicts, sets = run.verdicts(), run.sets()
    if not verdicts and not sets:
        emit("No applications found.")
        return ExitCode.OK
    rows = [[each.namespace, each.name, each.sync, each.health, each.error or each.would] for each in verdicts]
    rows += [[each.namespace, f"applicationset/{each.name}", "", "", each.told] for each in sets]
    emit(aligned(["NAMESPACE", "NAME", "SYNC", "HEALTH", "WOULD"], rows))
    found: list[Verdict | SetVerdict] = [*verdicts, *sets]
    if any(each.error for each in found):
        return ExitCode.FAILED
    return ExitCode.DIFFERS if any(each.would for each in found) else ExitCode.OK


class _Run:
    """The engines of one command."""

    def __init__(self, scope: Scope, options: RunOptions) -> None:
        self._scope = scope
        self._options = options
        self._engines: dict[LiveStore, Engine] = {}
        self._hears: tuple[str, int] | None = None
        self._webhooks: dict[LiveStore, HubWebhooks] = {}
        self._rehearsals: list[Rehearsal] = []
        self._running = 0
        self._stopping = asyncio.Event()
        self._traces: Listener | None = None
        self._metrics: Listener | None = None

    def verdicts(self) -> list[Verdict]:
        """What the dry run found, sorted."""
        found = [verdict for rehearsal in self._rehearsals for verdict in rehearsal.verdicts.values()]
        return sorted(found, key=lambda verdict: (verdict.namespace, verdict.name))

    def sets(self) -> list[SetVerdict]:
        """What it found of ApplicationSets, sorted."""
        found = [verdict for rehearsal in self._rehearsals for verdict in rehearsal.sets.values()]
        return sorted(found, key=lambda verdict: (verdict.namespace, verdict.name))

    def stop(self) -> None:
        """Lets the running steps come to their end; called on the engines' loop."""
        self._stopping.set()
        for engine in self._engines.values():
            engine.stop()

    async def work(self) -> None:
        """Runs the engines."""
        connection = Connection(self._scope, git_interval=self._options.git_interval, qps=self._options.qps)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(connection.close)
            await self._tell(connection.stores, stack)
            self._hears = self._options.webhook_listen or connection.webhook_listen
            if self._hears is not None:
                await self._hear(self._hears, stack)
            self._running = len(connection.stores)
            ended = await asyncio.gather(*(self._run_hub(connection, store) for store in connection.stores))
            refused = [error for error in ended if error is not None]
            if refused:
                raise refused[-1]

    async def _tell(self, stores: Iterable[LiveStore], stack: AsyncExitStack) -> None:
        """Begins to tell who looks on."""
        if self._options.traces:
            from backends.tracing import EngineTraces

            self._traces = traces = EngineTraces()
            stack.callback(traces.close)
        if self._options.listen is not None:
            from backends.health_server import HealthServer
            from backends.metrics import EngineMetrics

            def all_of(kind: str) -> list[Obj]:
                return [obj.decode() for store in stores for obj in store.of_kind(GROUP, kind)]

            metrics = EngineMetrics(
                partial(all_of, KIND),
                lambda: sum(engine.waiting for engine in self._engines.values()),
                sets=partial(all_of, SET_KIND),
            )
            server = HealthServer(*self._options.listen, problem=self._problem, metrics=metrics.text)
            self._metrics = metrics
            port = await server.start()
            stack.push_async_callback(server.close)
            _log.info("listening on %s:%d for /healthz and /metrics", self._options.listen[0], port)

    async def _hear(self, address: tuple[str, int], stack: AsyncExitStack) -> None:
        """Begins to take webhooks."""
        from backends.webhook_server import PATH, WebhookServer

        server = WebhookServer(*address, self._receive)
        port = await server.start()
        stack.push_async_callback(server.close)
        _log.info("listening on %s:%d for %s", address[0], port, PATH)

    def _receive(self, method: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Each hub decides by its own secrets whom it believes; one that does is answer enough."""
        answers = [webhooks.receive(method, headers, body) for webhooks in self._webhooks.values()]
        return min(answers, key=lambda answer: answer.status, default=Answer(503, "no hub is reconciled"))

    def _problem(self) -> str:
        """What keeps this process from reconciling, in a sentence."""
        if self._stopping.is_set():
            return "stopping"
        return "" if self._engines else "no hub is reconciled: see the log"

    async def _run_hub(self, connection: Connection, store: LiveStore) -> FleetError | None:
        """Reconciles one hub for as long as it can be used; returns why it can't be any more, None where it is done."""
        delay = FIRST_RETRY
        while not self._stopping.is_set():
            try:
                if self._options.dry_run:
                    await self._rehearse(connection, store)
                else:
                    lease = EngineLease(store.api, SystemClock())
                    await lease.guard(partial(self._reconcile, connection, store, lease))
                return None
            except (UnreachableError, OverloadedError) as error:
                if self._options.once:
                    return self._ended(error)
                _log.warning("cluster %s: %s; next try in %.0f s", store.api.name, error, delay)
                await self._pause(delay)
                delay = min(2 * delay, LAST_RETRY)
            except ForbiddenError as error:
                message = f"the engine may not work on cluster {store.api.name}: {error.message}"
                return self._ended(RefusedError(message, "docs/engine.md, Permissions, says what it needs"))
            except FleetError as error:
                return self._ended(error)
        return None

    def _ended(self, error: FleetError) -> FleetError:
        """Tells why a hub is reconciled no more. The last error ends the command, which says it in its own way."""
        self._running -= 1
        if self._running or self._options.log_format == "json":
            _log.error("%s", error)
        return error

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return

    async def _rehearse(self, connection: Connection, store: LiveStore) -> None:
        # With `once` they are the command's output.
        rehearsal = Rehearsal(log_level=logging.DEBUG if self._options.once else logging.INFO)
        self._rehearsals.append(rehearsal)
        await self._engine(connection, store, rehearsal=rehearsal)

    async def _reconcile(self, connection: Connection, store: LiveStore, lease: EngineLease) -> None:
        recorder = EventRecorder(store.api, SystemClock())
        sending = asyncio.create_task(recorder.run(), name=f"events {store.api.name}")
        try:
            await self._engine(connection, store, recorder, ours_until=lease.ours_until)
            await recorder.drain(LAST_EVENTS)
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    async def _engine(
        self,
        connection: Connection,
        store: LiveStore,
        *listeners: Listener,
        rehearsal: Rehearsal | None = None,
        ours_until: Callable[[], float] = lambda: 0.0,
    ) -> None:
        looking_on = [listener for listener in (*listeners, self._metrics, self._traces) if listener is not None]
        engine = Engine(
            store,
            connection.repositories,
            clock=SystemClock(),
            directory=connection.clusters,
            jq=connection.jq,
            own_repositories=connection.logins_of(store.api.name),
            tools=connection.renderers_of(store.api.name).tools,
            listener=Listeners(*looking_on),
            rehearsal=rehearsal,
            answers=connection.hosting,
            ours_until=ours_until,
        )
        if self._stopping.is_set():
            return
        self._engines[store] = engine
        what = "looking what would be done; nothing is written" if rehearsal else "the engine has begun"
        _log.info("cluster %s (%s): %s", store.api.name, store.api.server, what)
        webhooks = HubWebhooks(store.api, namespace=CONTROL_PLANE_NAMESPACE, clock=SystemClock(), heard=engine.heard)
        if self._hears is not None:
            self._webhooks[store] = webhooks
            webhooks.start()
        try:
            await (_until_settled(engine, store, rehearsal) if self._options.once else engine.run())
        finally:
            webhooks.close()
            self._webhooks.pop(store, None)
            del self._engines[store]


async def _until_settled(engine: Engine, store: LiveStore, rehearsal: Rehearsal | None) -> None:
    """Runs an engine until every Application has been looked at and no operation is in progress."""
    running = asyncio.create_task(engine.run(), name=f"engine {store.api.name}")
    settling = asyncio.create_task(_settled(engine, store, rehearsal), name=f"settling {store.api.name}")
    try:
        await asyncio.wait({running, settling}, return_when=asyncio.FIRST_COMPLETED)
        for task in (running, settling):
            if task.done():
                task.result()
    finally:
        for task in (running, settling):
            task.cancel()
        await asyncio.gather(running, settling, return_exceptions=True)


def _not_reconciled(failures: Mapping[str, Sequence[Exception]]) -> FleetError:
    name, errors = next(iter(failures.items()))
    others = f", and {len(failures) - 1} others neither" if len(failures) > 1 else ""
    return FleetError(f"{name} could not be reconciled in {TRIES} tries{others}: {errors[-1]}")


async def _settled(engine: Engine, store: LiveStore, rehearsal: Rehearsal | None) -> None:
    resource = (await store.api.discover()).by_kind(GROUP, KIND)
    calm = 0
    while True:
        await asyncio.sleep(SETTLED_INTERVAL)
        begun = resource is not None and store.knows(ObjectRef(GROUP, KIND, "", "")) and engine.sets.begun
        calm = calm + 1 if begun and engine.idle else 0
        if calm < 2:
            continue
        failures = {"/".join(key): errors for key, errors in engine.failures.items()}
        failures |= {f"ApplicationSet {'/'.join(key)}": errors for key, errors in engine.sets.failures.items()}
        if failures:
            if all(len(errors) >= TRIES for errors in failures.values()):
                raise _not_reconciled(failures)
            continue
        # A rehearsal leaves operations where they are.
        if rehearsal is not None or not any("operation" in obj.decode() for obj in store.of_kind(GROUP, KIND)):
            return
