"""Whether a generated object is an Application, and one that its hub can have."""

from typing import Any

import pytest

from fleetui.engine.appset.template_check import check, unmet
from fleetui.hubports import Registration
from fleetui.model.objects import Obj
from fleetui.model.servers import ServerIdentity


def _app(metadata: Obj | None = None, **spec: Any) -> Obj:
    return {
        "metadata": {"name": "seoul-1-cert-manager", **(metadata or {})},
        "spec": {
            "project": "default",
            "source": {"repoURL": "https://git/x", "path": "addons"},
            "destination": {"server": "https://seoul-1", "namespace": "cert-manager"},
            **spec,
        },
    }


def test_a_valid_application_has_no_problem() -> None:
    assert not check(_app({"labels": {"app.kubernetes.io/name": "x", "empty": ""}, "finalizers": ["a.b/c"]}))


@pytest.mark.parametrize(
    ("app", "field", "said"),
    [
        (_app({"name": ""}), "metadata.name", "is empty"),
        (_app({"name": "-"}), "metadata.name", "is '-', and may hold only"),
        (_app({"name": "a" * 254}), "metadata.name", "is longer than 253"),
        (_app({"name": "{{name}}-x"}), "metadata.name", "the generator has no text parameter 'name'"),
        (_app({"labels": {"a": "b c"}}), "metadata.labels.a", "is 'b c', which is no value of a label"),
        (_app({"labels": {"a": "x" * 64}}), "metadata.labels.a", "which is no value of a label"),
        (_app({"labels": {"a/b/c": "x"}}), "metadata.labels.a/b/c", "is no key"),
        (_app({"annotations": {"{{x}}": "x"}}), "metadata.annotations.{{x}}", "no text parameter 'x'"),
        (_app({"annotations": {"a": "x" * 262145}}), "metadata.annotations", "hold more than 256 KiB"),
        (_app({"finalizers": ["a b"]}), "metadata.finalizers[0]", "is no name of a finalizer"),
        (_app(destination={}), "spec.destination", "has neither a server nor a name"),
        (_app(destination={"server": "a", "name": "b"}), "spec.destination", "has both a server and a name"),
        (_app(destination={"server": "{{server}}"}), "spec.destination.server", "no text parameter 'server'"),
        (_app(project=""), "spec.project", "is empty"),
        (_app(source={"repoURL": "", "path": "x"}), "spec.source", "spec.source.repoURL and either"),
        (_app(source={"repoURL": "x", "path": "{{ p }}/y"}), "spec.source.path", "no text parameter 'p'"),
        (_app(sources=[{"repoURL": "x"}]), "spec.sources", "required for source"),
        (
            _app(sources=[{"repoURL": "x", "ref": "a"}, {"repoURL": "y", "ref": "a"}]),
            "spec.sources",
            "multiple sources had the same `ref` key",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_field(app: Obj, field: str, said: str) -> None:
    ((where, why),) = check(app)
    assert where == field
    assert said in why


REGISTERED = [
    Registration(source=f"Secret argocd/{name}", name=name, server=server, identity=ServerIdentity(server))
    for name, server in (("seoul-1", "https://seoul-1"), ("seoul-2", "https://seoul-2"), ("seoul-2", "https://other"))
]


@pytest.mark.parametrize(
    ("app", "said"),
    [
        (_app(), ""),
        (_app(destination={"name": "seoul-1"}), ""),
        (_app(destination={"server": "https://seoul-1/"}), ""),
        (_app(destination={"server": "https://kubernetes.default.svc"}), ""),
        (_app(destination={"name": "in-cluster"}), ""),
        (_app(project="none"), "application references project none which does not exist"),
        (_app(destination={"name": "tokyo"}), "there are no clusters with this name: tokyo"),
        (_app(destination={"name": "seoul-2"}), "there are 2 clusters with the same name"),
        (_app(destination={"server": "https://tokyo"}), 'error getting cluster by server "https://tokyo"'),
    ],
)
def test_what_the_hub_lacks_is_told_as_argo_cd_does(app: Obj, said: str) -> None:
    found = unmet([app], projects={"default"}, registered=REGISTERED)
    assert found.keys() == ({app["metadata"]["name"]} if said else set())
    assert said in "".join(found.values())
