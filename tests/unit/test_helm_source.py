"""A Helm source as data: what helm is told, what its files of values are, and what it says back. The expectations are
Argo CD's own (util/helm/cmd.go, reposerver/repository/repository.go, util/io/path/resolved.go)."""

from __future__ import annotations

from typing import Any

import pytest

from fleetui.model.errors import FleetError, ManifestError, RefusedError
from fleetui.render.environment import build_environment, expand
from fleetui.render.helm import failure, invocation, printed, substituted
from fleetui.render.helm_dependencies import Dependency, folder_of, missing, wanted
from fleetui.render.helm_values import Places, ValueFile, parameter_files, value_files
from fleetui.render.pathglob import PatternError, matching
from fleetui.renderports import HelmRequest

ENVIRONMENT = build_environment(
    app="argocd_web",
    namespace="shop",
    project="team",
    revision="0123456789abcdef0123456789abcdef01234567",
    repo_url="https://git.example.com/x.git",
    path="charts/web",
    target_revision="main",
)


def told(**fields: Any) -> list[str]:
    request = HelmRequest(**{"chart": {}, "release": "web", "namespace": "shop", **fields})
    return list(invocation(request).arguments)


def after_head(**options: Any) -> list[str]:
    """What `options` add between the namespace and ``--include-crds``."""
    arguments = told(options=options)
    assert arguments[:6] == ["template", "./chart", "--name-template", "web", "--namespace", "shop"]
    assert arguments[-1] == "--include-crds"
    return arguments[6:-1]


def test_a_file_parameter_can_not_name_a_file_of_this_machine() -> None:
    with pytest.raises(RefusedError, match="file parameter 'a=/etc/passwd,b' can't be set"):
        told(file_parameters={"a=/etc/passwd,b": b""})


# --- the build environment --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("", ""),
        ("$ARGOCD_APP_NAME", "argocd_web"),
        ("${ARGOCD_APP_REVISION_SHORT}-x", "0123456-x"),
        ("$ARGOCD_APP_REVISION_SHORT_8", "01234567"),
        ("namespace: $ARGOCD_APP_NAMESPACE; name: $ARGOCD_APP_NAME", "namespace: shop; name: argocd_web"),
        ("$NOTHING", ""),
        ("${NOTHING}x", "x"),
        ("${ARGOCD_APP_NAME", "ARGOCD_APP_NAME"),
        ("$$ARGOCD_APP_NAME", "$ARGOCD_APP_NAME"),
        ("a$", "a$"),
        ("a$ b", "a$ b"),
        ("$1a$-", "a"),
        ("${}", ""),
        ("$é", "$é"),
    ],
)
def test_variables_are_expanded_as_go_does(text: str, result: str) -> None:
    assert expand(text, ENVIRONMENT) == result


def test_only_parameters_have_variables() -> None:
    options = {
        "parameters": [{"name": "a", "value": "$ARGOCD_APP_NAME"}, {"name": "b"}],
        "values": "x: $ARGOCD_APP_NAME",
        "releaseName": "$ARGOCD_APP_NAME",
    }
    made = substituted(options, ENVIRONMENT)
    assert made == {**options, "parameters": [{"name": "a", "value": "argocd_web"}, {"name": "b", "value": ""}]}
    assert substituted({"values": "1"}, ENVIRONMENT) == substituted({"values": "1"}, {})


# --- what helm is told ------------------------------------------------------------------------------------------


def test_the_least() -> None:
    assert told() == ["template", "./chart", "--name-template", "web", "--namespace", "shop", "--include-crds"]
    assert told(namespace="") == ["template", "./chart", "--name-template", "web", "--include-crds"]


def test_what_the_cluster_serves_and_what_the_source_says_of_it() -> None:
    cluster = {"kube_version": "v1.31.2+k3s1", "api_versions": ["v1", "apps/v1/Deployment"]}
    served = ["--api-versions", "v1", "--api-versions", "apps/v1/Deployment", "--include-crds"]
    assert told(**cluster)[6:] == ["--kube-version", "1.31.2", *served]
    own = {"kubeVersion": "1.30", "apiVersions": ["x/v1"], "namespace": "own", "releaseName": "mine"}
    assert told(**cluster, options=own)[2:] == [
        *["--name-template", "mine", "--namespace", "own", "--kube-version", "1.30"],
        *["--api-versions", "x/v1", "--include-crds"],
    ]


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("x", "x"),
        ("a,b", r"a\,b"),
        (r"a\,b", r"a\,b"),
        ("{a,b}", "{a,b}"),
        ("{a,b", r"{a\,b"),
        (",,", r"\,\,"),
        ("a=b\nc", "a=b\nc"),
        ("", ""),
    ],
)
def test_commas_of_values_are_escaped_but_in_lists(value: str, written: str) -> None:
    assert after_head(parameters=[{"name": "k", "value": value}]) == ["--set", f"k={written}"]


