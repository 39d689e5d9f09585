"""The ApplicationSets' table and the preview of one: what they show, and what their keys do."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import yaml

from fleetui.engine.appset import generate
from fleetui.engine.appset.applicationset import ApplicationSet
from fleetui.engine.appset.preview import Preview, preview
from fleetui.fleet.appsets import AppSets, view_of
from fleetui.model.errors import ClusterError
from fleetui.model.objects import ClusterName, Obj
from screens.appsets import AppSetsScreen, PreviewScreen
from tests.screens.console import Console, console
from tests.screens.fake_fleet import FakeFleet, small_fleet

HUB = ClusterName("prod-eu-1")


def appset(*versions: tuple[str, str], name: str = "addons", **status: Any) -> Obj:
    return {
        "kind": "ApplicationSet",
        "metadata": {"name": name, "namespace": "argocd", "uid": "u1"},
        "spec": {
            "generators": [{"list": {"elements": [{"name": each, "version": version} for each, version in versions]}}],
            "template": {
                "metadata": {"name": "{{name}}"},
                "spec": {
                    "project": "default",
                    "source": {"repoURL": "https://git/x", "path": "addons", "targetRevision": "{{version}}"},
                    "destination": {"server": "https://seoul-1", "namespace": "{{name}}"},
                },
            },
        },
        "status": status,
    }


BEFORE = appset(("cert-manager", "1.14"), ("ingress", "4.0"), ("velero", "5.0"), resourcesCount=3)
EDITED = appset(("cert-manager", "1.15"), ("ingress", "4.0"), ("loki", "2.0"))
WRONG = appset(
    name="broken", conditions=[{"type": "ErrorOccurred", "status": "True", "message": "spec.generators[0]: is wrong"}]
)


def would() -> Preview:
    owner = ApplicationSet(BEFORE).owner_reference
    live = [each.app for each in generate(BEFORE).applications]
    owned = [{**app, "metadata": {**app["metadata"], "ownerReferences": [owner]}} for app in live]
    return preview(ApplicationSet(EDITED), generate(EDITED), owned)


def fleet() -> FakeFleet:
    found = small_fleet()
    found.appset_list = AppSets((view_of(HUB, BEFORE), view_of(HUB, WRONG)))
    found.would = would()
    return found


async def opened(found: Console) -> AppSetsScreen:
    await found.press("colon")
    await found.enter("appsets")
    await found.until(lambda: isinstance(found.screen, AppSetsScreen), "the ApplicationSets")
    await found.still()
    return cast(AppSetsScreen, found.screen)


async def previewed(found: Console) -> PreviewScreen:
    await found.until(lambda: isinstance(found.screen, PreviewScreen), "the preview")
    await found.still()
    return cast(PreviewScreen, found.screen)


def flat(found: Console) -> str:
    return " ".join(found.text.split())


async def test_it_shows_the_sets_with_what_is_wrong_and_previews_the_one_under_the_cursor() -> None:
    scripted = fleet()
    async with console(scripted, size=(140, 40)) as found:
        screen = await opened(found)
        assert "2 sets" in flat(found)
        await found.press("n")
        await found.still()
        assert screen.name_under_cursor() == "broken"
        assert "spec.generators[0]: is wrong" in flat(found)
        await found.press("g", "enter")
        shown = await previewed(found)
        said = flat(found)
        assert "1 deleted, 1 created, 1 changed, 1 same" in said
        assert "- velero is deleted: it is made no more" in said
        assert "+ loki is created" in said
        assert '~ spec.source.targetRevision: "1.14"' in said
        assert "ingress" not in said
        assert shown.command_line() == "fleetui appset diff --context=prod-eu-1 -n argocd addons"
        await found.press("f", "G")
        await found.still()
        assert "= ingress is same" in flat(found)
        before = len(scripted.previewed)
        await found.press("r")
        await found.until(lambda: len(scripted.previewed) == before + 1, "generated again")


async def test_looks() -> None:
    async with console(fleet()) as found:
        await opened(found)
        await found.press("j")
        await found.still()
        found.looks("appsets-80x24")
        await found.press("k", "d")
        await previewed(found)
        found.looks("appset-preview-80x24")


async def test_an_edited_file_is_asked_for_and_read(tmp_path: Path) -> None:
    edited = tmp_path / "addons.yaml"
    edited.write_text(yaml.safe_dump_all([WRONG, EDITED]))
    scripted = fleet()
    async with console(scripted, size=(140, 40)) as found:
        await opened(found)
        await found.press("e")
        await found.enter(str(edited))
        shown = await previewed(found)
        await found.until(lambda: bool(scripted.previewed), "the question")
        (key, obj) = scripted.previewed[-1]
        assert key.name == "addons"
        assert obj == EDITED
        assert f"-f {edited}" in shown.command_line()
        await found.press("escape", "e")
        await found.enter(str(tmp_path / "nothing.yaml"))
        await previewed(found)
        await found.until(lambda: "can't be read" in flat(found), "the error")


async def test_what_can_not_be_read_is_told() -> None:
    scripted = fleet()
    scripted.appset_list = AppSets((), ("prod-eu-1: you may not list applicationsets",))
    async with console(scripted) as found:
        await opened(found)
        assert "prod-eu-1: you may not list applicationsets" in flat(found)
    scripted = fleet()
    scripted.would = ClusterError("prod-eu-1: no answer")
    async with console(scripted) as found:
        await opened(found)
        await found.press("d")
        await previewed(found)
        await found.until(lambda: "no answer" in flat(found), "the error")
