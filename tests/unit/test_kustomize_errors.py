"""What is wrong with a kustomization, said with file and line; and what is left to the binary, by name."""

from __future__ import annotations

import pytest

from fleetui.model.errors import ManifestError
from fleetui.render.kustomize import Unsupported, build
from tests.unit.kustomize_overlays import parsed

WEB = """-- web.yaml --
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec: {template: {spec: {containers: [{name: c, image: nginx}]}}}
"""

REFUSED = [
    ("helmCharts: [{name: x}]", "the field helmCharts", 2),
    ("vars: [{name: x}]", "the field vars", 2),
    ("configurations: [c.yaml]", "the field configurations", 2),
    ("crds: [c.yaml]", "the field crds", 2),
    ("openapi: {path: s.json}", "the field openapi", 2),
    ("generators: [g.yaml]", "the field generators", 2),
    ("transformers: [t.yaml]", "the field transformers", 2),
    ("validators: [v.yaml]", "the field validators", 2),
    ("buildMetadata: [originAnnotations]", "the field buildMetadata", 2),
    ("nonsense: 1", "the field nonsense", 2),
    ("NamePrefix: p-", "the field NamePrefix", 2),
    ("images:\n- name: nginx\n  newtag: x", "the field newtag in images[0]", 4),
    ("bases: ['https://example.com/repo']", "the remote resource https://example.com/repo", 2),
    ("bases: ['github.com/acme/repo//base?ref=v1']", "the remote resource github.com/acme/repo//base?ref=v1", 2),
    ("bases: ['git@example.com:repo.git']", "the remote resource git@example.com:repo.git", 2),
    ("components: ['ssh://git@example.com/repo']", "the remote resource ssh://git@example.com/repo", 2),
    ("patches: [{path: 'https://example.com/p.yaml'}]", "the remote resource https://example.com/p.yaml", 2),
    (r"patches: [{target: {name: '\bweb'}, patch: '[]'}]", r"the regular expression '\\bweb'", 2),
    ("patches: [{target: {name: '(a*)*b'}, patch: '[]'}]", "the regular expression '(a*)*b'", 2),
]


@pytest.mark.parametrize(("field", "feature", "line"), REFUSED)
def test_refuses_by_name(field: str, feature: str, line: int) -> None:
    it = parsed(f"-- kustomization.yaml --\nresources: [web.yaml]\n{field}\n{WEB}")
    with pytest.raises(Unsupported) as caught:
        build(it.files, it.folder)
    assert caught.value.feature == feature
    assert caught.value.path == "kustomization.yaml"
    assert caught.value.line == line
    assert str(caught.value).endswith(f"{feature} can only be built by the kustomize binary")


ODD = [
    ("a: 1e3", "the scalar 1e3"),
    ("a: -0.0", "the scalar -0.0"),
    ("a: .5", "the scalar .5"),
    ("a: .inf", "the scalar .inf"),
    ("a: 1.50", "the scalar 1.50"),
    ("a: True", "the scalar True"),
    ("a: ~", "the scalar ~"),
    ("a: 2020-01-01", "the scalar 2020-01-01"),
    ("a: 18446744073709551616", "the scalar 18446744073709551616"),
    ("a: &x 1\nb: *x", "a YAML anchor or alias"),
    ("a: {<<: {b: c}}", "the scalar <<"),
    ("a: !!binary YQ==", "the YAML tag tag:yaml.org,2002:binary"),
    ("a: [1, null]", "a null in a list"),
    ("1: a", "a key that is no text"),
    ("a: 1\na: 2", "the key a twice"),
    ('a: 1 # {"type": "string"}', "a comment that looks like a schema"),
]


@pytest.mark.parametrize(("yaml", "feature"), ODD)
def test_refuses_yaml_that_may_be_read_in_two_ways(yaml: str, feature: str) -> None:
    head = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n"
    it = parsed(f"-- kustomization.yaml --\nresources: [c.yaml]\n-- c.yaml --\n{head}{yaml}\n")
    with pytest.raises(Unsupported) as caught:
        build(it.files, it.folder)
    assert caught.value.feature == feature
    assert caught.value.path == "c.yaml"


