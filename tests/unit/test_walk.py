"""The way from an object to what it waits for: how far it goes, what it asks for, and what it does where it may not."""

from __future__ import annotations

from typing import Any

from fleetui.fleet.store import LiveStore
from fleetui.fleet.trail import Looked
from fleetui.fleet.waits import Need
from fleetui.fleet.walk import DEEPEST, MOST, Reading, walk, walk_from
from fleetui.model.errors import ForbiddenError, UnreachableError
from fleetui.model.objects import ApiResource, Discovery, Obj, ObjectRef, ref_of
from tests.unit.fakes import SERVED, FakeCluster, resource, stored

FLUX, SOURCES = "kustomize.toolkit.fluxcd.io", "source.toolkit.fluxcd.io"
CERTIFICATES, ACME = "cert-manager.io", "acme.cert-manager.io"
KINDS = (
    *SERVED,
    resource("Kustomization", group=FLUX),
    resource("GitRepository", group=SOURCES),
    resource("HelmChart", group=SOURCES),
    resource("PersistentVolumeClaim"),
    resource("StorageClass", group="storage.k8s.io", namespaced=False),
    resource("Database", group="acme.io"),
    resource("XDatabase", group="acme.io", namespaced=False),
    resource("Instance", group="rds.aws.upbound.io", version="v1beta1", namespaced=False),
    resource("Certificate", group=CERTIFICATES),
    resource("CertificateRequest", group=CERTIFICATES),
    resource("Order", group=ACME),
    resource("Challenge", group=ACME),
    resource("Issuer", group=CERTIFICATES),
)


