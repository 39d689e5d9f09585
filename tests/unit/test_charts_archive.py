"""Archives of charts, also those that mean harm, and indexes in every layout."""

from __future__ import annotations

import gzip
import tarfile

import pytest

from backends.charts_archive import Limits, unpack
from backends.charts_index import Entry, entries
from fleetui.model.errors import ChartError
from tests.unit.charts import archive, member, tarball

CHART = (member("web/Chart.yaml"), b"name: web\n")


def unpacked(content: bytes, *, chart: bool = True, limits: Limits | None = None) -> dict[str, bytes]:
    return unpack(content, chart=chart, what="chart web 1.0.0", limits=limits or Limits())


def test_a_chart_is_the_files_of_its_one_folder() -> None:
    assert sorted(unpacked(archive("web", "1.0.0"))) == ["Chart.yaml", "templates/map.yaml"]


def test_links_are_what_they_lead_to() -> None:
    files = unpacked(
        tarball(
            CHART,
            (member("web/files/a.txt"), b"a"),
            (member("web/b.txt", tarfile.SYMTYPE, "files/a.txt"), b""),
            (member("web/c.txt", tarfile.SYMTYPE, "b.txt"), b""),
            (member("web/folder", tarfile.SYMTYPE, "./files"), b""),
            (member("web/hard.txt", tarfile.LNKTYPE, "web/files/a.txt"), b""),
        )
    )
    assert {path: content for path, content in files.items() if content == b"a"} == dict.fromkeys(
        ["files/a.txt", "b.txt", "c.txt", "folder/a.txt", "hard.txt"], b"a"
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(b"", "no archive that can be read", id="empty"),
        pytest.param(b"not an archive at all" * 100, "no archive that can be read", id="text"),
        pytest.param(archive("web", "1.0.0")[:100], "no archive that can be read", id="cut off"),
        pytest.param(gzip.compress(b"x" * 2000), "no archive that can be read", id="gzip of no tar"),
        pytest.param(tarball((member("web/a.yaml"), b"")), "is no chart", id="no Chart.yaml"),
        pytest.param(tarball(CHART, (member("other/a"), b"")), "is no chart", id="two folders"),
        pytest.param(tarball((member("Chart.yaml"), b"")), "is no chart", id="no folder"),
        pytest.param(tarball(CHART, (member("../evil"), b"x")), "leads out of it: '../evil'", id="parent"),
        pytest.param(tarball(CHART, (member("web/../../evil"), b"x")), "leads out of it", id="parent within"),
        pytest.param(tarball(CHART, (member("/etc/evil"), b"x")), "leads out of it", id="absolute"),
        pytest.param(tarball(CHART, (member("web\\..\\..\\evil"), b"x")), "leads out of it", id="backslashes"),
        pytest.param(
            tarball(CHART, (member("web/l", tarfile.SYMTYPE, "/etc/passwd"), b"")), "leads out of it", id="link out"
        ),
        pytest.param(
            tarball(CHART, (member("web/l", tarfile.SYMTYPE, "../../x"), b"")), "leads out of it", id="link to parent"
        ),
        pytest.param(
            tarball(CHART, (member("web/l", tarfile.SYMTYPE, "none"), b"")), "link that leads nowhere", id="dead link"
        ),
        pytest.param(
            tarball(CHART, (member("web/l", tarfile.SYMTYPE, "l"), b"")), "link that leads nowhere", id="link to itself"
        ),
        pytest.param(
            tarball(CHART, (member("web/l", tarfile.SYMTYPE, "."), b"")), "link that leads nowhere", id="link around"
        ),
        pytest.param(tarball(CHART, (member("web/dev", tarfile.CHRTYPE), b"")), "something other than", id="device"),
        pytest.param(tarball(CHART, (member("web/pipe", tarfile.FIFOTYPE), b"")), "something other than", id="pipe"),
    ],
)
def test_what_is_no_chart_or_leads_out_of_it_is_refused(content: bytes, words: str) -> None:
    with pytest.raises(ChartError, match=r"^chart web 1\.0\.0 ") as error:
        unpacked(content)
    assert words in str(error.value)