def test_of_equal_parameters_the_last_counts_and_text_comes_after() -> None:
    parameters = [
        {"name": "t", "value": "1", "forceString": True},
        {"name": "a", "value": "1"},
        {"name": "a", "value": "2"},
    ]
    assert after_head(parameters=parameters) == ["--set", "a=2", "--set-string", "t=1"]


def test_values_come_in_order_and_the_sources_own_last() -> None:
    request = HelmRequest(
        chart={},
        release="web",
        namespace="shop",
        options={"values": "a: 1", "valuesObject": {"b": "é\u2028"}},
        values=[("values.yaml", b"x"), ("$env/prod.yaml", b"y")],
        file_parameters={"cert": b"pem"},
    )
    run = invocation(request)
    assert run.arguments[6:-1] == (
        *("--set-file", "cert=parameter-0", "--values", "values-0.yaml", "--values", "values-1.yaml"),
        *("--values", "values-own.yaml"),
    )
    assert run.files == {
        "parameter-0": b"pem",
        "values-0.yaml": b"x",
        "values-1.yaml": b"y",
        "values-own.yaml": '{"b": "é\\u2028"}'.encode(),
    }
    assert run.called["values-1.yaml"] == "$env/prod.yaml"


@pytest.mark.parametrize(
    ("options", "content"),
    [
        ({"values": "a: 1"}, b"a: 1"),
        ({"values": "a: 1", "valuesObject": {}}, b"{}"),
        ({"values": "a: 1", "valuesObject": None}, b"a: 1"),
        ({"values": ""}, None),
    ],
)
def test_values_object_wins_over_values(options: dict[str, Any], content: bytes | None) -> None:
    made = invocation(HelmRequest(chart={}, release="web", namespace="", options=options))
    assert made.files.get("values-own.yaml") == content


def test_switches() -> None:
    skips = {"skipCrds": True, "skipTests": True, "skipSchemaValidation": True}
    assert told(options=skips)[6:] == ["--skip-schema-validation", "--skip-tests"]


@pytest.mark.parametrize("version", ["", "v3", "v4"])
def test_versions_of_helm_that_there_are(version: str) -> None:
    assert after_head(version=version) == []


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"options": {"version": "v2"}}, "helm version 'v2' is not supported"),
        ({"options": {"kubeVersion": "newest"}}, "could not parse kubernetes version 'newest'"),
        ({"options": {"kubeVersion": "1"}}, "could not parse kubernetes version '1'"),
        ({"release": "x" * 54}, "is no name for a Helm release"),
        ({"release": "Web"}, "'Web' is no name for a Helm release"),
        ({"options": {"releaseName": "{{ printf 1 }}"}}, "is no name for a Helm release"),
        ({"release": ""}, "is no name for a Helm release"),
    ],
)
def test_what_helm_is_never_told(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ManifestError) as error:
        told(**fields)
    assert words in str(error.value)


def test_the_longest_name() -> None:
    assert told(release="x" * 53)[3] == "x" * 53


# --- files of values --------------------------------------------------------------------------------------------

FILES = [
    "charts/web/values.yaml",
    "charts/web/env/prod.yaml",
    "charts/web/env/dev.yaml",
    "charts/web/env/eu/a.yaml",
    "charts/web/argocd_web.yaml",
    "common.yaml",
]


