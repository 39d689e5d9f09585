"""Argo CD's repository Secrets and credential templates: which login a repository gets, or why it gets none."""

from __future__ import annotations

import asyncio

import pytest

from backends.argocd_access import HubAccess
from backends.argocd_repositories import Book, read
from backends.git_url import host_of, identity, resolved
from fleetui.model.errors import ForbiddenError
from fleetui.model.objects import StoredObject
from tests.unit.fakes import FakeCluster, FakeWatch
from tests.unit.repository_secrets import host_map, secret, template

URL = "https://git.example/team/shop"
KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n-----END OPENSSH PRIVATE KEY-----\n"


def test_addresses_of_one_repository_share_a_mirror_and_no_others() -> None:
    same = [
        "https://git.example/x/Y",
        "https://GIT.example/x/Y.git",
        "HTTPS://git.example/x/Y/",
        "https://git.example/x/Y.git/",
    ]
    assert len({identity(url) for url in same}) == 1
    assert identity("git@GIT.example:x/y.git") == identity("git@git.example:x/y")
    different = [
        same[0],
        "https://git.example/x/y",
        "https://ada@git.example/x/Y",
        "http://git.example/x/Y",
        "file:///x/Y",
        "file:///x/Y.git",
    ]
    assert len({identity(url) for url in different}) == len(different)


@pytest.mark.parametrize(
    ("url", "base", "expected"),
    [
        ("https://other.example/z", "https://git.example/a/b.git", "https://other.example/z"),
        ("../z.git", "https://git.example/a/b.git", "https://git.example/a/z.git"),
        ("../../c/z", "https://git.example/a/b/", "https://git.example/c/z"),
        ("./z", "https://git.example/a/b", "https://git.example/a/b/z"),
        ("../z", "git@git.example:a/b.git", "git@git.example:a/z"),
        ("../z", "git@git.example:b.git", "git@git.example:z"),
        ("../z", "file:///srv/b", "file:///srv/z"),
    ],
)
def test_relative_addresses_of_submodules(url: str, base: str, expected: str) -> None:
    assert resolved(url, base) == expected


def test_the_host_of_an_address() -> None:
    urls = ["https://ada@GIT.example:8443/x", "git@git.example:x", "ssh://git@git.example:22/x", "file:///x", "/x"]
    assert [host_of(url) for url in urls] == ["git.example"] * 3 + ["", ""]
    assert host_of("https://[::1]:8443/x") == "::1"


def test_every_field_of_a_secret() -> None:
    found = read(
        secret(
            url=URL, type="git", name="shop", project="web", username="ada", password="s3cr3t", bearerToken="t0k3n",
            sshPrivateKey=KEY, tlsClientCertData="CERT", tlsClientCertKey="KEY", insecure="true",
            insecureIgnoreHostKey="1", enableLfs="t", enableOCI="false", forceHttpBasicAuth="True", githubAppID="12",
            githubAppInstallationID="34", githubAppPrivateKey=KEY, githubAppEnterpriseBaseUrl="https://ghe/api/v3",
            proxy="http://proxy:3128", noProxy=".local", depth="7",
        )
    )  # fmt: skip
    assert found.problem == ""
    assert (found.url, found.kind, found.name, found.project) == (URL, "git", "shop", "web")
    assert (found.username, found.password, found.bearer_token, found.ssh_key) == ("ada", "s3cr3t", "t0k3n", KEY)
    assert (found.client_certificate, found.client_key) == ("CERT", "KEY")
    assert (found.insecure, found.insecure_ignore_host_key, found.enable_lfs, found.enable_oci) == (
        True,
        True,
        True,
        False,
    )
    assert (found.force_basic_auth, found.app_id, found.app_installation_id, found.depth) == (True, 12, 34, 7)
    assert (found.app_private_key, found.app_base_url) == (KEY, "https://ghe/api/v3")
    assert (found.proxy, found.no_proxy) == ("http://proxy:3128", ".local")
    for hidden in ("s3cr3t", "t0k3n", "PRIVATE KEY", "CERT"):
        assert hidden not in repr(found)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({"url": ""}, "Secret argocd/repo names no url"),
        ({"insecure": "perhaps"}, "Secret argocd/repo: insecure is neither true nor false"),
        ({"depth": "deep"}, "Secret argocd/repo: depth is no whole number"),
        ({"type": "svn"}, "type svn is none of git, helm, oci"),
        ({"sshPrivateKey": "abc"}, "sshPrivateKey is no private key in PEM"),
        ({"githubAppPrivateKey": "abc", "githubAppID": "1"}, "githubAppPrivateKey is no private key in PEM"),
        ({"githubAppPrivateKey": KEY}, "githubAppPrivateKey without githubAppID"),
        ({"tlsClientCertData": "x"}, "needs both tlsClientCertData and tlsClientCertKey"),
        ({"gcpServiceAccountKey": "{}"}, "Google Cloud service accounts are not supported"),
        ({"useAzureWorkloadIdentity": "true"}, "Azure workload identities are not supported"),
        ({"azureServicePrincipalClientSecret": "x"}, "Azure service principals are not supported"),
    ],
)
def test_what_can_not_be_used_is_one_sentence(data: dict[str, str], problem: str) -> None:
    assert problem in read(secret(**{"url": URL} | data)).problem


