"""The versions that Git has beside those of the fleet."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from fleetui.fleet.rolloutversions import beside, versions_in_git
from fleetui.gitports import Repository
from fleetui.model.app import App, Source
from tests.unit.addon_fleet import AddonFleet


@pytest.fixture
async def fleet(tmp_path: Path) -> AsyncIterator[AddonFleet]:
    made = AddonFleet(tmp_path)
    yield made
    await made.close()


@pytest.mark.parametrize(
    ("before", "after", "versions"),
    [
        ("addons/dns", "", {"0.7", "v0.8.1"}),
        ("addons/dns", "prod", {"0.7"}),
        ("", "", {"1.2"}),
        ("addons", "", set()),
    ],
)
def test_folders_whose_name_is_a_version(before: str, after: str, versions: set[str]) -> None:
    files = [
        "addons/dns/0.7/prod/a.yaml",
        "addons/dns/v0.8.1/a.yaml",
        "addons/dns/base/a.yaml",
        "addons/dns/9",
        "1.2/a",
    ]
    assert beside(files, before, after) == versions


async def test_what_stands_beside_a_versions_folder_is_found_once_for_all_clusters(fleet: AddonFleet) -> None:
    fleet.addon("dns", "0.8")
    apps = [fleet.app(cluster, "dns", "0.7") for cluster in ("seoul-1", "tokyo-1")]
    opened = []

    def repository(app: App) -> Repository:
        opened.append(app.key)
        return fleet.origins.opened(app.source.repo_url, hub=app.key.hub)

    assert await versions_in_git(apps, repository) == {"0.7", "0.8"}
    assert len(opened) == 1


async def test_nothing_is_asked_for_charts_and_paths_without_a_version(fleet: AddonFleet) -> None:
    app = fleet.app("seoul-1", "dns", "0.7")
    sources = (
        Source("https://charts.example.com", "", "1.2.3", "dns"),
        Source(app.source.repo_url, "addons/dns", "main"),
    )
    apps = [replace(app, source=source) for source in sources]
    assert await versions_in_git(apps, opened=lambda app: pytest.fail(f"{app.key} was asked for")) == frozenset()