def chosen(*names: str, refs: dict[str, list[str]] | None = None, **options: Any) -> list[str]:
    places = Places(files=FILES, folder="charts/web", refs=refs)
    found = value_files({"valueFiles": list(names), **options}, places, ENVIRONMENT)
    return [file.name for file in found]


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["values.yaml", "env/prod.yaml"], ["charts/web/values.yaml", "charts/web/env/prod.yaml"]),
        (["../../common.yaml"], ["common.yaml"]),
        (["/common.yaml", "./values.yaml"], ["common.yaml", "charts/web/values.yaml"]),
        (["$ARGOCD_APP_NAME.yaml"], ["charts/web/argocd_web.yaml"]),
        (["values.yaml", "values.yaml"], ["charts/web/values.yaml"]),
        (["env/*.yaml"], ["charts/web/env/dev.yaml", "charts/web/env/prod.yaml"]),
        (
            ["env/**/*.yaml", "env/dev.yaml"],
            ["charts/web/env/prod.yaml", "charts/web/env/eu/a.yaml", "charts/web/env/dev.yaml"],
        ),
        (["https://x.example.com/v.yaml?a=*"], ["https://x.example.com/v.yaml?a=*"]),
    ],
)
def test_which_files_are_meant(names: list[str], found: list[str]) -> None:
    assert chosen(*names) == found


def test_a_variable_is_no_source() -> None:
    assert chosen("$ARGOCD_APP_NAME.yaml", refs={}) == ["charts/web/argocd_web.yaml"]
    with pytest.raises(FleetError, match="is not one of the available sources"):
        chosen("$ARGOCD_APP_NAME.yaml", refs={"$env": []})


def test_files_of_another_source() -> None:
    refs = {"$env": ["prod/web.yaml", "prod/argocd_web.yaml", "prod/x/y.yaml"]}
    assert chosen("$env/prod/web.yaml", "$env/prod/$ARGOCD_APP_NAME.yaml", refs=refs) == [
        "$env/prod/web.yaml",
        "$env/prod/argocd_web.yaml",
    ]
    assert chosen("$env/prod/*.yaml", "$env/prod/web.yaml", refs=refs) == [
        "$env/prod/argocd_web.yaml",
        "$env/prod/web.yaml",
    ]


@pytest.mark.parametrize(
    ("name", "refs", "kind", "words"),
    [
        ("../../../x.yaml", None, RefusedError, "file '../../../x.yaml' resolved to outside repository root"),
        ("/../x.yaml", None, RefusedError, "resolved to outside repository root"),
        ("/", None, RefusedError, "resolved to outside repository root"),
        ("$env/../../x.yaml", {"$env": []}, RefusedError, "resolved to outside repository root"),
        ("s3://bucket/x.yaml", None, RefusedError, "the URL scheme 's3' is not allowed"),
        ("file:///etc/passwd", None, RefusedError, "the URL scheme 'file' is not allowed"),
        ("none.yaml", None, ManifestError, "charts/web/none.yaml: the file of values does not exist"),
        ("env/*.json", None, ManifestError, 'values file glob "env/*.json" matched no files'),
        ("env/[", None, ManifestError, 'error expanding glob pattern "env/[": syntax error in pattern'),
        (
            "$x/a.yaml",
            {"$env": []},
            FleetError,
            'source referenced "$x", which is not one of the available sources ($env)',
        ),
        ("$x/a.yaml", {}, FleetError, "source referenced \"$x\", but no source has a 'ref' field defined"),
    ],
)
def test_files_that_are_refused_or_missing(
    name: str, refs: dict[str, list[str]] | None, kind: type[FleetError], words: str
) -> None:
    with pytest.raises(kind) as error:
        chosen(name, refs=refs)
    assert words in str(error.value)


def test_missing_files_may_be_ignored() -> None:
    names = ["none.yaml", "env/*.json", "values.yaml"]
    assert chosen(*names, ignoreMissingValueFiles=True) == ["charts/web/values.yaml"]


