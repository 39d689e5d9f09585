"""The commands that change something (`sync`, `refresh`, `rollback`, `suspend`, `resume`, `terminate`), and `wait`.

Owns: how an action is asked for and followed. The action itself goes through the fleet's one dispatcher, as from the
console.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from fleetui.cli.connect import scope_of, with_fleet
from fleetui.cli.options import Scope
from fleetui.cli.read import loaded_app
from fleetui.cli.report import say
from fleetui.fleet.restore import restore_automation, resume_hint
from fleetui.fleet.views import Action, ActionKind
from fleetui.fleet.wait import wait_for
from fleetui.model.app import App, AppKey
from fleetui.model.errors import ExitCode, MissingError, RefusedError, UsageError
from fleetui.model.objects import ObjectRef
from fleetui.model.status import OperationPhase

if TYPE_CHECKING:
    from fleetui.fleet.fleet import LiveFleet

UNHEARD = 5.0
"""Seconds after which whoever waits is told that no engine has begun what was asked for."""


def resource_ref(text: str) -> ObjectRef:
    """``GROUP/KIND/NAMESPACE/NAME``; the core group and the namespace of a cluster-scoped object are empty.

    Raises:
        UsageError: it has not four parts.
    """
    parts = text.split("/")
    if len(parts) != 4 or not parts[1] or not parts[3]:
        raise UsageError(f"--resource {text} is not GROUP/KIND/NAMESPACE/NAME", "e.g. apps/Deployment/shop/api")
    return ObjectRef(*parts)


def run_sync(
    scope: Scope,
    text: str,
    *,
    revision: str,
    prune: bool,
    dry_run: bool,
    resources: Sequence[str],
    yes: str,
    wait: bool,
    timeout: float | None,
) -> int:
    """`sync APP`."""
    chosen = tuple(resource_ref(one) for one in resources)

    async def work(fleet: LiveFleet) -> int:
        key = await loaded_app(fleet, text, scope)
        action = Action(
            kind=ActionKind.SYNC, app=key, revision=revision, prune=prune, dry_run=dry_run, resources=chosen
        )
        return await _do(fleet, action, yes=yes, wait=wait or dry_run, settle=wait and not dry_run, timeout=timeout)

    return with_fleet(scope_of(scope, text), work)


def run_refresh(scope: Scope, text: str, *, hard: bool) -> int:
    """`refresh APP`."""

    async def work(fleet: LiveFleet) -> int:
        key = await loaded_app(fleet, text, scope)
        return await _do(fleet, Action(kind=ActionKind.REFRESH, app=key, hard=hard))

    return with_fleet(scope_of(scope, text), work)


def run_rollback(
    scope: Scope,
    text: str,
    history_id: int | None,
    *,
    prune: bool,
    dry_run: bool,
    revert: bool,
    restore: bool,
    yes: str,
    wait: bool,
    timeout: float | None,
) -> int:
    """`rollback APP [ID]`.

    Raises:
        UsageError: `revert` with what only a rollback in the cluster has, or `restore` where nothing is switched off.
    """
    if dry_run and restore:
        raise UsageError("--dry-run switches no automated sync off: --restore-auto-sync doesn't go with it")
    if revert and (prune or dry_run or restore):
        raise UsageError("--revert makes a commit: --prune, --dry-run and --restore-auto-sync don't go with it")

    async def work(fleet: LiveFleet) -> int:
        key = await loaded_app(fleet, text, scope)
        app = fleet.apps[key]
        chosen = history_id if history_id is not None else _previous(app)
        kind = ActionKind.REVERT if revert else ActionKind.ROLLBACK
        action = Action(kind=kind, app=key, history_id=chosen, prune=prune, dry_run=dry_run, restore=restore)
        ended = await _do(fleet, action, yes=yes, wait=(wait or dry_run or restore) and not revert, timeout=timeout)
        if ended != ExitCode.OK or not restore:
            return ended
        if not app.automation.enabled:
            say(f"fleetui: automated sync of {key} was off before, and stays off")
            return ended
        say(f"fleetui: waiting until Git has moved on from {app.revision[:7]}; later: {resume_hint(key)}")
        outcome = await restore_automation(fleet, key, away_from=app.revision, timeout=timeout)
        click.echo(outcome.message)
        return ExitCode.OK

    return with_fleet(scope_of(scope, text), work)


def run_plain(scope: Scope, kind: str, text: str, *, yes: str) -> int:
    """`suspend`, `resume` and `terminate APP`: the name of the command is the action's."""

    async def work(fleet: LiveFleet) -> int:
        key = await loaded_app(fleet, text, scope)
        return await _do(fleet, Action(kind=ActionKind(kind), app=key), yes=yes)

    return with_fleet(scope_of(scope, text), work)


