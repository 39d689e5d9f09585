"""Settings, folders and the log: what this process is told from outside.

Owns: `Paths` (XDG base directories), `Settings` (``config.yaml``), `set_up_log`. Called by the composition root.
Never here: kubeconfig, which `backends.kube` reads.
"""

from __future__ import annotations

import fnmatch
import logging
import logging.handlers
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from fleetui.model.errors import UsageError

NAME = "fleetui"
_LOG_BYTES = 2_000_000


@dataclass(frozen=True)
class Paths:
    """The folders of this user (XDG Base Directory Specification 0.8)."""

    config: Path
    state: Path
    cache: Path

    @classmethod
    def of(cls, environ: Mapping[str, str] = os.environ) -> Paths:
        """From `XDG_CONFIG_HOME`, `XDG_STATE_HOME`, `XDG_CACHE_HOME`; a relative one is ignored, as the specification
        has it."""
        home = Path(environ.get("HOME") or Path.home())
        return cls(
            config=_base(environ.get("XDG_CONFIG_HOME", ""), home / ".config"),
            state=_base(environ.get("XDG_STATE_HOME", ""), home / ".local" / "state"),
            cache=_base(environ.get("XDG_CACHE_HOME", ""), home / ".cache"),
        )

    @property
    def settings_file(self) -> Path:
        return self.config / "config.yaml"

    @property
    def audit_file(self) -> Path:
        return self.state / "audit.jsonl"

    @property
    def discovery_folder(self) -> Path:
        """Where what API servers serve is kept."""
        return self.cache / "discovery"

    @property
    def saved_folder(self) -> Path:
        """Where screens are saved."""
        return self.state / "saved"

    @property
    def log_file(self) -> Path:
        return self.state / "fleetui.log"


@dataclass(frozen=True)
class Settings:
    """What ``config.yaml`` says; an absent file is an empty one."""

    protected: tuple[str, ...] = ()
    """Globs of cluster names (``prod-*``) where an action asks for the cluster's name to be typed; none by default."""
    namespaces: tuple[str, ...] = ()
    """Where applications are looked for on a cluster whose user may not list those of all namespaces, besides the
    context's own namespace."""

    argocd_namespaces: tuple[str, ...] = ("argocd",)
    """Where a hub's cluster and repository Secrets are believed: the namespaces of Argo CD's control plane."""
    hub_exec_plugins: tuple[str, ...] = ()
    """Programs that a hub's Secrets may have run on this machine to log in, besides the clouds' own helpers for the
    clouds' own servers (`backends.hub_plugins`)."""

    webhook_listen: tuple[str, int] | None = None
    """Where `engine run` takes the webhooks of Git hosts; None: nowhere."""

    addon_label: str = "addon"
    """The label of an application that names its addon (`fleetui.fleet.cells`)."""
    addon_selector: str = ""
    """Which applications are addons, by their labels; empty: those of ApplicationSets, and those with the label."""

    git_submodules: bool = True
    """Whether the submodules that a commit pins are part of its files."""

    git_hosts: Mapping[str, str] = field(default_factory=dict)
    """The kinds of the user's own Git hosts by their names (``git.example.com: gitea``), where pull requests are opened
    with the tokens of his environment."""

    def protects(self, cluster: str) -> bool:
        return any(fnmatch.fnmatchcase(cluster, glob) for glob in self.protected)


