"""What servers served, on disk: found again, never trusted, shared by processes, bounded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from backends.kube import discovery_cache
from backends.kube.discovery import Document, Served
from backends.kube.discovery_cache import DiscoveryCache
from fleetui.model.objects import ApiResource

PODS = ApiResource("", "v1", "Pod", "pods", namespaced=True, verbs=frozenset({"list"}), short_names=("po",))
SERVED = Served("v1.37.2", Document((PODS,), etag='"A"'), Document((), ("metrics.k8s.io/v1beta1",), etag='"B"'))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "discovery"


@pytest.fixture
def cache(folder: Path) -> DiscoveryCache:
    made = DiscoveryCache(folder, identity="https://a:6443")
    made.keep(SERVED)
    return made


def the_file(folder: Path) -> Path:
    (found,) = folder.iterdir()
    return found


def test_what_was_kept_is_found_again_by_this_user_alone(folder: Path, cache: DiscoveryCache) -> None:
    assert cache.load() == SERVED
    assert DiscoveryCache(folder, identity="https://b:6443").load() is None
    assert folder.stat().st_mode & 0o777 == 0o700
    assert the_file(folder).stat().st_mode & 0o777 == 0o600
    assert "https" not in the_file(folder).name


def test_what_can_not_be_asked_about_again_is_not_kept(folder: Path) -> None:
    cache = DiscoveryCache(folder, identity="a")
    cache.keep(Served("v1.20.0", Document((PODS,)), Document()))
    assert not folder.exists()
    assert cache.load() is None


def rewritten(**change: object) -> Callable[[Path], object]:
    def spoil(path: Path) -> None:
        path.write_text(json.dumps(json.loads(path.read_bytes()) | change))

    return spoil


def as_a_link(path: Path) -> None:
    other = path.parent.parent / "elsewhere"
    path.rename(other)
    path.symlink_to(other)


def as_a_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda path: path.write_bytes(path.read_bytes()[:-9]), id="cut off"),
        pytest.param(lambda path: path.write_bytes(b"\xff\x00"), id="no text"),
        pytest.param(lambda path: path.write_bytes(b"[" * 100_000), id="nested"),
        pytest.param(lambda path: path.write_bytes(b""), id="empty"),
        pytest.param(lambda path: os.truncate(path, 2**40), id="enormous"),
        pytest.param(lambda path: path.chmod(0o666), id="others may write it"),
        pytest.param(lambda path: path.parent.chmod(0o777), id="others may write the folder"),
        pytest.param(as_a_link, id="a link"),
        pytest.param(as_a_fifo, id="a pipe"),
        pytest.param(rewritten(program="0.0.0"), id="another version"),
        pytest.param(rewritten(identity="of another server"), id="another server"),
        pytest.param(rewritten(served={"version": 3}), id="another shape"),
    ],
)
def test_what_is_not_as_it_was_written_counts_as_missing(
    folder: Path, cache: DiscoveryCache, spoil: Callable[[Path], object]
) -> None:
    spoil(the_file(folder))
    assert cache.load() is None


def test_names_that_no_server_would_send_are_dropped(folder: Path, cache: DiscoveryCache) -> None:
    evil = [msgspec.structs.replace(PODS, kind="E\x1b[31m"), msgspec.structs.replace(PODS, plural="../../secrets")]
    cache.keep(Served("v1\x1b", Document((PODS, *evil), etag='"A"\r\nX-Evil: 1'), Document(etag='"B"')))
    found = cache.load()
    assert found is not None
    assert found.core == Document((PODS,), etag="")
    assert found.version.isprintable()


def test_a_folder_that_can_not_be_written_is_no_error(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    cache = DiscoveryCache(blocked / "discovery", identity="a")
    cache.keep(SERVED)
    assert cache.load() is None
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    theirs.chmod(0o777)
    DiscoveryCache(theirs, identity="a").keep(SERVED)
    assert list(theirs.iterdir()) == []


def test_the_folder_does_not_grow_for_ever(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery_cache, "_MOST", 3)
    caches = [DiscoveryCache(folder, identity=str(number)) for number in range(5)]
    now = time.time()
    for age, cache in enumerate(caches[:4]):
        cache.keep(SERVED)
        os.utime(cache._path, (now - 100 + age, now - 100 + age))
    # It was used, so it stays.
    assert caches[1].load() == SERVED
    left, fresh = folder / ".left", folder / ".fresh"
    for path, age in ((left, 7200), (fresh, 0)):
        path.touch()
        os.utime(path, (now - age, now - age))
    monkeypatch.setattr(discovery_cache, "_MOST", 4)
    caches[4].keep(SERVED)
    assert [cache.load() is not None for cache in caches] == [False, True, False, True, True]
    assert (left.exists(), fresh.exists()) == (False, True)
    os.utime(caches[3]._path, (now - 40 * 86400, now - 40 * 86400))
    caches[4].keep(SERVED)
    assert caches[3].load() is None


def test_processes_that_write_and_read_at_once_see_whole_files(folder: Path, cache: DiscoveryCache) -> None:
    code = """
import sys
from pathlib import Path
from backends.kube.discovery import Document, Served
from backends.kube.discovery_cache import DiscoveryCache
from fleetui.model.objects import ApiResource
cache = DiscoveryCache(Path(sys.argv[1]), identity="https://a:6443")
for number in range(100):
    many = tuple(ApiResource("g", "v1", f"K{i}", f"k{i}s", True) for i in range(number * 5))
    cache.keep(Served("v1.37.2", Document(many, etag='"A"'), Document(etag='"B"')))
    assert cache.load() is not None
"""
    writers = [subprocess.Popen([sys.executable, "-c", code, str(folder)]) for _ in range(2)]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    assert cache.load() is not None
    assert len(list(folder.iterdir())) == 1
