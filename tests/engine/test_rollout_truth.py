"""Versions in the text of a file in Git: read, moved, and moved back to the very same bytes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetui.engine.rollout.truth import versions, with_versions
from fleetui.engine.rollout.truthelement import Element, element_of
from fleetui.engine.rollout.truthtext import scalar
from fleetui.model.errors import ManifestError
from fleetui.model.rollout import Truth

SET = "ApplicationSet argocd/cluster-addons"

ARTICLE = """# The addons of every cluster.
apiVersion: argoproj.io/v1alpha1
kind: ApplicationSet
metadata:
  name: cluster-addons
  namespace: argocd
spec:
  generators:
    # every cluster with every addon
    - matrix:
        generators:
          - clusters: {}  # all of them

          - list:
              elements:
                - {addon: cert-manager, version: "1.14"}  # pinned: see the runbook
                - {addon: ingress-nginx, version: '4.9.1'}
                - addon: external-dns
                  version: v0.14
  template:
    metadata: {name: '{{name}}-{{addon}}'}
"""


def cell(cluster: str, addon: str = "cert-manager", *, generator: int | None = None) -> Truth:
    keys = (("name", cluster), ("addon", addon))
    return element(Element("version", keys, generator))


def element(of: Element, document: str = SET) -> Truth:
    return Truth("element", "https://git.example/fleet", "main", "addons.yaml", document, str(of))


def field(path: str, *, kind: str = "file", document: str = "") -> Truth:
    return Truth(kind, "https://git.example/fleet", "main", "versions.yaml", document, path)


def generators(text: str) -> Any:
    return next(each for each in yaml.safe_load_all(text) if each["kind"] == "ApplicationSet")["spec"]["generators"]


CELLS = [cell(cluster, addon) for cluster in ("a", "b", "c") for addon in ("cert-manager", "ingress-nginx")]


# --- a shared element -----------------------------------------------------------------------------------------------


def test_some_of_a_shared_element_stand_beside_the_matrix_and_all_of_it_within() -> None:
    before = generators(ARTICLE)[0]
    first = with_versions(ARTICLE, {cell("a"): "1.15"}, CELLS)
    moved = {"name": "a", "addon": "cert-manager", "version": "1.15"}
    merge = {"mergeKeys": ["name", "addon"], "generators": [before, {"list": {"elements": [moved]}}]}
    assert generators(first) == [{"merge": merge}]
    assert "# all of them" in first
    assert '                      - {addon: cert-manager, version: "1.14"}  # pinned: see the runbook\n' in first
    assert [versions(first, [each])[each] for each in CELLS] == ["1.15", "4.9.1", "1.14", "4.9.1", "1.14", "4.9.1"]
    assert with_versions(first, {cell("a"): "1.15"}, CELLS) == first
    last = with_versions(first, {cell("b"): "1.15", cell("c"): "1.15"}, CELLS)
    assert last == ARTICLE.replace('"1.14"', '"1.15"')
    back = with_versions(last, {cell("c"): "1.14"}, CELLS)
    assert [versions(back, [cell(each)])[cell(each)] for each in "abc"] == ["1.15", "1.15", "1.14"]
    assert with_versions(back, {cell("a"): "1.14", cell("b"): "1.14"}, CELLS) == ARTICLE


def test_two_addons_share_one_wrapping() -> None:
    both = {cell("a"): "1.15", cell("b", "ingress-nginx"): "4.10"}
    text = with_versions(ARTICLE, both, CELLS)
    assert text == with_versions(with_versions(ARTICLE, {cell("a"): "1.15"}, CELLS), both, CELLS)
    assert text.count("merge:") == 1
    one = with_versions(text, {cell("a"): "1.14"}, CELLS)
    assert generators(one)[0]["merge"]["generators"][1]["list"]["elements"] == [
        {"name": "b", "addon": "ingress-nginx", "version": "4.10"}
    ]
    assert with_versions(one, {cell("b", "ingress-nginx"): "4.9.1"}, CELLS) == ARTICLE


def test_cells_that_are_beside_and_go_all_while_others_come() -> None:
    first = with_versions(ARTICLE, {cell("a"): "1.15"}, CELLS)
    text = with_versions(first, {cell("a"): "1.14", cell("b"): "1.16"}, CELLS)
    elements = generators(text)[0]["merge"]["generators"][1]["list"]["elements"]
    assert elements == [{"name": "b", "addon": "cert-manager", "version": "1.16"}]


def test_a_cell_of_which_nobody_knows_is_not_moved_along() -> None:
    known = [each for each in CELLS if "name=c" not in each.field]
    text = with_versions(ARTICLE, {cell("a"): "1.15"}, known)
    assert versions(with_versions(text, {cell("b"): "1.15"}, CELLS), [cell("c")]) == {cell("c"): "1.14"}


def test_an_element_whose_version_a_human_changed_meanwhile() -> None:
    text = with_versions(ARTICLE, {cell("a"): "1.15"}, CELLS).replace('"1.14"', '"1.14.3"')
    done = with_versions(text, {cell("b"): "1.15", cell("c"): "1.15"}, CELLS)
    assert done == ARTICLE.replace('"1.14"', '"1.15"')


FLOW = "kind: ApplicationSet\nmetadata: {name: cluster-addons}\nspec: {generators: [{matrix: {generators: [{clusters: {}}, {list: {elements: [{addon: cert-manager, version: '1.14'}]}}]}}]} # x\n"  # noqa: E501
JSON = json.dumps(
    {
        "kind": "ApplicationSet",
        "metadata": {"name": "cluster-addons", "namespace": "argocd"},
        "spec": {
            "generators": [
                {
                    "matrix": {
                        "generators": [
                            {"clusters": {}},
                            {"list": {"elements": [{"addon": "cert-manager", "version": "1.14"}]}},
                        ]
                    }
                }
            ]
        },
    },
    indent="\t",
)
OTHER = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\n"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(ARTICLE.replace("\n", "\r\n"), id="CRLF"),
        pytest.param(
            ARTICLE.replace("  template:\n    metadata: {name: '{{name}}-{{addon}}'}\n", "")[:-1], id="no end"
        ),
        pytest.param(f"---\n# one\n{OTHER}---\n{ARTICLE}---\n{OTHER}", id="several documents"),
        pytest.param(f"\ufeff{ARTICLE}", id="byte order mark"),
        pytest.param(FLOW, id="flow style"),
        pytest.param(JSON, id="JSON"),
        pytest.param(ARTICLE.replace("\n    ", "\n  "), id="dash under its key"),
        pytest.param(ARTICLE.replace("    - matrix:", "    -   # a matrix\n      matrix:"), id="dash alone"),
        pytest.param(ARTICLE.replace("  template:", "# less\n\n      # more\n  template:"), id="comments behind"),
        pytest.param(ARTICLE.replace('"1.14"', '&v "1.14"'), id="an anchor of its own"),
        pytest.param(ARTICLE.replace("    - matrix:", "    - list: {elements: []}\n    - matrix:"), id="second"),
    ],
)
def test_every_layout_goes_there_and_back(text: str) -> None:
    known = [cell("a"), cell("b")]
    first = with_versions(text, {cell("a"): "1.15"}, known)
    assert versions(first, known) == {cell("a"): "1.15", cell("b"): "1.14"}
    assert with_versions(first, {cell("a"): "1.14"}, known) == text
    both = with_versions(first, {cell("b"): "1.15"}, known)
    assert both == text.replace("1.14", "1.15")
    assert ("\r\n" in text) == ("\r\n" in first)
    assert first.count("\r") in (0, first.count("\n"))


def test_a_template_in_go_is_wrapped_likewise_and_a_field_below_another_too() -> None:
    text = ARTICLE.replace("  generators:\n    #", "  goTemplate: true\n  generators:\n    #").replace(
        '{addon: cert-manager, version: "1.14"}', '{addon: cert-manager, values: {chart: "1.14"}}'
    )
    known = [element(Element("values.chart", (("name", name), ("addon", "cert-manager")))) for name in "ab"]
    moved = with_versions(text, {known[0]: "1.15"}, known)
    beside = generators(moved)[0]["merge"]["generators"][1]["list"]["elements"]
    assert beside == [{"name": "a", "addon": "cert-manager", "values": {"chart": "1.15"}}]
    assert with_versions(moved, {known[0]: "1.14"}, known) == text


# --- elements per cluster, and merges of others ---------------------------------------------------------------------

PER_CLUSTER = """kind: ApplicationSet
metadata: {name: cluster-addons}
spec:
  generators:
  - list:
      elements:
      - {name: a, url: https://a, addon: cert-manager, version: "1.14"}
      - {name: b, url: https://b, addon: cert-manager, version: 'v1.14'}  # old
"""

MERGE = """kind: ApplicationSet
metadata: {name: cluster-addons}
spec:
  generators:
  - merge:
      mergeKeys:
      - addon
      - name
      generators:
      - matrix:
          generators:
          - clusters: {}
          - list:
              elements:
              - addon: cert-manager
                version: 1.14.0
      - list:
          elements:
          - name: a
            addon: cert-manager
            version: 1.13.0
"""


def test_an_element_per_cluster_is_changed_in_its_place() -> None:
    text = with_versions(PER_CLUSTER, {cell("b"): "1.15"}, [cell("a"), cell("b")])
    assert text == PER_CLUSTER.replace("'v1.14'", "'1.15'")


def test_a_merge_of_somebody_else_keeps_its_cells_and_takes_more() -> None:
    known = [cell("a"), cell("b"), cell("c")]
    assert versions(MERGE, known) == {cell("a"): "1.13.0", cell("b"): "1.14.0", cell("c"): "1.14.0"}
    text = with_versions(MERGE, {cell("a"): "1.15.0", cell("b"): "1.15.0"}, known)
    assert text == MERGE.replace("1.13.0\n", '1.15.0\n          - {name: b, addon: cert-manager, version: "1.15.0"}\n')
    done = with_versions(text, {cell("c"): "1.15.0"}, known)
    assert versions(done, known) == dict.fromkeys(known, "1.15.0")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            ARTICLE.replace("        generators:", "        template: {spec: {project: x}}\n        generators:", 1),
            "own",
        ),
        (
            ARTICLE.replace("- clusters: {}  # all of them", "- matrix: {generators: [{clusters: {}}, {git: {}}]}"),
            "nested too deeply",
        ),
        (ARTICLE.replace("cert-manager, ", "other, "), "no element of a list generator gives a and cert-manager"),
        (ARTICLE.replace('"1.14"', "|\n  1.14"), "not valid|not a valid"),
        (ARTICLE.replace("kind: ApplicationSet", "kind: Other"), "there is no ApplicationSet argocd/cluster-addons"),
        (
            ARTICLE.replace(
                "                - {addon: ing",
                "                - {addon: cert-manager, version: '1'}\n                - {addon: ing",
            ),
            r"addons\.yaml:17: the version of a and cert-manager stands in several elements",
        ),
        (
            ARTICLE.replace("- {addon: cert-manager", "- &c {addon: cert-manager").replace(
                "  template:", "  x: *c\n  template:"
            ),
            "without changing something else",
        ),
        (
            ARTICLE.replace("spec:", "x: &v '1.14'\nspec:").replace('"1.14"', "*v"),
            r"addons\.yaml:\d+: spec\.generators.*version is not written in its own place",
        ),
        ("{", "not"),
        (f"{ARTICLE}---\n{ARTICLE}", "there are 2 of ApplicationSet argocd/cluster-addons"),
    ],
)
def test_what_can_not_be_edited_is_refused_with_its_place(text: str, why: str) -> None:
    # All of the cells where an alias is behind it, one where a wrapping is.
    wanted = {cell("a"): "1.15", cell("b"): "1.15"} if "*" in text else {cell("a"): "1.15"}
    with pytest.raises(ManifestError, match=why) as raised:
        with_versions(text, wanted, [cell("a"), cell("b")])
    assert str(raised.value).startswith("addons.yaml")


def test_which_of_several_generators_makes_a_cell_can_be_said() -> None:
    matrix = ARTICLE[ARTICLE.index("    - matrix:") : ARTICLE.index("  template:")]
    text = ARTICLE.replace(matrix, matrix.replace("1.14", "1.13") + matrix)
    with pytest.raises(ManifestError, match="in several elements"):
        versions(text, [cell("a")])
    one, other = cell("a", generator=0), cell("b", generator=1)
    assert versions(text, [one, other]) == {one: "1.13", other: "1.14"}
    moved = with_versions(text, {one: "1.15"}, [one, cell("c", generator=0), other])
    assert [*generators(moved)[0], *generators(moved)[1]] == ["merge", "matrix"]
    assert versions(moved, [one, other]) == {one: "1.15", other: "1.14"}
    assert with_versions(moved, {one: "1.13"}, [one, cell("c", generator=0), other]) == text


@pytest.mark.parametrize("of", ["version", "version where", "version where name", "v where name=a in x"])
def test_what_names_no_element(of: str) -> None:
    with pytest.raises(ManifestError, match="names no element"):
        element_of(of)


@given(st.text(min_size=1), st.lists(st.tuples(st.text(min_size=1), st.text()), min_size=1), st.none() | st.integers(0))
@settings(max_examples=30)
def test_an_element_is_read_as_it_was_written(name: str, keys: list[tuple[str, str]], generator: int | None) -> None:
    given_name = name.replace(" ", "")
    assert element_of(str(Element(given_name, tuple(keys), generator))) == Element(given_name, tuple(keys), generator)


# --- fields ---------------------------------------------------------------------------------------------------------

APPLICATION = """---
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: certs, namespace: argocd}
spec:
  source:
    repoURL: https://git.example/fleet
    path: addons/cert-manager/1.14/base # here
    targetRevision: v1.14.0
    helm:
      parameters:
        - name: image.tag
          value: "1.14"
        - {name: replicas, value: '2'}
---
kind: HelmRelease
metadata:
  name: certs
spec:
  chart:
    spec: {version: 1.14.x}
---
kind: Kustomization
resources:
- https://git.example/addons//certs?ref=v1.14
"""
APP = "Application argocd/certs"


@pytest.mark.parametrize(
    ("path", "document", "version", "to", "old", "new"),
    [
        ("spec.source.targetRevision", APP, "v1.14.0", "v1.15.0", "v1.14.0", "v1.15.0"),
        ("spec.source.targetRevision", APP, "v1.14.0", "1.15", "v1.14.0", '"1.15"'),
        ("spec.source.path#2", APP, "1.14", "1.15", "/1.14/base", "/1.15/base"),
        ("spec.source.path#-2", APP, "1.14", "1.15", "/1.14/base", "/1.15/base"),
        (r"spec.source.helm.parameters.name=image\.tag.value", APP, "1.14", "1.10", '"1.14"', '"1.10"'),
        ("spec.source.helm.parameters.1.value", APP, "2", "3", "'2'", "'3'"),
        ("spec.chart.spec.version", "HelmRelease flux-system/certs", "1.14.x", "2", "1.14.x", '"2"'),
    ],
)
def test_a_field_of_a_manifest(path: str, document: str, version: str, to: str, old: str, new: str) -> None:
    truth = field(path, document=document)
    assert versions(APPLICATION, [truth]) == {truth: version}
    text = with_versions(APPLICATION, {truth: to})
    assert text == APPLICATION.replace(old, new, 1)
    assert versions(text, [truth]) == {truth: to}
    assert with_versions(APPLICATION, {truth: version}) == APPLICATION


def test_the_reference_of_a_remote_base() -> None:
    text = APPLICATION.rpartition("---\n")[2]
    truth = field("resources.0#-1")
    assert versions(text, [truth]) == {truth: "v1.14"}
    assert with_versions(text, {truth: "v1.15"}) == text.replace("v1.14", "v1.15")


def test_values_and_files_of_either_format() -> None:
    values = "certs: {enabled: true}\nextra.io/x: 1\ncert-manager:\n  version: 1.14 # a number\n"
    truth = field("cert-manager.version")
    assert versions(values, [truth]) == {truth: "1.14"}
    assert with_versions(values, {truth: "1.10"}) == values.replace("1.14", '"1.10"')
    dotted = field(r"extra\.io/x")
    assert versions(values, [dotted]) == {dotted: "1"}
    text = '[\n\t{"addon": "x",\n\t "version": "1"}, {"addon": "y", "version": "2"}]\n'
    both = {field("addon=y.version"): "3", field("0.version"): "2"}
    assert with_versions(text, both) == text.replace('"2"', '"3"').replace('"1"', '"2"')


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("nothing.version", r"versions\.yaml:1: there is no nothing\.version in it"),
        ("a..b", "is no field"),
        ("", "is no field"),
        ("list", "not written on one line"),
        ("block", "not written on one line"),
        ("path#7", "has no part 7"),
        ("version", "is no version"),
    ],
)
def test_fields_that_can_not_be_written(path: str, why: str) -> None:
    text = "list: [1]\nblock: |\n  1\npath: a/b\nversion: 1\n"
    with pytest.raises(ManifestError, match=why):
        with_versions(text, {field(path): "2\n" if path == "version" else "2"})


@given(st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), min_size=1))
@settings(max_examples=200)
def test_a_version_is_read_as_text_by_every_reader(version: str) -> None:
    for style in (None, "'", '"'):
        assert yaml.safe_load(f"v: {scalar(version, style)}\n") == {"v": version}


@pytest.mark.parametrize(
    "version", ["1.10", "1e3", "0x1f", "0o17", "1_000", "2024-01-01", "yes", "n", "null", "~", ".5"]
)
def test_a_version_that_is_no_text_is_quoted(version: str) -> None:
    assert scalar(version) == f'"{version}"'


# --- every layout, every way ----------------------------------------------------------------------------------------

CLUSTERS, ADDONS = ("a", "b", "c", "d"), ("cert-manager", "dns", "1")
VERSIONS = st.sampled_from(["1.14", "1.15", "1.10", "v2", "2.0.0-rc.1+x", "1e3", "yes", "é"])


@st.composite
def layouts(draw: st.DrawFn) -> tuple[str, dict[Truth, str]]:
    """The text of an ApplicationSet, and its cells with their versions."""
    clusters = CLUSTERS[: draw(st.integers(1, 4))]
    addons = ADDONS[: draw(st.integers(1, 3))]
    given_versions = {addon: draw(VERSIONS) for addon in addons}
    step = draw(st.sampled_from(["", "  ", "    "]))
    comment = st.sampled_from(["", "", "  # why", "\n# why not", "\n\n      # x: [", " #\t{"])

    def noted(line: str) -> list[str]:
        return (line + draw(comment)).split("\n")

    elements = []
    for addon, version in given_versions.items():
        shown = scalar(version, draw(st.sampled_from([None, "'", '"'])))
        key = scalar(addon)
        if draw(st.booleans()):
            elements += noted(f"- {{addon: {key}, version: {shown}}}")
        elif draw(st.booleans()):
            elements += [
                *noted(f"- version:   {shown}"),
                *noted(f"  addon: {key}"),
                "  note: |",
                "    one",
                "",
                "     two",
            ]
        else:
            elements += ["-  addon: " + key, *noted(f"   version: {shown}")]
    listed = ["- list:", f"    elements:{draw(st.sampled_from(['', ' # them']))}", *indented(elements, "    " + step)]
    children = [["- clusters:", "    selector: {matchLabels: {", "      a: b}}"], listed]
    if draw(st.booleans()):
        children.reverse()
    inner = [line for child in children for line in child]
    matrix = [*noted("- matrix:"), "    generators:", *indented(inner, "    " + step)]
    others = [["- list: {elements: []}"]] * draw(st.integers(0, 1))
    items = [line for item in draw(st.permutations([matrix, *others])) for line in item]
    head = ["kind: ApplicationSet", "metadata: {name: cluster-addons}", "spec:", "  generators:"]
    tail = draw(st.sampled_from([[], ["  template: {}"], ["    # end", "  goTemplate: true"], ["", ""]]))
    text = "\n".join([*head, *indented(items, "  " + step), *tail])
    # A text in block form at the very end would get a line end that it did not have: that is refused.
    text += draw(st.sampled_from(["" if "note" not in text else "\n", "\n", "\n---\nkind: Other\n"]))
    if draw(st.booleans()):
        text = f"kind: Other\nx: |\n  a\n---\n{text}"
    text = text.replace("\n", draw(st.sampled_from(["\n", "\r\n"])))
    return text, {cell(cluster, addon): given_versions[addon] for cluster in clusters for addon in addons}


def indented(lines: Sequence[str], by: str) -> list[str]:
    return [by + line if line and not line.startswith("# why") else line for line in lines]


def in_json(layout: tuple[str, dict[Truth, str]], indent: int | str | None) -> tuple[str, dict[Truth, str]]:
    text, cells = layout
    found = next(each for each in yaml.safe_load_all(text) if each["kind"] == "ApplicationSet")
    return json.dumps(found, indent=indent, ensure_ascii=False), cells


JSONS = st.builds(in_json, layouts(), st.sampled_from([None, 2, "\t"]))


@given(layouts() | JSONS, st.data())
@settings(max_examples=60, deadline=None)
def test_any_moves_in_any_layout_and_back_to_the_same_bytes(
    layout: tuple[str, Mapping[Truth, str]], data: st.DataObject
) -> None:
    text, before = layout
    assert versions(text, before) == before
    now, moved = dict(before), text
    for _ in range(data.draw(st.integers(1, 4))):
        wanted = data.draw(st.dictionaries(st.sampled_from(list(before)), VERSIONS, min_size=1))
        now |= wanted
        moved = with_versions(moved, wanted, before)
        assert versions(moved, before) == now
        assert with_versions(moved, now, before) == moved
        assert moved.count("mergeKeys") <= 1
    # A version that needed quotes where there were none leaves them there.
    back = with_versions(moved, before, before)
    assert back == text or (unquoted(back) == unquoted(text) and re.search(r"version\W+\w", text))


def unquoted(text: str) -> str:
    return re.sub("[\"']", "", text)
