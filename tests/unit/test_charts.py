"""Charts from HTTP repositories and registries, as an engine gets them."""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from backends.charts import ChartRepositories
from backends.charts_http import Timeouts
from backends.charts_store import Store
from backends.repository_access import RepositoryAccess
from fleetui.model.errors import ChartError
from tests.unit.charts import ChartServer, RegistryServer, Server, archive, member, serving, tarball
from tests.unit.kube.scripted import PEM, server_tls

LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
BASIC = f"Basic {base64.b64encode(b'me:secret').decode()}"


class Book:
    def __init__(self) -> None:
        self.known: dict[str, RepositoryAccess] = {}
        self.of_projects: dict[tuple[str, str], RepositoryAccess] = {}

    def find(self, url: str, project: str = "") -> RepositoryAccess | None:
        return self.of_projects.get((url, project)) or self.known.get(url)

    def address(self, name: str, project: str = "") -> str:
        return ""


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def book() -> Book:
    return Book()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def charts(tmp_path: Path, book: Book, clock: Clock) -> AsyncIterator[ChartRepositories]:
    made = ChartRepositories(book, cache=tmp_path / "charts", timeouts=Timeouts(total=20), now=clock)
    yield made
    await made.close()


@pytest.fixture
async def server() -> AsyncIterator[ChartServer]:
    made = ChartServer()
    async with serving(made):
        yield made


@pytest.fixture
async def registry(book: Book) -> AsyncIterator[RegistryServer]:
    made = RegistryServer()
    async with serving(made):
        repo = f"{made.host}/team"
        plain = RepositoryAccess(url=repo, oci_force_http=True, username="me", password="secret")
        for name in (repo, f"oci://{repo}/app", f"{repo}/web"):
            book.known[name] = plain
        yield made


# --- HTTP -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "taken"),
    [
        ("1.*", "1.10.0"),
        ("~1.2.0", "1.2.9"),
        (">=1 <3", "2.0.0"),
        ("*", "2.0.0"),
        (">2.0.0-0", "3.0.0-rc.1"),
        ("^2", "2.0.0"),
        ("1.2.0", "1.2.0"),
        ("v9.9.9", "v9.9.9"),  # taken as it is: whether there is one is seen when it is fetched
        ("edge", "edge"),
    ],
)
async def test_a_range_is_the_newest_version_that_it_allows(
    charts: ChartRepositories, server: ChartServer, wanted: str, taken: str
) -> None:
    server.put("web", "1.2.0", "1.10.0", "1.2.9", "2.0.0", "3.0.0-rc.1", "edge")
    assert await charts.resolve(server.url, "web", wanted) == taken


async def test_a_chart_is_fetched_once_and_its_files_are_those_of_its_folder(
    charts: ChartRepositories, server: ChartServer
) -> None:
    server.put("web", "1.2.0", "1.2.3")
    files = await charts.files(server.url, "web", "1.2.3")
    assert sorted(files) == ["Chart.yaml", "templates/map.yaml"]
    assert b"version: 1.2.3" in files["Chart.yaml"]
    assert await charts.files(server.url, "web", "1.2.3") == files
    assert server.asked == ["/index.yaml", "/charts/web-1.2.3.tgz"]


@pytest.mark.parametrize(("wanted", "taken"), [("1.2", b"1.2.3"), ("v1.2.0", b"1.2.0"), ("1.2.0", b"1.2.0")])
async def test_a_version_is_read_as_helm_reads_it(
    charts: ChartRepositories, server: ChartServer, wanted: str, taken: bytes
) -> None:
    server.put("web", "1.2.0", "1.2.3", "1.3.0")
    assert taken in (await charts.files(server.url, "web", wanted))["Chart.yaml"]


async def test_another_process_finds_on_disk_what_was_fetched(
    charts: ChartRepositories, server: ChartServer, tmp_path: Path
) -> None:
    server.put("web", "1.2.3")
    first = await charts.files(server.url, "web", "1.2.3")
    other = ChartRepositories(cache=tmp_path / "charts")
    assert await other.files(server.url, "web", "1.2.3") == first
    assert await other.resolve(server.url, "web", "1.x") == "1.2.3"
    await other.close()
    assert server.count("") == 2
    assert (tmp_path / "charts").stat().st_mode & 0o077 == 0