WRONG = [
    ("resources: [absent.yaml]", "kustomization.yaml:1: there is no file absent.yaml, and no folder"),
    ("resources: [../up]", "kustomization.yaml:1: ../up leads out of the repository"),
    ("resources: [/etc/passwd]", "kustomization.yaml:1: /etc/passwd is an absolute path"),
    ("resources: [.]", "kustomization.yaml:1: . leads back to kustomization.yaml, which is a cycle"),
    ("resources: ['base - ../other']", "kustomization.yaml:1: the path 'base - ../other' is ambiguous"),
    ("resources: [web.yaml, web.yaml]", "kustomization.yaml:1: Deployment.apps web is there twice"),
    ("resources: web.yaml", "kustomization.yaml:1: resources must be a list, not str"),
    ("resources: [web.yaml]\nimages: [{name: a, newTag: 1.5}]", "kustomization.yaml:2: images[0].newTag must be text"),
    ("resources: [web.yaml]\nreplicas: [{name: a, count: x}]", "replicas[0].count must be a whole number, not str"),
    ("resources: [web.yaml]\nreplicas: [{name: db, count: 1}]", "kustomization.yaml:2: replicas names db, but no"),
    ("resources: [web.yaml]\nkind: Pod", "kustomization.yaml:2: kind should be Kustomization or Component"),
    ("apiVersion: v1\nresources: [web.yaml]", "kustomization.yaml:1: apiVersion for Kustomization should be"),
    ("kind: Kustomization", "kustomization.yaml:1: the kustomization is empty"),
    ("", "kustomization.yaml: the kustomization is empty"),
    ("[a]", "kustomization.yaml:1: the kustomization is no mapping"),
    ("resources: [", "kustomization.yaml:2: not a valid manifest"),
    ("components: [plain]", "kustomization.yaml:1: plain is no Component"),
    ("resources: [comp]", "kustomization.yaml:1: comp is a Component; list it in components"),
    ("resources: [two]", "two: holds kustomization.yaml and Kustomization; keep one of them"),
    ("resources: [bad.yaml]", "bad.yaml:3: the Pod has no metadata.name"),
    ("resources: [kindless.yaml]", "kindless.yaml:1: the object has no kind"),
    ("resources: [text.yaml]", "text.yaml:1: the document is not a Kubernetes object"),
    ("resources: [tab.yaml]", "tab.yaml:2: not a valid manifest"),
    ("resources: [sub]", "sub/kustomization.yaml:1: ../web.yaml lies outside of sub"),
    (
        "resources: [web.yaml]\npatches:\n- patch: '{apiVersion: v1, kind: Pod, metadata: {name: x}}'",
        "kustomization.yaml:3: no resource matches the patch of Pod x; check its name",
    ),
    ("resources: [web.yaml]\npatches: [{path: none.yaml}]", "kustomization.yaml:2: there is no file none.yaml"),
    ("resources: [web.yaml]\npatches: [{}]", "kustomization.yaml:2: a patch needs either path or patch"),
    ("resources: [web.yaml]\npatches: [{patch: '[]'}]", "kustomization.yaml:2: the JSON patch has no target"),
    (
        'resources: [web.yaml]\npatches: [{target: {kind: Deployment}, patch: \'[{"op": "add", "path": "/a/b",'
        ' "value": 1}]\'}]',
        "kustomization.yaml:2: the JSON patch path /a/b does not exist; create what it lies in first",
    ),
    (
        "resources: [web.yaml]\npatches: [{target: {kind: Deployment}, patch: '[{op: remove, path: /a}]'}]",
        "kustomization.yaml:1: not valid JSON",
    ),
    ("configMapGenerator: [{name: a, literals: [x]}]", "kustomization.yaml:1: the literal 'x' of a is not of the form"),
    ("configMapGenerator: [{name: a, files: [none]}]", "kustomization.yaml:1: there is no file none"),
    ("configMapGenerator: [{name: a, literals: [x=1, x=2]}]", "kustomization.yaml:1: a has the key x twice"),
    ("configMapGenerator: [{name: a, behavior: merge}]", "a does not exist, so there is nothing to merge"),
    ("configMapGenerator: [{literals: [x=1]}]", "an entry of the ConfigMap generator has no name"),
    (
        "resources: [web.yaml]\nreplacements: [{source: {kind: Pod}, targets: []}]",
        "kustomization.yaml:2: the replacement's source Pod does not exist",
    ),
    (
        "resources: [web.yaml]\nreplacements: [{source: {kind: Deployment}, targets: [{select: {name: web}, "
        "fieldPaths: [spec.x]}]}]",
        "kustomization.yaml:2: the replacement's target Deployment.apps web has no field spec.x; options.create makes",
    ),
    (
        "sortOptions: {order: up}\nresources: [web.yaml]",
        "kustomization.yaml:1: sortOptions.order must be fifo or legacy",
    ),
]

