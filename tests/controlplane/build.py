"""Finding or building the binaries of a control plane: owns the cache folder they stay in.

Called by the fixtures, and by hand (`python -m tests.controlplane.build`) to have the build behind you.
Starts no server, and imports nothing but the standard library, so that it runs before anything is installed.

Measured on 2 cores with Go 1.26.8: cold build 413 s (2,734 packages; 346 s on an idle machine), with Go's own
build cache 12 s, found again 0.08 s; 198 MB in the cache folder.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

MODULE = Path(__file__).resolve().parent
KUBERNETES_VERSION = "v1.37.2"
KUBECTL_PACKAGE = "k8s.io/kubernetes/cmd/kubectl"
COLD_BUILD = "about 6 minutes on 2 cores"
SILENCE = 20.0
"""Seconds between two lines of progress where the output is no terminal."""

BUILD_ENVIRONMENT = {
    "CGO_ENABLED": "0",  # no C compiler needed
    "GOTOOLCHAIN": "local",  # a test run must not download another Go
    "GOWORK": "off",  # a go.work above the checkout would change what is built
}


@dataclass(frozen=True, kw_only=True)
class Assets:
    """What a control plane is started from; each list is a command to put a component's flags behind."""

    etcd: list[str]
    kube_apiserver: list[str]
    kube_controller_manager: list[str] | None
    """None where KUBEBUILDER_ASSETS has none: Deployments then make no Pods."""
    kubelet: list[str] | None
    """What serves logs and commands of Pods (kubelet.go); None where KUBEBUILDER_ASSETS names the binaries."""
    kubectl: str
    pki: list[str] | None
    """Writes the certificates into the folder given to it; None: openssl has to."""


@dataclass(frozen=True)
class Unavailable:
    """Why there is no control plane here, in one sentence."""

    reason: str


class _CannotBuildError(Exception):
    """The reason that goes into Unavailable; never leaves this module."""


def find_or_build() -> Assets | Unavailable:
    """The binaries KUBEBUILDER_ASSETS names, else the cached ones, else built now, which takes minutes."""
    named = os.environ.get("KUBEBUILDER_ASSETS")
    try:
        if named:
            return _named_assets(Path(named))
        cached = _cache_folder(recipe := _Recipe.here())
        if not _is_complete(cached):
            _build_once(recipe, cached)
        return _built_assets(cached)
    except _CannotBuildError as error:
        return Unavailable(str(error))
    except OSError as error:
        return Unavailable(f"building the control plane failed: {error}")


def _named_assets(folder: Path) -> Assets:
    def find(name: str) -> str | None:
        return shutil.which(name, path=str(folder))

    etcd, apiserver, kubectl = find("etcd"), find("kube-apiserver"), find("kubectl")
    if not (etcd and apiserver and kubectl):
        raise _CannotBuildError(f"KUBEBUILDER_ASSETS={folder} lacks etcd, kube-apiserver or kubectl")
    if not shutil.which("openssl"):
        raise _CannotBuildError("the binaries of KUBEBUILDER_ASSETS need openssl for their certificates")
    manager = find("kube-controller-manager")
    return Assets(
        etcd=[etcd],
        kube_apiserver=[apiserver],
        kube_controller_manager=[manager] if manager else None,
        kubelet=None,
        kubectl=kubectl,
        pki=None,
    )


def _built_assets(folder: Path) -> Assets:
    binary = str(folder / "controlplane")
    return Assets(
        etcd=[binary, "etcd"],
        kube_apiserver=[binary, "kube-apiserver"],
        kube_controller_manager=[binary, "kube-controller-manager"],
        kubelet=[binary, "kubelet"],
        kubectl=str(folder / "kubectl"),
        pki=[binary, "pki"],
    )


@dataclass(frozen=True)
class _Recipe:
    """Everything that decides what the binaries are."""

    go: str
    go_version: str
    ldflags: str

    @classmethod
    def here(cls) -> _Recipe:
        if sys.platform == "win32":
            raise _CannotBuildError("the control plane runs on Linux and macOS only")
        go = shutil.which("go")
        if go is None:
            raise _CannotBuildError("Go is not installed, and KUBEBUILDER_ASSETS names no binaries")
        # Outside of the module, or Go would compare itself with go.mod first and say so in its own words.
        version = _output([go, "version"], cwd=Path(tempfile.gettempdir()))
        _refuse_old_go(version)
        return cls(go=go, go_version=version, ldflags=_ldflags())

    def digest(self) -> str:
        hashed = hashlib.sha256()
        for path in sorted([*MODULE.glob("*.go"), MODULE / "go.mod", MODULE / "go.sum"]):
            hashed.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
        for text in (self.go_version, self.ldflags, repr(BUILD_ENVIRONMENT)):
            hashed.update(text.encode() + b"\0")
        return hashed.hexdigest()[:20]