async def test_what_is_damaged_on_disk_is_fetched_again(
    charts: ChartRepositories, server: ChartServer, tmp_path: Path
) -> None:
    server.put("web", "1.2.3")
    first = await charts.files(server.url, "web", "1.2.3")
    for path in (tmp_path / "charts" / "content").iterdir():
        path.write_bytes(path.read_bytes()[:-1])
    assert await charts.files(server.url, "web", "1.2.3") == first
    assert server.count(".tgz") == 2


async def test_an_index_is_asked_for_again_with_its_etag_alone_once_it_is_old(
    charts: ChartRepositories, server: ChartServer, clock: Clock
) -> None:
    server.put("web", "1.0.0")
    assert await charts.resolve(server.url, "web", "*") == "1.0.0"
    assert await charts.resolve(server.url, "web", "1.x") == "1.0.0"
    assert server.count("index") == 1
    await charts.resolve(server.url, "web", "*", refresh=True)
    assert "If-None-Match" in server.headers[-1]
    server.put("app", "2.0.0")
    assert await charts.resolve(server.url, "app", "*", refresh=True) == "2.0.0"
    assert server.count("index") == 3


async def test_without_an_answer_what_is_remembered_counts(
    charts: ChartRepositories, server: ChartServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.put("web", "1.0.0")
    await charts.resolve(server.url, "web", "*")
    server.answers["/index.yaml"] = lambda request: web.Response(status=503)
    assert await charts.resolve(server.url, "web", "*", refresh=True) == "1.0.0"
    assert "answered 503" in caplog.text


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "does not give index of charts to this login (401)"),
        (403, "(403)"),
        (404, "there is no index of charts at"),
        (500, "answered 500"),
    ],
)
async def test_what_a_repository_refuses_is_told(
    charts: ChartRepositories, server: ChartServer, status: int, words: str
) -> None:
    server.answers["/index.yaml"] = lambda request: web.Response(status=status)
    with pytest.raises(ChartError) as error:
        await charts.resolve(server.url, "web", "*")
    assert words in str(error.value)
    assert server.url in str(error.value)


async def test_what_is_not_there_is_told(charts: ChartRepositories, server: ChartServer) -> None:
    server.put("web", "1.0.0")
    with pytest.raises(ChartError, match="chart 'nothing' not found in the index"):
        await charts.resolve(server.url, "nothing", "*")
    with pytest.raises(ChartError, match="version matching constraint not found in 1 tags"):
        await charts.resolve(server.url, "web", "2.x")
    with pytest.raises(ChartError, match=r"no chart version found for chart web of http://\S+ 2.0.0"):
        await charts.files(server.url, "web", "2.0.0")
    with pytest.raises(ChartError, match="failed to determine semver constraint"):
        await charts.resolve(server.url, "web", "newest")
    server.archives.clear()
    with pytest.raises(ChartError, match=r"there is no archive of web 1.0.0 at .*/charts/web-1.0.0.tgz \(404\)"):
        await charts.files(server.url, "web", "1.0.0")


async def test_a_repository_that_is_away_or_silent_is_told(tmp_path: Path, server: ChartServer) -> None:
    hasty = ChartRepositories(cache=tmp_path, timeouts=Timeouts(total=0.2))
    with pytest.raises(ChartError, match="did not answer in time"):
        await hasty.remote(f"{server.url}/slow")
    with pytest.raises(ChartError, match=r"http://127.0.0.1:1/index.yaml can't be read: \S"):
        await hasty.resolve("http://127.0.0.1:1", "web", "*")
    await hasty.close()