def run_wait(scope: Scope, text: str, *, sync: bool, health: bool, timeout: float | None) -> int:
    """`wait APP`."""

    async def work(fleet: LiveFleet) -> int:
        key = await loaded_app(fleet, text, scope)
        app = await wait_for(fleet, key, sync=sync, health=health, operation=True, timeout=timeout)
        click.echo(f"{key}: {app.sync}, {app.health.status}")
        return ExitCode.OK

    return with_fleet(scope_of(scope, text), work)


async def _do(
    fleet: LiveFleet,
    action: Action,
    *,
    yes: str = "",
    wait: bool = False,
    settle: bool = False,
    timeout: float | None = None,
) -> int:
    await _confirm(fleet, action, yes)
    outcome = await fleet.execute(action)
    if not outcome.accepted:
        say(f"fleetui: {outcome.message}")
        return ExitCode.FAILED
    click.echo(outcome.message)
    if not wait:
        return ExitCode.OK
    unheard = asyncio.get_running_loop().call_later(UNHEARD, _tell_unheard, fleet, action.app)
    try:
        app = await wait_for(fleet, action.app, operation=True, timeout=timeout)
    finally:
        unheard.cancel()
    failed = _tell_end(action.app, app)
    if failed or not settle:
        return ExitCode.FAILED if failed else ExitCode.OK
    app = await wait_for(fleet, action.app, sync=True, health=True, timeout=timeout)
    click.echo(f"{action.app}: {app.sync}, {app.health.status}")
    return ExitCode.OK


async def _confirm(fleet: LiveFleet, action: Action, yes: str) -> None:
    """A protected cluster wants its name, from the command line or typed.

    Raises:
        RefusedError: it was not given, or another one was.
    """
    wanted = (await fleet.plan(action)).type_to_confirm if not action.dry_run else ""
    if not wanted or yes == wanted:
        return
    if not yes and sys.stdin.isatty():
        say(f"{wanted} is protected. Type its name to {action.kind} {action.app}:")
        yes = await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    if yes.strip() != wanted:
        raise RefusedError(f"cluster {wanted} is protected: nothing was done", f"--yes {wanted} confirms")


def _tell_unheard(fleet: LiveFleet, key: AppKey) -> None:
    app = fleet.apps.get(key)
    if app is not None and app.pending:
        say(f"fleetui: no engine has begun it yet; is one running for {key.hub} (fleetui engine run, or Argo CD)?")


def _tell_end(key: AppKey, app: App) -> bool:
    """Prints how the operation ended; whether it failed."""
    operation = app.operation
    if operation is None:
        return False
    click.echo(f"{key}: {operation.phase}: {operation.message}")
    for result in operation.results:
        click.echo(f"  {result.ref}  {result.status or result.hook_phase}  {result.message}")
    return operation.phase is not OperationPhase.SUCCEEDED


def _previous(app: App) -> int:
    """The history's last entry but one.

    Raises:
        MissingError: there is none.
    """
    ids = sorted(entry.id for entry in app.history)
    if len(ids) < 2:
        raise MissingError(f"{app.key} has no earlier entry in its history to roll back to")
    return ids[-2]
