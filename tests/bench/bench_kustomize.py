"""How fast kustomizations are built: ``python -m tests.bench.bench_kustomize``.

An overlay of eight objects (an application as they are: base, overlay, images, labels, patches, generators), built here
and by the binary, one after the other so that both see the same machine. Wanted: 50 times as fast as the binary.
"Cold" is a process's first build of these files, when nothing that was parsed is remembered.
"""

from __future__ import annotations

import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from fleetui.render.cache import ByteCache
from fleetui.render.kustomize import build, documents, kustomization
from tests.unit.kustomize_overlays import find_kustomize, overlay

OVERLAY = "eight-objects"
ROUNDS = 40


def main() -> None:
    it = overlay(OVERLAY)
    binary = find_kustomize()
    with tempfile.TemporaryDirectory() as root:
        for path, content in it.files.items():
            target = Path(root, path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        command = [binary, "build", str(Path(root, it.folder))]
        warm, cold, theirs = [], [], []
        for _ in range(ROUNDS):
            theirs.append(seconds(lambda: subprocess.run(command, check=True, capture_output=True)))
            forget()
            cold.append(seconds(lambda: build(it.files, it.folder)))
            warm.append(seconds(lambda: build(it.files, it.folder)))
    show("kustomize build", theirs, theirs)
    show("native, cold", cold, theirs)
    show("native, warm", warm, theirs)


def forget() -> None:
    documents._parsed = ByteCache(2**20)
    for remembered in (kustomization.read, kustomization.unedited, kustomization.line_of):
        remembered.cache_clear()


def seconds(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def show(name: str, taken: list[float], beside: list[float]) -> None:
    median = statistics.median(taken)
    ratio = statistics.median(beside) / median
    print(f"{name:<18} {median * 1000:8.2f} ms (best {min(taken) * 1000:.2f})   {ratio:6.1f} x")


if __name__ == "__main__":
    main()