MORE = """-- plain/kustomization.yaml --
namePrefix: p-
-- comp/kustomization.yaml --
apiVersion: kustomize.config.k8s.io/v1alpha1
kind: Component
namePrefix: c-
-- two/kustomization.yaml --
namePrefix: p-
-- two/Kustomization --
namePrefix: p-
-- bad.yaml --


apiVersion: v1
kind: Pod
-- kindless.yaml --
metadata: {name: x}
-- text.yaml --
just text
-- tab.yaml --
apiVersion: v1
\tkind: Pod
-- sub/kustomization.yaml --
resources: [../web.yaml]
"""


@pytest.mark.parametrize(("field", "message"), WRONG)
def test_says_what_is_wrong_and_where(field: str, message: str) -> None:
    it = parsed(f"-- kustomization.yaml --\n{field}\n{WEB}{MORE}")
    with pytest.raises(ManifestError) as caught:
        build(it.files, it.folder)
    assert not isinstance(caught.value, Unsupported)
    assert message in str(caught.value)


def test_a_cycle_of_two_is_found() -> None:
    it = parsed("-- a/kustomization.yaml --\nresources: [../b]\n-- b/kustomization.yaml --\nresources: [../a]\n")
    with pytest.raises(ManifestError, match=r"b/kustomization.yaml:1: \.\./a leads back to a/kustomization.yaml"):
        build(it.files, "a")


def test_a_reference_that_could_be_to_two_objects() -> None:
    pod = "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {volumes: [{name: v, secret: {secretName: s}}]}}"
    it = parsed(
        f"-- kustomization.yaml --\nresources: [a, b, pod.yaml]\nnamePrefix: x-\n-- pod.yaml --\n{pod}\n"
        "-- a/kustomization.yaml --\nnamePrefix: a-\nresources: [s.yaml]\n-- a/s.yaml --\n"
        "{apiVersion: v1, kind: Secret, metadata: {name: s}}\n"
        "-- b/kustomization.yaml --\nnamePrefix: b-\nresources: [s.yaml]\n-- b/s.yaml --\n"
        "{apiVersion: v1, kind: Secret, metadata: {name: s}}\n"
    )
    with pytest.raises(ManifestError, match="names s, which could be any of Secret x-a-s, Secret x-b-s"):
        build(it.files, "")


def test_no_kustomization_at_all() -> None:
    with pytest.raises(ManifestError, match=r"there is no kustomization in app; it needs a kustomization.yaml"):
        build({}, "app")


def test_deep_nesting_is_refused_not_crashed_on() -> None:
    deep = "[" * 5000 + "]" * 5000
    head = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n"
    it = parsed(f"-- kustomization.yaml --\nresources: [c.yaml]\n-- c.yaml --\n{head}a: {deep}\n")
    with pytest.raises(ManifestError):
        build(it.files, "")
