"""The commands of rollouts: plan, begin, look, steer, carry on.

Owns: how a rollout is asked for and followed from a command line. What may happen is decided behind
`fleetui.fleet.rolloutapi.Rollouts`; how it looks is in `fleetui.cli.rollout_output`.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from msgspec.structs import replace

from fleetui.cli import rollout_output as shown
from fleetui.cli.connect import on_fleet, with_fleet
from fleetui.cli.options import Scope
from fleetui.cli.output import emit, emit_rows
from fleetui.cli.read import tell_problems, where_all_answered
from fleetui.cli.report import say
from fleetui.cli.waiting import loaded
from fleetui.engine.rollout.driving import is_driven
from fleetui.fleet import rolloutrules
from fleetui.fleet.audit import Operator
from fleetui.fleet.rolloutapi import PlannedRollout, RolloutRequest, Rollouts, WaveRule
from fleetui.fleet.rolloutpick import chosen, find_rollout
from fleetui.fleet.rolloutview import exit_code
from fleetui.model.errors import ExitCode, RefusedError, UsageError
from fleetui.model.rollout import CellKey, Delivery, Order, Rollout, RolloutEvent, RolloutKey, RolloutPhase, Verb

if TYPE_CHECKING:
    from fleetui.fleet.fleet import LiveFleet

INTERRUPTED = 130
"""What a command ends with that a signal ended, as with a shell's own."""
_WAVES = (WaveRule("all", rest=True),)


# --- what is asked for ----------------------------------------------------------------------------------------------


def request_of(
    moves: Sequence[str],
    *,
    file: Path | None,
    clusters: Sequence[str],
    selector: str,
    waves: Sequence[str],
    gates: Sequence[str],
    max_failures: int | None,
    patience: float | None,
    pull_request: bool,
    message: str,
    truths: Sequence[str],
    field: str,
    name: str,
) -> tuple[RolloutRequest, tuple[str, ...], str]:
    """What the options ask for, over what the file does; and on which clusters, by name and by labels.

    Raises:
        UsageError: something of it can't be read, or nothing is to be moved.
    """
    request = RolloutRequest(moves={}, waves=_WAVES, gates=rolloutrules.USUAL_GATES)
    named: tuple[str, ...] = ()
    labels = ""
    if file is not None:
        from fleetui.cli.rollout_file import read_file

        written = read_file(file)
        request, named, labels = written.request, written.clusters, written.selector
        request = request if request.waves else replace(request, waves=_WAVES)
    given: dict[str, Any] = {
        "moves": {**request.moves, **dict(map(rolloutrules.move, moves))},
        "waves": tuple(map(rolloutrules.wave_rule, waves)),
        "gates": tuple(map(rolloutrules.gate, gates)),
        "message": message,
        "truths": tuple(map(rolloutrules.truth, truths)),
        "field": field,
        "name": name,
        "delivery": Delivery.PULL_REQUEST if pull_request else None,
    }
    request = replace(request, **{field: value for field, value in given.items() if value})
    if max_failures is not None:
        request = replace(request, failures_allowed=max_failures)
    if patience is not None:
        request = replace(request, patience=patience)
    if not request.moves:
        raise UsageError("it takes what goes to which version", "e.g. cert-manager=1.15.0, or -f FILE")
    return request, tuple(clusters) or named, selector or labels


async def _planned(fleet: LiveFleet, asked: dict[str, Any]) -> PlannedRollout:
    request, clusters, selector = request_of(**asked)
    await loaded(fleet)
    await fleet.registered()
    with where_all_answered(fleet):
        cells = chosen(fleet, request.moves, clusters=clusters, selector=selector)
    return await fleet.rollouts.plan(replace(request, cells=cells))


def _refused(planned: PlannedRollout) -> bool:
    """Says why a rollout can't begin, and what is worth knowing of it; whether it can't."""
    for note in planned.notes:
        say(f"fleetui: {note}")
    for refusal in planned.refusals:
        say(f"fleetui: refused: {refusal}")
    return bool(planned.refusals)


def run_plan(scope: Scope, output: str, **asked: Any) -> int:
    """`rollout plan`."""
    request_of(**asked)  # what is wrong with it is said before anything is connected to

    async def work(fleet: LiveFleet) -> int:
        planned = await _planned(fleet, asked)
        shown.plan(planned, output)
        return ExitCode.REFUSED if _refused(planned) else ExitCode.OK

    return with_fleet(scope, work)