async def test_an_answer_without_end_is_cut_off(
    charts: ChartRepositories, server: ChartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backends.charts.MOST_INDEX", 1000)
    server.answers["/index.yaml"] = lambda request: web.Response(body=b"x" * 5000)
    with pytest.raises(ChartError, match=r"index.yaml answers with more than 1000 bytes"):
        await charts.resolve(server.url, "web", "*")


async def test_an_archive_with_another_digest_than_the_index_says_is_refused(
    charts: ChartRepositories, server: ChartServer
) -> None:
    server.put("web", "1.0.0")
    server.archives["/web-1.0.0.tgz"] = archive("web", "1.0.0", {"templates/evil.yaml": b"kind: Evil\n"})
    with pytest.raises(ChartError, match="has another digest than the index of"):
        await charts.files(server.url, "web", "1.0.0")


async def test_a_digest_that_is_a_path_reaches_no_file(
    charts: ChartRepositories, server: ChartServer, tmp_path: Path
) -> None:
    server.put("web", "1.0.0")
    await charts.files(server.url, "web", "1.0.0")
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    server.index = b"entries:\n  web:\n  - {version: 2.0.0, digest: ../../victim, urls: [charts/web-1.0.0.tgz]}\n"
    with pytest.raises(ChartError, match="has another digest"):
        await charts.files(server.url, "web", "2.0.0", refresh=True)
    assert victim.read_bytes() == b"precious"


async def test_a_login_goes_to_its_repository_alone(charts: ChartRepositories, server: ChartServer, book: Book) -> None:
    other = ChartServer()
    async with serving(other):
        server.authorization = BASIC
        server.put("web", "1.0.0", address=f"{other.url}/")
        other.archives = server.archives
        book.known[server.url] = RepositoryAccess(url=server.url, kind="helm", username="me", password="secret")
        await charts.files(server.url, "web", "1.0.0")
        assert server.headers[0]["Authorization"] == BASIC
        assert "Authorization" not in other.headers[0]


async def test_what_a_projects_login_opens_is_for_that_project_alone(
    charts: ChartRepositories, server: ChartServer, book: Book, tmp_path: Path
) -> None:
    server.authorization = BASIC
    server.put("web", "1.0.0")
    book.of_projects[server.url, "shop"] = RepositoryAccess(
        url=server.url, kind="helm", username="me", password="secret", project="shop"
    )
    assert await charts.resolve(server.url, "web", "*", project="shop") == "1.0.0"
    assert "Chart.yaml" in await charts.files(server.url, "web", "1.0.0", project="shop")
    later = ChartRepositories(book, cache=tmp_path / "charts")
    for repositories in (charts, later):
        for project in ("", "web"):
            with pytest.raises(ChartError, match="401"):
                await repositories.resolve(server.url, "web", "*", project=project)
            with pytest.raises(ChartError, match="401"):
                await repositories.files(server.url, "web", "1.0.0", project=project)
    await later.close()
    asked = len(server.asked)
    assert "Chart.yaml" in await charts.files(server.url, "web", "1.0.0", project="shop")
    assert len(server.asked) == asked, "what it has, it does not ask for again"


async def test_projects_without_a_login_of_their_own_share_what_is_kept(
    charts: ChartRepositories, server: ChartServer
) -> None:
    server.put("web", "1.0.0")
    for project in ("", "shop", "web"):
        await charts.resolve(server.url, "web", "*", project=project)
        await charts.files(server.url, "web", "1.0.0", project=project)
    assert len(server.asked) == 2


async def test_a_login_goes_everywhere_where_it_is_told_to(
    charts: ChartRepositories, server: ChartServer, book: Book
) -> None:
    other = ChartServer()
    async with serving(other):
        server.put("web", "1.0.0", address=f"{other.url}/")
        other.archives = server.archives
        book.known[server.url] = RepositoryAccess(url=server.url, kind="helm", username="me", password="secret")
        await charts.files(server.url, "web", "1.0.0", pass_credentials=True)
        assert other.headers[0]["Authorization"] == BASIC


async def test_a_redirect_to_another_host_takes_no_login_along_nor_back(
    charts: ChartRepositories, server: ChartServer, book: Book
) -> None:
    other = Server()
    async with serving(other):
        server.put("web", "1.0.0")
        book.known[server.url] = RepositoryAccess(url=server.url, username="me", password="secret")
        server.answers["/charts/web-1.0.0.tgz"] = lambda request: web.Response(
            status=302, headers={"Location": f"{other.url}/there"}
        )
        other.answers["/there"] = lambda request: web.Response(
            status=307, headers={"Location": f"{server.url}/web-1.0.0.tgz"}
        )
        await charts.files(server.url, "web", "1.0.0")
        assert "Authorization" not in other.headers[0]
        assert server.asked[-1] == "/web-1.0.0.tgz"
        assert "Authorization" not in server.headers[-1]


async def test_redirects_end(charts: ChartRepositories, server: ChartServer) -> None:
    server.answers["/index.yaml"] = lambda request: web.Response(status=302, headers={"Location": "/index.yaml"})
    with pytest.raises(ChartError, match="redirects more than 10 times"):
        await charts.resolve(server.url, "web", "*")
    server.answers["/index.yaml"] = lambda request: web.Response(status=302, headers={"Location": "file:///etc/passwd"})
    with pytest.raises(ChartError, match="is no http or https address"):
        await charts.resolve(server.url, "web", "*")


@pytest.mark.parametrize("there", ["http://[", "https://example.org:99999/x", "https:///x"])
async def test_an_address_that_is_none_is_the_error(charts: ChartRepositories, server: ChartServer, there: str) -> None:
    server.put("web", "1.0.0", address=f"{there}/")
    says = r"is no (http or https )?address"
    with pytest.raises(ChartError, match=says):
        await charts.files(server.url, "web", "1.0.0")
    with pytest.raises(ChartError, match=says):
        await charts.resolve(there, "web", "*")
    server.answers["/index.yaml"] = lambda request: web.Response(status=302, headers={"Location": there})
    with pytest.raises(ChartError, match=says):
        await charts.resolve(server.url, "web", "*", refresh=True)


async def test_a_user_that_no_header_can_carry_is_the_error(
    charts: ChartRepositories, server: ChartServer, registry: RegistryServer, book: Book
) -> None:
    registry.token = "wanted"
    repo = f"{registry.host}/team"
    for url in (server.url, repo):
        book.known[url] = RepositoryAccess(url=url, username="a:b", password="secret", oci_force_http=True)
        with pytest.raises(ChartError, match=r"the login of .* can't be used") as caught:
            await charts.files(url, "web", "1.0.0")
        assert "secret" not in str(caught.value)


async def test_a_login_that_cant_be_used_says_why(charts: ChartRepositories, server: ChartServer, book: Book) -> None:
    book.known[server.url] = RepositoryAccess(url=server.url, problem="Secret argocd/x names no url")
    with pytest.raises(ChartError, match="can't be used: Secret argocd/x names no url"):
        await charts.resolve(server.url, "web", "*")
    assert server.asked == []


PEMS = {name: (PEM / name).read_text() for name in ("ca.crt", "other-ca.crt", "client.crt", "client.key")}
CLIENT = {"client_certificate": PEMS["client.crt"], "client_key": PEMS["client.key"]}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"certificate_authority": PEMS["ca.crt"], **CLIENT}, ""),
        ({"insecure": True, **CLIENT}, ""),
        (CLIENT, "its certificate is not trusted"),
        ({"certificate_authority": PEMS["other-ca.crt"], **CLIENT}, "its certificate is not trusted"),
        ({"certificate_authority": PEMS["ca.crt"]}, "can't be read"),
        ({"certificate_authority": "no PEM"}, "the certificates for https://"),
        ({**CLIENT, "client_key": PEMS["client.crt"]}, "the certificates for https://"),
    ],
)
async def test_certificates_are_those_of_the_repository(
    charts: ChartRepositories, book: Book, fields: dict[str, Any], words: str
) -> None:
    server = ChartServer()
    server.tls = server_tls(client_ca=True)
    server.put("web", "1.0.0")
    async with serving(server):
        book.known[server.url] = RepositoryAccess(url=server.url, **fields)
        if not words:
            assert await charts.resolve(server.url, "web", "*") == "1.0.0"
            return
        with pytest.raises(ChartError) as error:
            await charts.resolve(server.url, "web", "*")
        assert words in str(error.value)
        assert server.asked == []


