"""The same kubeconfig read by kubectl and by us: what each sends to the API server, or that it refuses."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import ssl
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from backends.kube.kubeconfig import load
from backends.kube.transport import Transport
from fleetui.model.errors import FleetError
from tests.controlplane.build import Unavailable, find_or_build
from tests.unit.kube.plugin import V1, plugin
from tests.unit.kube.scripted import PEM, Script, body, server_tls, serving

pytestmark = pytest.mark.real

Sent = dict[str, str]
REFUSED: Sent = {"refused": "yes"}
"""Nothing was sent."""


def data(name: str) -> str:
    return base64.b64encode((PEM / name).read_bytes()).decode()


CERT = {"client-certificate-data": data("client.crt"), "client-key-data": data("client.key")}
CERT_FILES = {"client-certificate": str(PEM / "client.crt"), "client-key": str(PEM / "client.key")}
BASIC = {"username": "me", "password": "it"}
TOKEN = {"token": "own"}
FILE = {"tokenFile": "token"}
EXEC = {"command": "./kubelogin", "apiVersion": V1, "interactiveMode": "Never"}
BETA = EXEC | {"apiVersion": "client.authentication.k8s.io/v1beta1"}
AS = {"as": "jane", "as-uid": "7", "as-groups": ["a", "b"], "as-user-extra": {"example.com/Team x": ["y", "z"]}}
OIDC = {"name": "oidc", "config": {"idp-issuer-url": "https://127.0.0.1:1", "client-id": "c", "id-token": ""}}


def oidc(ends: int) -> dict[str, Any]:
    payload = base64.urlsafe_b64encode(json.dumps({"exp": ends}).encode()).decode().rstrip("=")
    return {"auth-provider": {**OIDC, "config": OIDC["config"] | {"id-token": f"e30.{payload}.sig"}}}  # type: ignore[operator]


LASTS, ENDED = oidc(4_000_000_000), oidc(1_000_000_000)


@pytest.mark.parametrize(
    ("user", "sends"),
    [
        (TOKEN, True),
        (FILE, True),
        (TOKEN | FILE, True),
        (TOKEN | {"tokenFile": "gone"}, True),
        ({"tokenFile": "gone"}, False),
        (BASIC, True),
        (TOKEN | BASIC, False),
        (FILE | BASIC, False),
        (TOKEN | {"password": "it"}, False),
        (CERT, True),
        (CERT_FILES, True),
        (CERT | TOKEN, True),
        (CERT | BASIC, True),
        (CERT | CERT_FILES, False),
        ({"client-certificate-data": data("client.crt")}, False),
        (CERT | {"client-key-data": data("server.key")}, False),
        ({"exec": EXEC}, True),
        ({"exec": BETA}, True),
        ({"exec": {key: value for key, value in BETA.items() if key != "interactiveMode"}}, True),
        ({"exec": {key: value for key, value in EXEC.items() if key != "interactiveMode"}}, False),
        ({"exec": EXEC | {"interactiveMode": "IfAvailable"}}, True),
        ({"exec": EXEC | {"interactiveMode": "Always"}}, False),
        ({"exec": EXEC | {"interactiveMode": "Sometimes"}}, False),
        ({"exec": EXEC | {"apiVersion": "client.authentication.k8s.io/v1alpha1"}}, False),
        ({"exec": EXEC | {"command": "./gone"}}, False),
        ({"exec": EXEC | {"args": ["fail"]}}, False),
        ({"exec": EXEC | {"args": ["rubbish"]}}, False),
        ({"exec": EXEC | {"args": ["certificate"]}}, True),
        ({"exec": EXEC | {"env": [{"name": "EXTRA", "value": "x"}]}}, True),
        ({"exec": EXEC | {"env": [{"value": "x"}]}}, False),
        ({"exec": EXEC | {"provideClusterInfo": True}}, True),
        ({"exec": EXEC} | TOKEN, True),
        ({"exec": EXEC} | FILE, True),
        ({"exec": EXEC} | BASIC, True),
        ({"exec": EXEC} | CERT, True),
        (LASTS, True),
        (LASTS | CERT, True),
        (LASTS | TOKEN, True),
        (LASTS | {"exec": EXEC}, False),
        (ENDED, False),
        ({"auth-provider": {"name": "gcp"}}, False),
        ({"auth-provider": {"name": "azure"}}, False),
        (TOKEN | AS, True),
        (TOKEN | {"as-groups": ["a"]}, False),
    ],
)
async def test_a_user_sends_what_kubectl_sends(tmp_path: Path, user: dict[str, Any], sends: bool) -> None:
    ours, theirs = await both(tmp_path, user, {"certificate-authority": str(PEM / "ca.crt")})
    assert ours == theirs
    assert (ours != REFUSED) is sends


CA, CA_DATA = {"certificate-authority": str(PEM / "ca.crt")}, {"certificate-authority-data": data("ca.crt")}


@pytest.mark.parametrize(
    ("cluster", "sends"),
    [
        (CA_DATA, True),
        (CA | CA_DATA, False),
        ({"insecure-skip-tls-verify": True}, True),
        ({"insecure-skip-tls-verify": True} | CA, False),
        ({"certificate-authority": str(PEM / "other-ca.crt")}, False),
        ({"certificate-authority": "gone"}, False),
        (CA | {"tls-server-name": "api.internal"}, True),
        (CA | {"tls-server-name": "other.internal"}, False),
        (CA | {"proxy-url": "socks4://127.0.0.1:1"}, False),
        (CA | {"proxy-url": "http://127.0.0.1:1"}, False),
        (CA | {"disable-compression": True}, True),
    ],
)
async def test_a_cluster_is_reached_where_kubectl_reaches_it(
    tmp_path: Path, cluster: dict[str, Any], sends: bool
) -> None:
    ours, theirs = await both(tmp_path, TOKEN, cluster)
    assert ours == theirs
    assert (ours != REFUSED) is sends


@pytest.mark.parametrize(
    "user",
    [
        {"client-key-data": data("client.key")},
        {"password": "it"},
        {"exec": EXEC | {"args": ["ended"]}},
    ],
)
async def test_what_kubectl_lets_pass_and_we_don_t(tmp_path: Path, user: dict[str, Any]) -> None:
    """A login that is only half there, or has ended, is told, where kubectl goes on and is refused by the server."""
    ours, theirs = await both(tmp_path, user, CA)
    assert ours == REFUSED
    assert theirs in (REFUSED, {"accept-encoding": "gzip", "authorization": "Bearer from plugin"})


CODE = f"""
how = sys.argv[1] if len(sys.argv) > 1 else ""
spec = json.loads(os.environ["KUBERNETES_EXEC_INFO"])["spec"]
told = sorted(spec.get("cluster", {{}})) + [os.environ.get("EXTRA", "")]
if how == "fail":
    sys.exit("no")