def run_start(scope: Scope, output: str, *, yes: str, detach: bool, **asked: Any) -> int:
    """`rollout start`."""
    request_of(**asked)

    async def work(fleet: LiveFleet, began: Callable[[RolloutKey], object]) -> int:
        planned = await _planned(fleet, asked)
        if _refused(planned):
            raise RefusedError("the rollout was not begun")
        if not planned.plan.cells:
            say("fleetui: there is nothing to do: every cell has the version already")
            return ExitCode.OK
        await _confirm(planned, yes)
        rollout = await fleet.rollouts.start(planned, drive=False)
        key = rollout.plan.key
        (click.echo if output == "table" and not detach else say)(f"rollout {key.name} begun")
        began(key)
        if detach:
            return _left(rollout, output)
        return await _carry_on(fleet.rollouts, rollout, output)

    return _until_stopped(scope, work)


async def _confirm(planned: PlannedRollout, yes: str) -> None:
    """Protected clusters want a word, from the command line or typed.

    Raises:
        RefusedError: it was not given, or another one was.
    """
    wanted = planned.type_to_confirm
    if not wanted or yes == wanted:
        return
    if not yes and sys.stdin.isatty():
        say(f"Protected clusters take part. Type {wanted} to begin:")
        yes = await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    if yes.strip() != wanted:
        raise RefusedError("protected clusters take part: nothing was done", f"--yes {wanted} confirms")


# --- carrying it on -------------------------------------------------------------------------------------------------


def _until_stopped(
    scope: Scope, work: Callable[[LiveFleet, Callable[[RolloutKey], object]], Coroutine[Any, Any, int]]
) -> int:
    """Runs `work`, which says which rollout it carries on, until it ends or a signal comes: then the rollout stays as
    it is, and it is said how to go on."""
    from fleetui.cli.service import serve_until_stopped

    codes: list[int] = []
    carried: list[RolloutKey] = []

    async def run() -> None:
        codes.append(await on_fleet(scope, lambda fleet: work(fleet, carried.append)))

    if serve_until_stopped(run) and not codes:
        for key in carried:
            say(f"fleetui: {key.name} stays as it is; fleetui rollout resume {key.name} carries it on")
        return INTERRUPTED
    return codes[0]


class Teller:
    """Prints each event of a rollout once, in whatever pieces it comes."""

    def __init__(self, tell: Callable[[str], object], *, after: Sequence[RolloutEvent] = ()) -> None:
        self._tell = tell
        self._last = after[-1] if after else None

    def __call__(self, rollout: Rollout) -> None:
        events = rollout.state.events
        known = next((place for place in range(len(events) - 1, -1, -1) if events[place] == self._last), -1)
        for event in events[known + 1 :]:
            self._last = event
            self._tell(shown.event_line(event))


async def _carry_on(
    rollouts: Rollouts,
    before: Rollout,
    output: str,
    *,
    told: Sequence[RolloutEvent] = (),
    take_over: bool = False,
    truths: Sequence[str] = (),
) -> int:
    """Drives a rollout, tells each event after those that were `told`, and says how it was left."""
    key = before.plan.key
    teller = Teller(click.echo if output == "table" else say, after=told)
    subscription = rollouts.subscribe(key, teller)
    try:
        await rollouts.drive(key, take_over=take_over, truths=truths)
    finally:
        subscription.close()
    rollout = await rollouts.get(key)
    teller(rollout)
    goes_back = any(each.state.restoring or each.state.phase is RolloutPhase.ROLLING_BACK for each in (before, rollout))
    wanted = RolloutPhase.ROLLED_BACK if goes_back else RolloutPhase.DONE
    code = _left(rollout, output, wanted=wanted)
    if code or rollout.state.phase is wanted:
        return code
    say(f"fleetui: it was taken over; fleetui rollout status {key.name} --watch looks on")
    return ExitCode.DIFFERS  # to whoever waits for its end, this is none


def _left(rollout: Rollout, output: str, *, wanted: RolloutPhase = RolloutPhase.DONE) -> int:
    """Says how a rollout is left and what carries it on; returns the exit status."""
    if output == "table":
        emit(shown.standing(rollout, time.time()))
    else:
        shown.status(rollout, output, now=time.time())
    if (hint := shown.next_step(rollout, time.time())) and wanted is not rollout.state.phase:
        say(f"fleetui: {hint}")
    return exit_code(rollout, wanted=wanted)


# --- looking ---------------------------------------------------------------------------------------------------------