async def test_a_proxy_is_the_repositorys_own_or_that_of_the_environment(
    charts: ChartRepositories, server: ChartServer, book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A proxy is asked for the whole address; this one has the repository itself.
    server.put("web", "1.0.0")
    for number, variables in enumerate(({}, {"HTTP_PROXY": server.url})):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        repo = f"http://charts{number}.internal"
        book.known[repo] = RepositoryAccess(url=repo, proxy="" if variables else server.url)
        assert await charts.resolve(repo, "web", "*") == "1.0.0"
        assert server.headers[-1]["Host"] == f"charts{number}.internal"
    book.known["http://x.internal"] = RepositoryAccess(url="http://x.internal", proxy=server.url, no_proxy=".internal")
    with pytest.raises(ChartError, match="its name is not known"):
        await charts.resolve("http://x.internal", "web", "*")
    book.known["http://y.internal"] = RepositoryAccess(url="http://y.internal", proxy="socks5://127.0.0.1:1")
    with pytest.raises(ChartError, match="is of a kind that can't be read through"):
        await charts.resolve("http://y.internal", "web", "*")


async def test_many_who_want_the_same_fetch_it_once(charts: ChartRepositories, server: ChartServer) -> None:
    server.put("web", "1.0.0")
    found = await asyncio.gather(*(charts.files(server.url, "web", "1.x") for _ in range(30)))
    assert all(files == found[0] for files in found)
    assert sorted(server.asked) == ["/charts/web-1.0.0.tgz", "/index.yaml"]


def test_a_full_store_loses_what_was_used_longest_ago(tmp_path: Path) -> None:
    store = Store(tmp_path / "store", most=250, check_every=100)
    old, new = store.keep(b"a" * 100), store.keep(b"b" * 100)
    os.utime(tmp_path / "store" / "content" / old, (1, 1))
    last = store.keep(b"c" * 100)
    assert [store.read(digest) for digest in (old, new, last)] == [None, b"b" * 100, b"c" * 100]
    assert store.note("nothing") is None


async def test_a_file_of_values_is_read_without_a_login(charts: ChartRepositories, server: ChartServer) -> None:
    server.answers["/values.yaml"] = lambda request: web.Response(body=b"a: 1\n")
    assert await charts.remote(f"{server.url}/values.yaml") == b"a: 1\n"
    with pytest.raises(ChartError, match="there is no file of values at"):
        await charts.remote(f"{server.url}/none.yaml")


# --- OCI ------------------------------------------------------------------------------------------------------


async def test_a_chart_of_a_registry_is_chosen_among_all_pages_of_tags(
    charts: ChartRepositories, registry: RegistryServer
) -> None:
    registry.page = 2
    registry.token, registry.login = "t0k3n", BASIC
    for version in ("1.0.0", "1.2.0+build", "1.1.0", "2.0.0-rc.1", "latest"):
        registry.put("team/app", version.replace("+", "_"), archive("app", version))
    repo = f"{registry.host}/team"
    assert await charts.resolve(repo, "app", "1.x") == "1.2.0+build"
    files = await charts.files(repo, "app", "1.2.0+build")
    assert b"1.2.0+build" in files["Chart.yaml"]
    asked = len(registry.asked)
    await charts.files(repo, "app", "1.2.0+build")
    assert len(registry.asked) == asked
    answered = [headers.get("Authorization", "") for headers in registry.headers]
    assert answered.count(BASIC) == registry.count("/token")
    assert set(answered) == {"", BASIC, "Bearer t0k3n"}


async def test_a_registry_that_refuses_the_login_is_told(charts: ChartRepositories, registry: RegistryServer) -> None:
    registry.token, registry.login = "t0k3n", "Basic other"
    with pytest.raises(ChartError, match=r"does not give token to this login \(401\)"):
        await charts.resolve(f"{registry.host}/team", "app", "1.x")


async def test_a_registry_with_basic_logins(charts: ChartRepositories, registry: RegistryServer) -> None:
    registry.put("team/app", "1.0.0", archive("app", "1.0.0"))
    fallback = registry.fallback

    def basic(request: web.BaseRequest) -> web.StreamResponse:
        if request.headers.get("Authorization") != BASIC:
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="here"'})
        return fallback(request)

    registry.fallback = basic  # type: ignore[method-assign]
    assert b"app" in (await charts.files(f"{registry.host}/team", "app", "1.0.0"))["Chart.yaml"]


async def test_content_with_another_digest_is_refused(charts: ChartRepositories, registry: RegistryServer) -> None:
    registry.put("team/app", "1.0.0", archive("app", "1.0.0"))
    registry.blobs = dict.fromkeys(registry.blobs, b"something else")
    with pytest.raises(ChartError, match="gives another content for sha256:"):
        await charts.files(f"{registry.host}/team", "app", "1.0.0")


async def test_what_is_no_chart_is_told(charts: ChartRepositories, registry: RegistryServer) -> None:
    layer = tarball((member("a.yaml"), b"kind: A\n"))
    registry.put("team/app", "1.0.0", layer, config="application/vnd.oci.empty.v1+json", kind=LAYER)
    with pytest.raises(ChartError, match="is no chart"):
        await charts.files(f"{registry.host}/team", "app", "1.0.0")
    registry.put("team/app", "2.0.0", layer, config="x", kind="application/vnd.other.tar")
    with pytest.raises(ChartError, match="is not in the list of allowed media types"):
        await charts.files(f"{registry.host}/team", "app", "2.0.0")
    registry.put("team/app", "3.0.0", layer, config="x", kind="text/plain")
    with pytest.raises(ChartError, match="expected only a single oci content layer, got 0"):
        await charts.files(f"{registry.host}/team", "app", "3.0.0")
    with pytest.raises(ChartError, match=r"there is no manifest of 4\.0\.0 at"):
        await charts.files(f"{registry.host}/team", "app", "4.0.0")


async def test_an_artifact_of_manifests_is_known_by_its_digest(
    charts: ChartRepositories, registry: RegistryServer
) -> None:
    repo = f"oci://{registry.host}/team/web"
    layer = tarball((member("base/a.yaml"), b"kind: A\n"))
    old = registry.put("team/web", "1.0.0", layer, config="x", kind=LAYER)
    new = registry.put("team/web", "1.1.0", tarball((member("b.yaml"), b"kind: B\n")), config="x", kind=LAYER)
    assert await charts.resolve(repo, "", "1.0.0") == old
    assert await charts.resolve(repo, "", "1.x") == new
    assert await charts.resolve(repo, "", old) == old
    assert dict(await charts.files(repo, "", old)) == {"base/a.yaml": b"kind: A\n"}
    chart = registry.put("team/web", "2.0.0", archive("web", "2.0.0"))
    assert "Chart.yaml" in await charts.files(repo, "", chart)
    with pytest.raises(ChartError, match="there is no manifest of none"):
        await charts.resolve(repo, "", "none")
    registry.answers["/v2/team/web/manifests/1.0.0"] = lambda request: web.Response(status=502)
    assert await charts.resolve(repo, "", "1.0.0") == old


async def test_a_name_that_no_registry_has_makes_no_request(charts: ChartRepositories) -> None:
    with pytest.raises(ChartError, match="is no repository of a registry"):
        await charts.files("registry.example.com/team", "../../v2/other", "1.0.0")
    with pytest.raises(ChartError, match="is no tag or digest"):
        await charts.files("oci://registry.example.com/team", "", "../x")


async def test_an_index_that_names_a_registry(
    charts: ChartRepositories, server: ChartServer, registry: RegistryServer
) -> None:
    registry.put("team/app", "1.0.0", archive("app", "1.0.0"))
    server.index = (
        f"apiVersion: v1\nentries:\n  app:\n  - version: 1.0.0\n    urls: ['oci://{registry.host}/team/app:1.0.0']\n"
    ).encode()
    assert b"1.0.0" in (await charts.files(server.url, "app", "1.0.0"))["Chart.yaml"]