def test_files_of_parameters() -> None:
    options = {
        "fileParameters": [{"name": "a", "path": "env/$NOTHING/dev.yaml"}, {"name": "b", "path": "/common.yaml"}]
    }
    places = Places(files=FILES, folder="charts/web")
    assert parameter_files(options, places, ENVIRONMENT) == {
        "a": ValueFile("", "charts/web/env/dev.yaml"),
        "b": ValueFile("", "common.yaml"),
    }
    with pytest.raises(ManifestError, match="the file of a parameter does not exist"):
        parameter_files({"fileParameters": [{"name": "a", "path": "none"}]}, places, {})


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        # What doublestar.FilepathGlob 4.10 returns for the same files.
        ("t/**/*.yaml", "t/.hid.yaml t/b.yaml t/m.yaml t/a/1.yaml t/a.d/k.yaml t/b/0.yaml t/b/z.yaml t/b/c/9.yaml"),
        ("t/*/*.yaml", "t/a/1.yaml t/a.d/k.yaml t/b/0.yaml t/b/z.yaml"),
        ("t/**", "t/.hid.yaml t/a/1.yaml t/a/2.yml t/a.d/k.yaml t/b/0.yaml t/b/c/9.yaml t/b/z.yaml t/b.yaml t/m.yaml"),
        ("t/b/**z.yaml", "t/b/z.yaml"),
        ("t/{a.d,a}/*.y?ml", "t/a/1.yaml t/a.d/k.yaml"),
        ("t/[!b].yaml", "t/m.yaml"),
        ("t/[a-c]/[0-9].yaml", "t/a/1.yaml t/b/0.yaml"),
        ("t/**/c/**/*.yaml", "t/b/c/9.yaml"),
        ("t/\\*", ""),
        ("t/b.yaml/**", ""),
    ],
)
def test_patterns_and_their_order(pattern: str, found: str) -> None:
    names = "m.yaml b.yaml a/1.yaml a/2.yml b/0.yaml b/c/9.yaml a.d/k.yaml .hid.yaml b/z.yaml".split()
    assert matching(pattern, [f"t/{name}" for name in names]) == found.split()


@pytest.mark.parametrize("pattern", ["[", "[]", "a{b", "a}*", "x\\", "*[a-", "{" + "{a,b}" * 20 + "}"])
def test_patterns_that_are_none(pattern: str) -> None:
    with pytest.raises(PatternError):
        matching(pattern, [])


def test_a_hostile_pattern_takes_no_time() -> None:
    assert matching("t/" + "*a" * 40 + "b", ["t/" + "a" * 5000]) == []
    assert matching("**/" * 60 + "x", ["/".join("a" * 200)]) == []


# --- what helm says ---------------------------------------------------------------------------------------------


def test_manifests_know_the_template_that_they_come_from() -> None:
    stream = b"""---
# Source: web/crds/c.yaml
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
---
# Source: web/templates/a.yaml
# a comment
kind: A
text: |
  ---
  kind: Nothing
---
# Source: web/templates/a.yaml
kind: List
items:
- kind: B
- kind: C
---
# Source: web/templates/empty.yaml
"""
    found = printed(stream, chart="charts/web")
    assert [(each.obj["kind"], each.file.rpartition("/")[2], each.line) for each in found] == [
        ("CustomResourceDefinition", "c.yaml", 1),
        ("A", "a.yaml", 2),
        ("B", "a.yaml", 3),
        ("C", "a.yaml", 4),
    ]
    assert printed(b"") == []


def test_what_is_no_manifest_names_its_template() -> None:
    with pytest.raises(ManifestError, match=r"^web/templates/a.yaml:1: the object has no kind"):
        printed(b"---\n# Source: web/templates/a.yaml\na: 1\n")


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (
            'Error: parse error at (web/templates/x.yaml:12): function "foo" not defined\n\n'
            "Use --debug flag to render out invalid YAML\n",
            'web/templates/x.yaml:12: function "foo" not defined',
        ),
        ("Error: execution error at (web/templates/x.yaml:3:6): need b\n", "web/templates/x.yaml:3: need b"),
        (
            'Error: web/templates/x.yaml:1:13\n  executing "web/templates/x.yaml" at <.Values.x.y>:\n'
            "    nil pointer evaluating interface {}.y\n",
            'web/templates/x.yaml:1: executing "web/templates/x.yaml" at <.Values.x.y>: '
            "nil pointer evaluating interface {}.y",
        ),
        (
            "Error: YAML parse error on web/templates/x.yaml: error converting YAML to JSON: yaml: line 3: bad\n",
            "web/templates/x.yaml: YAML parse error: line 3: bad",
        ),
        (
            "Error: failed to parse values-0.yaml: cannot unmarshal yaml document: error converting YAML to JSON: "
            "yaml: line 7: did not find expected node content\n",
            "env/prod.yaml:7: did not find expected node content",
        ),
        (
            "level=WARN msg=x\n"
            "Error: values don't meet the specifications of the schema(s) in the following chart(s):\n"
            "web:\n- at '': missing property 'zz'\n- at '/a': got number, want string\n\n",
            "charts/web: values don't meet the specifications of the schema(s) in the following chart(s): "
            "web: at '': missing property 'zz'; at '/a': got number, want string",
        ),
        ("panic: index out of range\n\ngoroutine 1 [running]:\nmain()\n", "charts/web: panic: index out of range"),
        ("", "charts/web: helm said nothing"),
        ("Error: \x1b[31mred\n", "charts/web: \ufffd[31mred"),
        ("Error: " + "x" * 5000, "charts/web: " + "x" * 1000 + "…"),
    ],
)
def test_what_went_wrong_is_one_sentence_with_file_and_line(said: str, sentence: str) -> None:
    request = HelmRequest(chart={}, release="web", namespace="", values=[("env/prod.yaml", b"")])
    assert str(failure(said, invocation(request), chart="charts/web")) == sentence


