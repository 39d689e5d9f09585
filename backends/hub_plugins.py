"""Which programs a hub's Secrets may have run on this machine.

Owns: `refusal`, the rule, and `KNOWN`, the credential helpers that need no consent. Pure; called by the readers of
hubs' Secrets.

Argo CD runs the program of `execProviderConfig` on its own server, as itself. Here it would run as the operator, with
the operator's logins, because somebody who may write a Secret in a hub says so. Three things could come of it: any
program with any arguments, a known program made to do something else, and a login of the operator's sent to a server
of somebody else's. So without consent only a known helper is run, only to get a login, and only for a server of its own
cloud. With consent (`hub_exec_plugins` in the settings) a program is run with whatever arguments, but which program it
is stays ours to decide.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from backends.kube.context import ExecPlugin
from fleetui.model.text import cut_middle, one_line

SETTING = "hub_exec_plugins"
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Helper:
    """A credential helper of a cloud.

    Args:
        words: the words of the command that gets a login, options left out.
        options: the options that it may be given, each with a value.
        hosts: a pattern of the API servers that its login is for.
        env: the variables that it may be given.
        fixed: options that may have one value only.
        names: how many words may follow that name a cluster.
    """

    words: tuple[str, ...]
    options: frozenset[str]
    hosts: re.Pattern[str]
    env: frozenset[str] = frozenset()
    fixed: Mapping[str, str] | None = None
    names: int = 0

    def objection(self, args: Sequence[str], env: Mapping[str, str], host: str) -> str:
        """Why it is not run like this; empty where it may be."""
        words, odd = self._split(args)
        count = len(self.words)
        if odd or tuple(words[:count]) != self.words or len(words) > count + self.names:
            return "that asks for something else than a login"
        if strange := sorted(env.keys() - self.env):
            return f"it is given {', '.join(strange)}"
        if not self.hosts.fullmatch(host):
            return f"its login is not for {host}"
        return ""

    def _split(self, args: Sequence[str]) -> tuple[list[str], str]:
        """The words among the arguments, and the first option that is not for a login."""
        words: list[str] = []
        rest = list(args)
        while rest:
            word = rest.pop(0)
            if not word.startswith("-"):
                words.append(word)
                continue
            name, equals, value = word.partition("=")
            if name not in self.options or not (equals or rest):
                return words, word
            value = value if equals else rest.pop(0)
            # The aws command takes options of its own out first, wherever they stand, and reads files that values name.
            if value.startswith("-") or "://" in value:
                return words, f"{name} {value}"
            if self.fixed is not None and self.fixed.get(name, value) != value:
                return words, f"{name} {value}"
        return words, ""


_EKS = re.compile(r"[a-z0-9.-]+\.eks\.amazonaws\.com(\.cn)?")
_AKS = re.compile(r"[a-z0-9.-]+\.azmk8s\.(io|cn|us)")
_GKE = re.compile(r"[a-z0-9.-]+\.gke\.goog")
_DOKS = re.compile(r"[a-z0-9-]+\.k8s\.ondigitalocean\.com")
_AWS_ENV = frozenset({"AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_STS_REGIONAL_ENDPOINTS"})
_AZURE_ENV = frozenset({"AAD_LOGIN_METHOD", "AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AAD_SERVICE_PRINCIPAL_CLIENT_ID"})
_AKS_SERVER = "6dae42f8-4368-4678-94ff-3960e28e3630"
"""The audience of every AKS cluster; a token for another one would open other things than clusters."""

KNOWN: Mapping[str, Helper] = {
    "argocd-k8s-auth": Helper(("aws",), frozenset({"--cluster-name", "--role-arn", "--profile"}), _EKS, _AWS_ENV),
    "aws": Helper(
        ("eks", "get-token"),
        frozenset({"--cluster-name", "--cluster-id", "--role-arn", "--region", "--profile", "--output"}),
        _EKS,
        _AWS_ENV,
    ),
    "aws-iam-authenticator": Helper(
        ("token",), frozenset({"-i", "--cluster-id", "-r", "--role", "--region"}), _EKS, _AWS_ENV
    ),
    "kubelogin": Helper(
        ("get-token",),
        frozenset({"--login", "-l", "--server-id", "--client-id", "--tenant-id", "-t", "--environment", "-e"}),
        _AKS,
        _AZURE_ENV,
        {"--server-id": _AKS_SERVER},
    ),
    # Its token opens all of Google Cloud: only where the name of the server is Google's, which an address is not.
    "gke-gcloud-auth-plugin": Helper((), frozenset(), _GKE, frozenset({"USE_GKE_GCLOUD_AUTH_PLUGIN"})),
    "doctl": Helper(
        ("kubernetes", "cluster", "kubeconfig", "exec-credential"),
        frozenset({"--version", "--context"}),
        _DOKS,
        names=1,
    ),
}

_SECRET = re.compile(r"((?<!\S)--?[a-z-]*(?:secret|password|token)[a-z-]*)(=| )\S+", re.IGNORECASE)
_ANYTHING = re.compile(
    r"(ba|da|k|z|c|fi|tc)?sh|env|busybox|xargs|sudo|doas|su|ssh|nohup|timeout|curl|wget|docker|podman|awk|find"
    r"|(python|perl|ruby|node|php|lua|deno|bun)[0-9.]*"
)
"""Programs that run others: nobody should be led to consent to them."""
_OURS = re.compile(r"PATH|LD_.*|DYLD_.*|PYTHON.*|PERL5?.*|RUBY.*|NODE_.*|BASH_.*|ENV|IFS|HOME|XDG_.*")
"""Variables that decide which code runs: never a hub's to set."""


def refusal(plugin: ExecPlugin, *, server: str, proxy: str, insecure: bool, consented: Collection[str]) -> str:
    """Why the program of a hub's Secret is not run, as a sentence; empty where it may be.

    Args:
        plugin: the program.
        server: the URL of the API server that its login is sent to.
        proxy: the proxy that the Secret asks for.
        insecure: whether the Secret asks not to check the server's certificate.
        consented: the programs that the settings allow.
    """
    command = one_line(plugin.command)
    said = f"its login is got by running `{_shown(plugin)}`"
    if not plugin.command or "/" in plugin.command or "\\" in plugin.command or plugin.command.startswith("-"):
        return f"{said}, and a hub may not name a path on this machine"
    if ours := sorted(name for name in plugin.env if _OURS.fullmatch(name.upper())):
        return f"{said} with {one_line(', '.join(ours))} set, which a hub may not decide here"
    if plugin.command in consented:
        return ""
    helper = KNOWN.get(plugin.command)
    consent = f"{SETTING}: [{command}] in fleetui's settings allows it"
    if _ANYTHING.fullmatch(plugin.command):
        return f"{said}, which a hub may not have run here: that would be any program"
    if helper is None:
        return f"{said}, which a hub may not have run here; {consent}"
    if proxy or insecure:
        return f"{said}, and the login would be sent past the server's own certificate; {consent}"
    objection = helper.objection(plugin.args, plugin.env, (urlsplit(server).hostname or "").lower())
    return f"{said}, and {one_line(objection)}; {consent}" if objection else ""


def _shown(plugin: ExecPlugin) -> str:
    """The command line, without the values of options that are secrets."""
    line = one_line(" ".join((plugin.command, *plugin.args)))
    return cut_middle(_SECRET.sub(r"\1\2***", line), _LONGEST)
