"""Two hundred broken manifests: each is told with its file, its line and what to do."""

from __future__ import annotations

import pytest

from fleetui.model.errors import ManifestError
from fleetui.render.directory import manifests
from tests.unit.data.broken import BROKEN, GOOD, Broken


def test_there_are_two_hundred_ways() -> None:
    assert len({broken.content for broken in BROKEN}) >= 200


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.what)
def test_a_broken_manifest_is_told_with_file_line_and_what_to_do(broken: Broken) -> None:
    files = {broken.name: broken.content, "good.yaml": GOOD.encode()}
    with pytest.raises(ManifestError) as caught:
        manifests(files, root="shop")
    error = caught.value
    where = f"shop/{broken.name}" + (f":{broken.line}" if broken.line is not None else "")
    assert (error.path, error.line) == (f"shop/{broken.name}", broken.line)
    assert str(error).startswith(f"{where}: ")
    assert broken.said in str(error)
    assert error.hint
    assert str(error).isprintable()
    assert len(str(error)) < 300