def test_the_own_secret_counts_before_a_template_and_the_longest_template_before_others() -> None:
    book = Book(
        [
            secret("own", url=f"{URL}.git", password="own"),
            secret("bare", url="https://git.example/team/bare", insecure="true"),
            template("host", url="https://git.example", password="host", proxy="http://proxy:1"),
            template("team", url="https://git.example/Team", username="ada", password="team"),
            template("empty", url="", password="everybody's"),
        ]
    )

    def password(url: str) -> str | None:
        found = book.find(url)
        return None if found is None else found.password

    assert password(URL) == password("HTTPS://git.example/TEAM/shop.git") == "own"
    assert password("https://git.example/team/other") == "team"
    assert password("https://git.example/else") == "host"
    assert password("https://elsewhere.example/x") is None
    bare = book.find("https://git.example/team/bare")
    assert bare is not None
    assert (bare.username, bare.password, bare.insecure) == ("ada", "team", True)


@pytest.mark.parametrize(
    ("prefix", "url", "counts"),
    [
        ("https://git.example", "https://git.example/x", True),
        ("https://git.example", "https://git.example:8443/x", True),
        ("https://git.example/te", "https://git.example/team/x", True),
        ("git@git.example:team", "ssh://git@git.example/team/x.git", True),
        ("registry.example", "registry.example/charts", True),
        ("oci://registry.example", "oci://registry.example:5000/charts", True),
        ("https://git.example", "https://git.example.evil.example/x", False),
        ("https://git.example", "https://git.example@evil.example/x", False),
        ("https://git.example", "https://git.example.evil.example/://git.example/x", False),
        ("git@git.example", "git@git.example.evil.example:team/x.git", False),
        ("registry.example", "registry.example.evil.example/charts", False),
    ],
)
def test_a_template_is_for_its_own_host_alone(prefix: str, url: str, counts: bool) -> None:
    assert (Book([template(url=prefix, password="x")]).find(url) is not None) is counts


def test_a_projects_secret_is_for_that_project_alone() -> None:
    book = Book([secret("web", url=URL, project="web", password="web")])
    assert book.find(URL) is book.find(URL, "shop") is None
    found = book.find(URL, "web")
    assert found is not None
    assert (found.password, found.project) == ("web", "web")
    assert (book.of_project("web"), book.of_project("shop")) == ((URL,), ())
    both = Book([secret("web", url=URL, project="web", password="web"), secret("all", url=URL, password="all")])
    assert [access.password for project in ("", "shop", "web") if (access := both.find(URL, project))] == [
        "all",
        "all",
        "web",
    ]