def load_settings(path: Path) -> Settings:
    """The settings in `path`.

    Raises:
        UsageError: it can't be read, is no YAML map, or has a key or value that is not known.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Settings()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} can't be read: {error}") from error
    values = _parse(path, text)
    for key in values:
        if key not in _READERS:
            raise UsageError(f"{path}: there is no setting {key!r}", _nearest(str(key)))
    return Settings(**{key: _READERS[key](path, value) for key, value in values.items()})


def set_up_log(path: Path, *, level: int = logging.INFO) -> None:
    """Sends the log to a file (2 MB, one older kept): the terminal belongs to the console and to commands' output.

    A folder that can't be written costs the log, not the program.
    """
    logger = logging.getLogger()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handler: logging.Handler = logging.handlers.RotatingFileHandler(
            path, maxBytes=_LOG_BYTES, backupCount=1, encoding="utf-8"
        )
    except OSError:
        handler = logging.NullHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(level)


def _base(value: str, default: Path) -> Path:
    chosen = Path(value) if value else default
    return (chosen if chosen.is_absolute() else default) / NAME


def _parse(path: Path, text: str) -> Mapping[Any, Any]:
    import yaml  # 15 ms that a command without a settings file does not pay

    try:
        values = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        raise UsageError(f"{where}: this is no YAML: {getattr(error, 'problem', None) or error}") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise UsageError(f"{path}: settings are a map of keys to values, such as protected: [prod-*]")
    return values


def _nearest(key: str) -> str:
    near = get_close_matches(key, _READERS, n=1)
    return f"did you mean {near[0]!r}?" if near else "known settings: " + ", ".join(_READERS)


def _globs(path: Path, value: Any) -> tuple[str, ...]:
    if isinstance(value, list) and all(isinstance(glob, str) and glob for glob in value):
        return tuple(value)
    raise UsageError(f"{path}: protected is a list of cluster names or globs, such as [prod-*]")


def _namespaces(path: Path, value: Any) -> tuple[str, ...]:
    if isinstance(value, list) and all(isinstance(name, str) and name for name in value):
        return tuple(value)
    raise UsageError(f"{path}: namespaces is a list of namespaces to look into, such as [team-a, team-b]")


def _argocd_namespaces(path: Path, value: Any) -> tuple[str, ...]:
    if isinstance(value, list) and value and all(isinstance(name, str) and name for name in value):
        return tuple(value)
    raise UsageError(f"{path}: argocd_namespaces is a list of namespaces, such as [argocd]")


def _programs(path: Path, value: Any) -> tuple[str, ...]:
    if isinstance(value, list) and all(isinstance(name, str) and name and "/" not in name for name in value):
        return tuple(value)
    raise UsageError(f"{path}: hub_exec_plugins is a list of programs of the PATH, such as [gke-gcloud-auth-plugin]")


def listen_address(value: str) -> tuple[str, int] | None:
    """``HOST:PORT``, or ``:PORT`` for every address of this machine; None where it is neither."""
    host, colon, port = value.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        return None
    return host.strip("[]") or "0.0.0.0", int(port)


def _webhook_listen(path: Path, value: Any) -> tuple[str, int]:
    found = listen_address(value) if isinstance(value, str) else None
    if found is None:
        raise UsageError(f'{path}: webhook_listen is an address to listen on, such as "127.0.0.1:8083"')
    return found


def _addon_label(path: Path, value: Any) -> str:
    if isinstance(value, str) and value:
        return value
    raise UsageError(f"{path}: addon_label is the name of a label, such as addon")


def _addon_selector(path: Path, value: Any) -> str:
    from fleetui.model import selectors

    try:
        selectors.parse(value)
    except (TypeError, AttributeError, ValueError) as error:
        raise UsageError(f"{path}: addon_selector is a label selector, such as tier=addon,team!=test") from error
    return str(value)


def _git_submodules(path: Path, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise UsageError(f"{path}: git_submodules is true or false")


GIT_HOSTS = ("github", "gitlab", "gitea", "bitbucketServer", "azureDevOps")


def _git_hosts(path: Path, value: Any) -> Mapping[str, str]:
    if isinstance(value, dict) and all(isinstance(host, str) and kind in GIT_HOSTS for host, kind in value.items()):
        return value
    kinds = ", ".join(GIT_HOSTS)
    raise UsageError(f"{path}: git_hosts is a map of hosts to their kinds ({kinds}), such as git.example.com: gitea")


_READERS: Mapping[str, Callable[[Path, Any], Any]] = {
    "protected": _globs,
    "namespaces": _namespaces,
    "argocd_namespaces": _argocd_namespaces,
    "hub_exec_plugins": _programs,
    "webhook_listen": _webhook_listen,
    "addon_label": _addon_label,
    "addon_selector": _addon_selector,
    "git_submodules": _git_submodules,
    "git_hosts": _git_hosts,
}
