"""Field by field, the engine says of an Application what the real Argo CD v3.6.1 said of it (verdicts.py)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.conftest import Stage
from tests.e2e.story import Story
from tests.e2e.verdicts import RECORDED, STORIES, Teller


@pytest.fixture
def teller(request: pytest.FixtureRequest, story: Story) -> Iterator[Teller]:
    told = Teller(story, request.node.callspec.params["title"])
    try:
        yield told
    finally:
        story.client.delete("configmap", "argocd-cm", "argocd")


@pytest.mark.parametrize("stage", [pytest.param("control_plane", id="real", marks=pytest.mark.real)], indirect=True)
@pytest.mark.parametrize("title", STORIES)
def test_it_comes_to_what_argo_cd_makes_of_it(title: str, teller: Teller, stage: Stage) -> None:
    STORIES[title](teller)


def test_every_story_has_been_told_to_argo_cd() -> None:
    assert RECORDED.keys() == STORIES.keys()