def test_a_repository_of_charts_is_known_by_its_name_and_a_projects_own_first() -> None:
    def named(name: str, host: str, **fields: str) -> StoredObject:
        return secret(name, url=f"https://{host}", name="stable", type="helm", **fields)

    book = Book([named("all", "all.example"), named("web", "web.example", project="web")])
    assert [book.address("stable", project) for project in ("", "shop", "web")] == [
        "https://all.example",
        "https://all.example",
        "https://web.example",
    ]
    assert book.address("other") == ""
    git = Book([secret("git", url=URL, name="stable")])
    assert git.address("stable") == "", "a repository of Git holds no charts"


def test_certificates_and_known_hosts_go_by_the_host() -> None:
    book = Book([secret(url=URL, password="x")], certificates={"git.example": "PEM"}, known_hosts="lines")
    found = book.find(URL)
    assert found is not None
    assert (found.certificate_authority, found.known_hosts) == ("PEM", "lines")
    without_a_secret = book.find("https://git.example:8443/public")
    assert without_a_secret is not None
    assert (without_a_secret.certificate_authority, without_a_secret.password) == ("PEM", "")
    assert book.find("git@other.example:x") is None


# --- watched --------------------------------------------------------------------------------------------------------


def watches(hub: FakeCluster) -> dict[str, FakeWatch]:
    return {watch.mode[1].rpartition("=")[2]: watch for watch in hub.watches if watch.open}


async def test_a_hub_is_watched_narrowly_and_told_when_it_changes() -> None:
    hub = FakeCluster("hub")
    access = HubAccess(hub, ("argocd",))
    assert {(watch.resource.plural, watch.namespace, *watch.mode[:2]) for watch in hub.watches} == {
        ("secrets", "argocd", "argocd.argoproj.io/secret-type in (repository,repo-creds)", ""),
        ("configmaps", "argocd", "", "metadata.name=argocd-tls-certs-cm"),
        ("configmaps", "argocd", "", "metadata.name=argocd-ssh-known-hosts-cm"),
    }
    ready = asyncio.create_task(access.ready())
    told: list[str] = []
    subscription = access.subscribe(lambda: told.append("changed"))
    await asyncio.sleep(0)
    watches(hub)[""].lists(secret(url=URL, password="one"))
    watches(hub)["argocd-tls-certs-cm"].lists(host_map("argocd-tls-certs-cm", {"git.example": "PEM"}))
    assert not ready.done()
    watches(hub)["argocd-ssh-known-hosts-cm"].lists()
    await ready
    assert len(told) == 2
    found = access.find(URL)
    assert found is not None
    assert (found.password, found.certificate_authority) == ("one", "PEM")
    watches(hub)[""].sink.upsert([secret(url=URL, password="two")])
    assert (changed := access.find(URL)) is not None
    assert changed.password == "two"
    watches(hub)[""].sink.upsert([secret(url=URL, password="two")])
    assert len(told) == 3, "the same again is no change"
    watches(hub)[""].lists()
    assert (gone := access.find(URL)) is not None
    assert gone.password == ""
    subscription.close()
    access.close()
    assert not [watch for watch in hub.watches if watch.open]


async def test_where_secrets_may_not_be_read_nothing_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    hub = FakeCluster("hub")
    access = HubAccess(hub, ("argocd",))
    for watch in tuple(hub.watches):
        watch.sink.failed(ForbiddenError("secrets is forbidden", cluster="hub", code=403))
    await access.ready()
    assert access.find(URL) is None
    assert not [watch for watch in hub.watches if watch.open]
    assert "your own logins are used" in caplog.text
    access.close()


async def test_a_broken_secret_is_logged_once_and_without_its_content(caplog: pytest.LogCaptureFixture) -> None:
    hub = FakeCluster("hub")
    access = HubAccess(hub, ("argocd",))
    for _ in range(2):
        watches(hub)[""].sink.listing()
        watches(hub)[""].sink.upsert([secret(url=URL, password="s3cr3t", depth="s3cr3t")])
        watches(hub)[""].sink.listed()
    assert caplog.text.count("Secret argocd/repo: depth is no whole number") == 1
    assert "s3cr3t" not in caplog.text
    access.close()