# --- dependencies -----------------------------------------------------------------------------------------------

CHART_YAML = b"""apiVersion: v2
name: web
version: 1.0.0
dependencies:
- name: sub
  version: ">=1.0.0 <2"
  repository: file://../sub
  alias: other
  condition: other.enabled
  tags: [a, b]
  import-values: [data, {child: x, parent: y}]
- {name: base, version: 2.0.0, repository: "https://charts.example.com"}
"""


def test_what_is_missing_is_what_helm_says() -> None:
    said = (
        "Error: an error occurred while checking for chart dependencies. "
        "You may need to run 'helm dependency build' to fetch missing dependencies: "
        "found in Chart.yaml, but missing in charts/ directory: sub, base\n"
    )
    assert missing(said) == ["sub", "base"]
    assert missing("Error: found in requirements.yaml, but missing in charts/ directory: sub") == ["sub"]
    assert missing("Error: something else") == []


def test_dependencies_are_those_of_the_chart_or_of_its_lock() -> None:
    chart = {"Chart.yaml": CHART_YAML}
    base = Dependency("base", "2.0.0", "https://charts.example.com")
    assert wanted(chart, what="charts/web") == [Dependency("sub", ">=1.0.0 <2", "file://../sub"), base]
    assert wanted(chart, what="charts/web", names=["base"]) == [base]


def test_a_lock_file_has_to_belong_to_its_chart() -> None:
    # As `helm dependency update` 4.3.1 wrote it for this chart.
    lock = b"""dependencies:
- name: sub
  repository: file://../sub
  version: 1.2.0
digest: sha256:bdbac4cd3178636c23619ddf3e785a3907d06791dd70ac6c9a2549dfee4a9fdf
generated: "2026-11-26T00:39:22.598095316Z"
"""
    chart = {"Chart.yaml": CHART_YAML.partition(b"- {name: base")[0], "Chart.lock": lock}
    assert wanted(chart, what="charts/web") == [Dependency("sub", "1.2.0", "file://../sub")]
    with pytest.raises(ManifestError, match=r"^charts/web/Chart.lock: the lock file \(Chart.lock\) is out of sync"):
        wanted({**chart, "Chart.yaml": CHART_YAML}, what="charts/web")
    assert wanted({**chart, "Chart.yaml": b"name: web\n"}, what="charts/web") == []


def test_a_dependency_without_a_repository_has_to_be_there() -> None:
    with pytest.raises(ManifestError, match="the dependency 'sub' has no repository and is not in charts/"):
        wanted({"Chart.yaml": b"dependencies: [{name: sub, version: 1.0.0}]"}, what="web")


@pytest.mark.parametrize(
    ("repository", "folder"),
    [("file://../sub", "charts/sub"), ("file://charts/x", "charts/web/charts/x"), ("file://../..", "")],
)
def test_where_a_dependency_of_the_same_repository_lies(repository: str, folder: str) -> None:
    assert folder_of(Dependency("sub", "", repository), "charts/web") == folder


@pytest.mark.parametrize("repository", ["file://../../../x", "file:///etc"])
def test_a_dependency_outside_of_the_repository_is_refused(repository: str) -> None:
    with pytest.raises(RefusedError, match="lies outside the repository"):
        folder_of(Dependency("sub", "", repository), "charts/web")