class Counting(FakeCluster):
    """A cluster that keeps what was asked for; of `forbidden` kinds nothing may be read."""

    def __init__(self, *objects: Obj, forbidden: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.served = Discovery(KINDS)
        self.objects = {ref_of(obj): obj for obj in objects}
        self.asked: list[str] = []
        self._forbidden = forbidden

    async def get(self, resource: ApiResource, name: str, namespace: str = "") -> Obj:
        self.asked.append(f"{resource.kind} {name}")
        if resource.kind in self._forbidden:
            message = f"{self.name}: you may not get {resource.full_name}"
            raise ForbiddenError(message, cluster=self.name, code=403, reason="Forbidden")
        return await super().get(resource, name, namespace)

    async def list(
        self,
        resource: ApiResource,
        namespace: str = "",
        *,
        labels: str = "",
        fields: str = "",
        metadata_only: bool = False,
    ) -> list[Obj]:
        self.asked.append(f"{resource.kind}s")
        return await super().list(resource, namespace, labels=labels, fields=fields)


def obj(api_version: str, kind: str, name: str, *, namespace: str = "shop", owner: str = "", **rest: Any) -> Obj:
    metadata = {"name": name, "namespace": namespace, "uid": f"uid-{name}", **rest.pop("metadata", {})}
    if owner:
        metadata["ownerReferences"] = [{"uid": f"uid-{owner}"}]
    return {"apiVersion": api_version, "kind": kind, "metadata": {k: v for k, v in metadata.items() if v}, **rest}


def ready(status: str = "True", message: str = "", reason: str = "R") -> dict[str, Any]:
    return {"conditions": [{"type": "Ready", "status": status, "reason": reason, "message": message}]}


def kustomization(name: str, *needs: str, status: dict[str, Any] | None = None, **spec: Any) -> Obj:
    depends = [{"name": each} for each in needs]
    found = status or ready(
        "False", f"dependency 'shop/{needs[0]}' is not ready" if needs else "kustomize build failed"
    )
    return obj(f"{FLUX}/v1", "Kustomization", name, spec={"dependsOn": depends, **spec}, status=found)


async def way(cluster: Counting, start: Obj) -> list[str]:
    cluster.objects[ref_of(start)] = start
    return [told(step) for step in await walk(Reading(LiveStore(cluster)), ref_of(start))]


def told(step: Looked) -> str:
    marks = [" absent"] * step.is_absent + [" unserved"] * (not step.is_served)
    marks += [f" in a ring with {step.ring.name}"] if step.ring is not None else []
    return f"{step.ref.kind} {step.ref.name}{''.join(marks)}"


GIT = {"kind": "GitRepository", "name": "platform"}


def git(status: dict[str, Any] | None = None, **spec: Any) -> Obj:
    found = status or ready("False", "failed to list refs: authentication required")
    return obj(f"{SOURCES}/v1", "GitRepository", "platform", spec=spec, status=found)


async def test_it_follows_what_is_in_trouble_and_reads_nothing_twice() -> None:
    cluster = Counting(
        kustomization("infra", sourceRef=GIT), kustomization("crds", status=ready(), sourceRef=GIT), git()
    )
    start = kustomization("apps", "crds", "infra", sourceRef=GIT)
    assert await way(cluster, start) == ["Kustomization apps", "Kustomization infra", "GitRepository platform"]
    names = ("GitRepository platform", "Kustomization apps", "Kustomization crds", "Kustomization infra")
    assert sorted(cluster.asked) == list(names)


async def test_what_is_well_or_waits_for_nothing_ends_the_way() -> None:
    assert await way(Counting(git(ready())), kustomization("apps", sourceRef=GIT)) == ["Kustomization apps"]


async def test_a_ring_of_dependencies_ends_where_it_closes() -> None:
    cluster = Counting(kustomization("b", "c"), kustomization("c", "a"))
    assert await way(cluster, kustomization("a", "b")) == [
        "Kustomization a",
        "Kustomization b",
        "Kustomization c in a ring with a",
    ]
    assert len(cluster.asked) == 3
    cluster = Counting(kustomization("b", "c"), kustomization("c", "b"))
    assert (await way(cluster, kustomization("a", "b")))[-1] == "Kustomization c in a ring with b"


async def test_a_way_without_an_end_is_given_up_and_what_it_costs_is_bounded() -> None:
    cluster = Counting(*(kustomization(f"k{n}", f"k{n + 1}") for n in range(50)))
    assert len(await way(cluster, kustomization("start", "k0"))) == DEEPEST
    assert len(cluster.asked) == DEEPEST
    wide = [kustomization(f"w{n}", *(f"w{n}-{m}" for m in range(30))) for n in range(20)]
    cluster = Counting(*wide, *(kustomization(f"w{n}-{m}", f"w{n + 1}") for n in range(20) for m in range(30)))
    await way(cluster, kustomization("start", "w0"))
    assert len(cluster.asked) <= MOST


async def test_what_is_not_there_is_the_end_and_so_is_a_kind_that_nobody_defines() -> None:
    assert await way(Counting(), kustomization("apps", "gone")) == ["Kustomization apps", "Kustomization gone absent"]
    unserved = {"apiVersion": "nobody.io/v1", "kind": "Thing", "name": "x"}
    claim = obj("acme.io/v1", "Database", "db", spec={"resourceRef": unserved}, status=ready("False", "waiting"))
    assert await way(Counting(), claim) == ["Database db", "Thing x absent unserved"]


async def test_what_may_not_be_read_is_told_and_not_followed() -> None:
    cluster = Counting(git(), forbidden=("GitRepository",))
    start = kustomization("apps", sourceRef=GIT)
    cluster.objects[ref_of(start)] = start
    reading = Reading(LiveStore(cluster))
    assert [told(step) for step in await walk(reading, ref_of(start))] == ["Kustomization apps"]
    assert list(reading.problems) == [
        "GitRepository platform can't be read: hub: you may not get gitrepositorys.source.toolkit.fluxcd.io"
    ]
    cluster.away = UnreachableError("hub: no answer")
    reading = Reading(LiveStore(cluster))
    (step,) = await walk(reading, ref_of(start))
    assert (step.is_absent, step.obj, step.problem) == (False, None, "Kustomization apps can't be read: hub: no answer")


async def test_a_suspended_source_is_to_blame_only_where_nothing_else_is_said() -> None:
    frozen = git(ready(), suspend=True)
    building = kustomization("apps", sourceRef=GIT, status=ready("False", "dependency 'shop/x' is not ready"))
    assert await way(Counting(frozen), building) == ["Kustomization apps", "GitRepository platform"]
    told_else = ready("False", 'admission webhook "p.io" denied the request: no')
    assert await way(Counting(frozen), kustomization("apps", sourceRef=GIT, status=told_else)) == ["Kustomization apps"]


async def test_crossplane_from_the_claim_to_the_managed_resource_that_fails() -> None:
    composite = {"apiVersion": "acme.io/v1", "kind": "XDatabase", "name": "db-x7k"}
    managed = [
        {"apiVersion": "rds.aws.upbound.io/v1beta1", "kind": "Instance", "name": n} for n in ("fine", "bad", "slow")
    ]
    failing = [
        {"type": "Ready", "status": "False", "reason": "Creating"},
        {"type": "Synced", "status": "False", "reason": "ReconcileError", "message": "create failed: AccessDenied"},
    ]

    def instance(name: str, *conditions: dict[str, Any]) -> Obj:
        return obj(
            "rds.aws.upbound.io/v1beta1", "Instance", name, namespace="", status={"conditions": list(conditions)}
        )

    well = [{"type": kind, "status": "True"} for kind in ("Ready", "Synced")]
    cluster = Counting(
        obj(
            "acme.io/v1", "XDatabase", "db-x7k", namespace="", spec={"resourceRefs": managed}, status=ready("False", "")
        ),
        instance("fine", *well),
        instance("slow", {"type": "Ready", "status": "False", "reason": "Creating"}, well[1]),
        instance("bad", *failing),
    )
    claim = obj("acme.io/v1", "Database", "db", spec={"resourceRef": composite}, status=ready("False", "", "Waiting"))
    assert await way(cluster, claim) == ["Database db", "XDatabase db-x7k", "Instance bad"]


async def test_a_claim_waits_for_a_storage_class_that_is_not_there() -> None:
    claim = obj("v1", "PersistentVolumeClaim", "data", spec={"storageClassName": "fast"}, status={"phase": "Pending"})
    volume = {"persistentVolumeClaim": {"claimName": "data"}}
    pod = obj("v1", "Pod", "db-0", spec={"volumes": [volume], "containers": []}, status={"phase": "Pending"})
    found = ["Pod db-0", "PersistentVolumeClaim data", "StorageClass fast absent"]
    assert await way(Counting(claim), pod) == found


async def test_a_certificate_leads_through_its_newest_request_to_the_challenge() -> None:
    def made(kind: str, name: str, owner: str, group: str, at: str, **status: Any) -> Obj:
        return obj(f"{group}/v1", kind, name, owner=owner, metadata={"creationTimestamp": at}, status=status)

    pending = ready("False", "Waiting on certificate issuance from order", "Pending")
    propagation = "Waiting for HTTP-01 challenge propagation: wrong status code '404', expected '200'"
    cluster = Counting(
        made(
            "CertificateRequest", "tls-1", "tls", CERTIFICATES, "2026-01-01T00:00:00Z", **ready("False", "", "Failed")
        ),
        made("CertificateRequest", "tls-2", "tls", CERTIFICATES, "2026-01-02T00:00:00Z", **pending),
        made("Order", "tls-2-77", "tls-2", ACME, "2026-01-02T00:00:00Z", state="pending"),
        made("Challenge", "tls-2-77-1", "tls-2-77", ACME, "2026-01-02T00:00:00Z", state="pending", reason=propagation),
        obj(f"{CERTIFICATES}/v1", "Issuer", "le", status=ready()),
    )
    spec = {"issuerRef": {"name": "le"}}
    start = obj(f"{CERTIFICATES}/v1", "Certificate", "tls", spec=spec, status=ready("False", "Issuing", "DoesNotExist"))
    assert await way(cluster, start) == [
        "Certificate tls",
        "CertificateRequest tls-2",
        "Order tls-2-77",
        "Challenge tls-2-77-1",
    ]


async def test_a_service_is_in_trouble_where_nothing_stands_behind_it() -> None:
    service = obj("v1", "Service", "hook", spec={"selector": {"app": "hook"}})
    need = (Need(ObjectRef("", "Service", "shop", "hook"), "its message"),)

    def slices(*ready: bool) -> Obj:
        endpoints = [{"addresses": ["10.0.0.1"], "conditions": {"ready": each}} for each in ready]
        return obj("discovery.k8s.io/v1", "EndpointSlice", "hook-1", owner="hook", endpoints=endpoints)

    for given, bad in ((slices(True), False), (slices(False), True), (slices(), True)):
        found = await walk_from(Reading(LiveStore(Counting(service, given))), need)
        assert [told(step) for step in found] == (["Service hook"] if bad else [])


async def test_a_kind_that_a_message_names_without_its_group_is_found() -> None:
    said = "health check failed after 30s: timeout waiting for: [Deployment/shop/web status: 'InProgress']"
    web = obj("apps/v1", "Deployment", "web", status={"observedGeneration": 0}, spec={"replicas": 1})
    start = kustomization("apps", status=ready("False", said))
    assert await way(Counting(web), start) == ["Kustomization apps", "Deployment web"]


async def test_what_is_watched_costs_no_request() -> None:
    cluster = Counting(git())
    store = LiveStore(cluster)
    store.want(cluster.served.by_kind(SOURCES, "GitRepository"))  # type: ignore[arg-type]
    cluster.watch_of("GitRepository").lists(stored(git()))
    start = kustomization("apps", sourceRef=GIT)
    cluster.objects[ref_of(start)] = start
    assert [told(step) for step in await walk(Reading(store), ref_of(start))][-1] == "GitRepository platform"
    assert cluster.asked == ["Kustomization apps"]