elif how == "rubbish":
    print("hello")
elif how == "certificate":
    read = lambda name: open(os.path.join({str(PEM)!r}, name)).read()
    out(clientCertificateData=read("client.crt"), clientKeyData=read("client.key"))
elif how == "ended":
    out(token="from plugin", expirationTimestamp="2001-01-01T00:00:00Z")
else:
    out(token="-".join(["plugin", *told]))
"""


async def both(folder: Path, user: dict[str, Any], cluster: dict[str, Any]) -> tuple[Sent, Sent]:
    """What we send and what kubectl sends, to a server that takes everybody."""
    (folder / "token").write_text("from-file\n")
    plugin(folder, CODE, api_version=(user.get("exec") or {}).get("apiVersion", V1))
    tls = server_tls(client_ca=True)
    tls.verify_mode = ssl.CERT_OPTIONAL
    script = Script([body({}), body({})])
    async with serving(script, tls=tls) as url:
        file = folder / "config"
        content = {
            "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": url} | cluster}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "users": [{"name": "u", "user": user}],
        }
        file.write_text(json.dumps(content))
        before = file.read_bytes()
        ours = await by_us(file, script)
        theirs = await by_kubectl(file, script)
        assert file.read_bytes() == before
    return ours, theirs


async def by_us(file: Path, script: Script) -> Sent:
    script.asked.clear()
    with suppress(FleetError):
        transport = Transport(load([file]).context(), requests=Counter(), env={})
        try:
            await transport.request("GET", "/api")
        finally:
            await transport.close()
    return sent(script)


async def by_kubectl(file: Path, script: Script) -> Sent:
    script.asked.clear()
    assets = find_or_build()
    if isinstance(assets, Unavailable):
        pytest.skip(f"needs kubectl: {assets.reason}")
    process = await asyncio.create_subprocess_exec(
        *(str(assets.kubectl), "--kubeconfig", str(file), "get", "--raw", "/api"),
        env={"PATH": os.environ["PATH"], "HOME": str(file.parent)},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    await process.wait()
    return sent(script)


def sent(script: Script) -> Sent:
    """The identity in the request, if one came."""
    if not script.asked:
        return REFUSED
    (asked,) = script.asked
    headers = {
        name: value
        for name, value in asked.headers.items()
        if name == "authorization" or name.startswith("impersonate-") or (name, value) == ("accept-encoding", "gzip")
    }
    return headers | ({"peer": asked.peer} if asked.peer else {})