def test_bombs_are_refused_before_they_are_unpacked() -> None:
    small = Limits(total=1_000_000, file=200_000, count=50)
    one = tarball(CHART, (member("web/big"), b"\0" * 300_000))
    with pytest.raises(ChartError, match="holds a file of more than"):
        unpacked(one, limits=small)
    many = tarball(CHART, *((member(f"web/{number}"), b"\0" * 100_000) for number in range(20)))
    assert len(many) < 10_000
    with pytest.raises(ChartError, match="is too large: more than"):
        unpacked(many, limits=small)
    with pytest.raises(ChartError, match="holds more than 50 files"):
        unpacked(tarball(CHART, *((member(f"web/{number}"), b"") for number in range(60))), limits=small)
    # Folders of links to folders double at each step.
    doubling = [(member("web/f/0"), b"x")]
    for step in range(40):
        before = "f" if not step else f"g{step - 1}"
        doubling += [(member(f"web/g{step}/{side}", tarfile.SYMTYPE, f"../{before}"), b"") for side in "ab"]
    with pytest.raises(ChartError, match="too large with its links followed"):
        unpacked(tarball(CHART, *doubling), limits=Limits(count=200))


def test_a_sparse_file_is_refused() -> None:
    info = member("web/sparse", tarfile.GNUTYPE_SPARSE)
    info.size = 0
    with pytest.raises(ChartError):
        unpacked(tarball(CHART, (info, b"")))


ENTRIES = [Entry("1.1.0", ("charts/web-1.1.0.tgz",), "abc"), Entry("1.0.0", ("https://x.example.com/web.tgz",))]


@pytest.mark.parametrize(
    "index",
    [
        b"""apiVersion: v1
entries:
  app:
  - version: 9.0.0
    description: |
      web:
      - version: 6.6.6
  web:
  - version: 1.1.0
    digest: sha256:abc
    urls: [charts/web-1.1.0.tgz]
  - urls: ["https://x.example.com/web.tgz"]
    version: 1.0.0
  web-2:
  - version: 3.0.0
generated: "2026-01-01T00:00:00Z"
""",
        b"""entries:   # all of them
# by name
    "web":
        - {version: 1.1.0, digest: abc, urls: &all [charts/web-1.1.0.tgz]}
        - version: 1.0.0
          urls:
          - https://x.example.com/web.tgz
apiVersion: v1
""",
        b'{"entries": {"web": [{"version": "1.1.0", "digest": "abc", "urls": ["charts/web-1.1.0.tgz"]},'
        b' {"version": "1.0.0", "urls": ["https://x.example.com/web.tgz"]}]}}',
        b"entries: {web: [{version: 1.1.0, digest: abc, urls: [charts/web-1.1.0.tgz]},"
        b" {version: 1.0.0, urls: ['https://x.example.com/web.tgz']}]}\n",
        b"""entries:
  app:
  - &new
    version: 1.1.0
    digest: abc
    urls: [charts/web-1.1.0.tgz]
  web:
  - *new
  - version: 1.0.0
    urls: ["https://x.example.com/web.tgz"]
""",
    ],
    ids=["as helm writes it", "otherwise laid out", "JSON", "in flow style", "with an alias"],
)
def test_what_an_index_says_of_a_chart(index: bytes) -> None:
    assert entries(index, "web") == ENTRIES
    assert entries(index.replace(b"\n", b"\r\n"), "web") == ENTRIES
    assert entries(index, "we") == []
    assert entries(index, "none") == []


def test_a_version_that_looks_like_a_number_stays_what_is_written() -> None:
    assert entries(b"entries:\n  web:\n  - version: 1.10\n", "web") == [Entry("1.10", ())]


@pytest.mark.parametrize(
    ("index", "words"),
    [
        (b"<html><body>nothing here: {</body></html>", "index"),
        (b"entries:\n  web:\n  - version: [\n", "not valid YAML"),
        (b"{nothing", "not valid JSON"),
        (b"entries:\n  web: *nothing\n", "alias stands for nothing"),
        (b"[1, 2]", "no index of charts"),
        (b"entries:\n  web: " + b"[" * 5000, "nested deeper"),
        (b"entries:\n  web:\n  - a: " + b"[" * 5000, "nested deeper"),
    ],
)
def test_what_is_no_index_is_told(index: bytes, words: str) -> None:
    with pytest.raises(ChartError, match=words):
        entries(index, "web")


def test_aliases_that_multiply_cost_nothing() -> None:
    bomb = ["entries:", "  web:", "  - a0: &a0 [x, x]"]
    bomb += [f"    a{n}: &a{n} [*a{n - 1}, *a{n - 1}, *a{n - 1}, *a{n - 1}]" for n in range(1, 40)]
    assert entries("\n".join([*bomb, "    version: 1.0.0", ""]).encode(), "web") == [Entry("1.0.0", ())]