def _ldflags() -> str:
    """Stripped, and with a version set: clients refuse to parse what an unset one says."""
    major, minor, _ = KUBERNETES_VERSION.removeprefix("v").split(".")
    settings = {
        "gitVersion": KUBERNETES_VERSION,
        "gitMajor": major,
        "gitMinor": minor,
        "gitTreeState": "clean",
    }
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    flags = [f"-X {package}.{key}={value}" for package in packages for key, value in settings.items()]
    return " ".join(["-s -w", *flags])


def _refuse_old_go(version: str) -> None:
    needed = re.search(r"^go (\S+)$", (MODULE / "go.mod").read_text(), re.MULTILINE)
    found = re.search(r"\bgo(\d[\d.]*)", version)
    if not needed or not found:
        raise _CannotBuildError(f"Go does not tell its version: {version}")
    if _numbers(found[1]) < _numbers(needed[1]):
        raise _CannotBuildError(f"Go {found[1]} is too old: the control plane needs Go {needed[1]} or newer")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.strip(".").split("."))


def _cache_folder(recipe: _Recipe) -> Path:
    home = os.environ.get("XDG_CACHE_HOME")
    base = Path(home) if home else Path.home() / ".cache"
    return base / "fleetui" / "controlplane" / recipe.digest() / "bin"


def _is_complete(folder: Path) -> bool:
    # The folder appears by one rename, whole or not at all; somebody may have tidied up within it, though.
    return all(os.access(folder / name, os.X_OK) for name in ("controlplane", "kubectl"))


def _build_once(recipe: _Recipe, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with _lock(target.parent.with_suffix(".lock")):
        if _is_complete(target):  # another run built it while this one waited for the lock
            return
        shutil.rmtree(target, ignore_errors=True)
        # Beside the target, because a rename is atomic within one file system only.
        with tempfile.TemporaryDirectory(dir=target.parent, prefix="building-") as scratch:
            _compile(recipe, Path(scratch))
            finished = Path(scratch) / "bin"
            finished.rename(target)


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    import fcntl  # not on Windows, which _Recipe.here has refused by now

    with path.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("another run is building the control plane; waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield  # closing the file lets go of the lock, as does the end of the process


def _compile(recipe: _Recipe, scratch: Path) -> None:
    started = time.monotonic()
    _say(f"building a Kubernetes {KUBERNETES_VERSION} control plane, once ({COLD_BUILD})")
    packages = [".", KUBECTL_PACKAGE]
    total = len(_output([recipe.go, "list", "-deps", *packages], cwd=MODULE).splitlines())
    binaries = scratch / "bin"
    binaries.mkdir()
    command = [
        recipe.go,
        "build",
        "-v",
        "-trimpath",
        "-ldflags",
        recipe.ldflags,
        "-o",
        f"{binaries}/",
        *packages,
    ]
    with subprocess.Popen(
        command, cwd=MODULE, env=_environment(), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as build:
        last = _follow(build, total, started)
    if build.returncode != 0:
        raise _CannotBuildError(f"go build of the control plane failed: {' / '.join(last)}")
    _say(f"control plane built in {time.monotonic() - started:.0f} s")


def _follow(build: subprocess.Popen[str], total: int, started: float) -> list[str]:
    """Shows how far the build is, which lists each package it compiled; its last lines say why it failed."""
    last: deque[str] = deque(maxlen=5)
    spoken = started
    assert build.stderr is not None
    for done, line in enumerate(build.stderr, start=1):
        last.append(line.strip())
        now = time.monotonic()
        if sys.stderr.isatty():
            sys.stderr.write(f"\r\x1b[K{done}/{total} packages, {now - started:.0f} s")
            sys.stderr.flush()
        elif now - spoken >= SILENCE:
            spoken = now
            _say(f"{done}/{total} packages, {now - started:.0f} s")
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
    return list(last)


def _output(command: list[str], *, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, env=_environment(), capture_output=True, text=True)
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:]
        raise _CannotBuildError(f"{' '.join(command[:2])} failed: {' '.join(last)[:256]}")
    return done.stdout.strip()


def _environment() -> dict[str, str]:
    return {**os.environ, **BUILD_ENVIRONMENT}


def _say(text: str) -> None:
    print(f"controlplane: {text}", file=sys.stderr, flush=True)


def main() -> int:
    """Prints where the binaries are on stdout; 1 and the reason on stderr where there are none."""
    found = find_or_build()
    if isinstance(found, Unavailable):
        _say(f"unavailable: {found.reason}")
        return 1
    print(Path(found.kubectl).parent)
    return 0


if __name__ == "__main__":
    sys.exit(main())