async def _named(fleet: LiveFleet, name: str) -> Rollout:
    await loaded(fleet)
    rollouts = await fleet.rollouts.all()
    with where_all_answered(fleet):
        return find_rollout(rollouts, name)


def show_rollouts(scope: Scope, output: str) -> int:
    """`rollout list`, `get rollouts`."""

    async def work(fleet: LiveFleet) -> int:
        await loaded(fleet)
        rows, now = await fleet.rollouts.all(), time.time()
        if output == "markdown":
            emit(shown.markdown_rows(rows, now))
        else:
            emit_rows(
                rows,
                output,
                document=lambda rollout: shown.document(rollout, whole=False),
                name=lambda rollout: rollout.plan.key.name,
                table=lambda found: shown.rows(found, now),
                empty="No rollouts.",
            )
        return tell_problems(fleet)

    return with_fleet(scope, work)


def show_status(scope: Scope, name: str, output: str, *, watch: bool) -> int:
    """`rollout status`."""

    async def work(fleet: LiveFleet, _: object) -> int:
        rollout = await _named(fleet, name)
        if not watch or output == "table":
            shown.status(rollout, output, now=time.time())
        if watch:
            rollout = await _followed(fleet.rollouts, rollout, click.echo if output == "table" else say)
            if output == "table":
                emit(shown.standing(rollout, time.time()))
            else:
                shown.status(rollout, output, now=time.time())
        return exit_code(rollout)

    return _until_stopped(scope, work) if watch else with_fleet(scope, lambda fleet: work(fleet, None))


async def _followed(rollouts: Rollouts, rollout: Rollout, tell: Callable[[str], object]) -> Rollout:
    """Tells each event of a rollout until it ends; returns it as it is then."""
    teller, ended = Teller(tell, after=rollout.state.events), asyncio.Event()
    found = [rollout]

    def changed(now: Rollout) -> None:
        found.append(now)
        teller(now)
        if now.state.phase.ended:
            ended.set()

    subscription = rollouts.subscribe(rollout.plan.key, changed)
    try:
        await ended.wait()
    finally:
        subscription.close()
    return found[-1]


def run_export(scope: Scope, name: str, output: str) -> int:
    """`rollout export`."""

    async def work(fleet: LiveFleet) -> int:
        shown.export(await _named(fleet, name), output)
        return ExitCode.OK

    return with_fleet(scope, work)


# --- steering --------------------------------------------------------------------------------------------------------


def cell_key(text: str) -> CellKey:
    """``CLUSTER/ADDON``, where the addon has no slash.

    Raises:
        UsageError: it is none.
    """
    from fleetui.model.objects import ClusterName

    cluster, slash, addon = text.rpartition("/")
    if not (cluster and slash and addon):
        raise UsageError(f"--cell {text} is not CLUSTER/ADDON", "e.g. seoul-1/cert-manager")
    return CellKey(ClusterName(cluster), addon)


def run_order(
    scope: Scope,
    verb: str,
    name: str,
    output: str,
    *,
    cells: Sequence[str] = (),
    reason: str = "",
    drive: bool = False,
    take_over: bool = False,
    truths: Sequence[str] = (),
) -> int:
    """Asks something of a rollout; with `drive` carries it on from here, where nobody does."""
    keys = tuple(map(cell_key, cells))
    order = Order(Verb(verb), Operator.current().who, cells=keys, reason=reason)

    async def work(fleet: LiveFleet, began: Callable[[RolloutKey], object]) -> int:
        before = rollout = await _named(fleet, name)
        key = rollout.plan.key
        resumes = order.verb is Verb.RESUME
        # What runs needs no order to be carried on: its driver may be gone.
        if not resumes or rollout.state.phase in {RolloutPhase.PAUSED, RolloutPhase.HALTED}:
            rollout = await fleet.rollouts.order(key, order)
        alone = not is_driven(rollout, time.time())
        if drive and not rollout.state.phase.ended and (alone or take_over or resumes):
            began(key)
            await fleet.registered()  # whether a cell's cluster answers
            told = before.state.events
            return await _carry_on(fleet.rollouts, rollout, output, told=told, take_over=take_over, truths=truths)
        wanted = {Verb.ABORT: RolloutPhase.ABORTED, Verb.PAUSE: RolloutPhase.PAUSED}
        return _left(rollout, output, wanted=wanted.get(order.verb, RolloutPhase.DONE))

    return _until_stopped(scope, work) if drive else with_fleet(scope, lambda fleet: work(fleet, lambda _: None))
