"""Services, Ingresses, autoscalers and disruption budgets of an embedded cluster."""

from __future__ import annotations

from typing import Any

from tests.unit.embedded_cluster import Bench, Obj, bench, workload


def service(name: str = "web", **spec: Any) -> Obj:
    ports = [{"name": "http", "port": 80, "targetPort": 8080}]
    body = {"selector": {"app": name}, "ports": ports, **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "default"}, "spec": body}


def endpoints(cluster: Bench) -> list[Obj]:
    slices = cluster.store.list("discovery.k8s.io", "EndpointSlice", "default")
    return [endpoint for each in slices for endpoint in each.get("endpoints") or ()]


def up(cluster: Bench) -> list[str]:
    return sorted(each["targetRef"]["name"] for each in endpoints(cluster) if each["conditions"]["ready"])


async def test_endpoints_are_the_ready_pods() -> None:
    async with bench() as cluster:
        cluster.create(service())
        cluster.create(workload("Deployment", "web", replicas=2))
        await cluster.until(lambda: len(up(cluster)) == 2, "both Pods serve")
        pods = cluster.pods(app="web")
        assert up(cluster) == [pod["metadata"]["name"] for pod in pods]
        assert {each["addresses"][0] for each in endpoints(cluster)} == {pod["status"]["podIP"] for pod in pods}
        [found] = cluster.store.list("discovery.k8s.io", "EndpointSlice", "default")
        assert found["metadata"]["labels"]["kubernetes.io/service-name"] == "web"
        assert found["metadata"]["ownerReferences"][0]["kind"] == "Service"
        assert found["ports"] == [{"name": "http", "protocol": "TCP", "port": 8080}]

        cluster.edit("Deployment", "web", lambda obj: obj["spec"].update(replicas=1))
        await cluster.until(lambda: len(endpoints(cluster)) == 1, "one Pod serves")
        cluster.edit("Deployment", "web", lambda obj: obj["spec"].update(replicas=0))
        await cluster.until(lambda: not endpoints(cluster), "nobody serves")


async def test_a_pod_that_is_not_ready_is_listed_and_gets_no_traffic() -> None:
    async with bench() as cluster:
        cluster.create(service())
        cluster.create(workload("Deployment", "web", replicas=1))
        await cluster.until(lambda: up(cluster), "it serves")
        pod = cluster.pods(app="web")[0]
        for condition in pod["status"]["conditions"]:
            condition["status"] = "False" if condition["type"] == "Ready" else condition["status"]
        cluster.store.update(pod, manager="test", subresource="status")
        await cluster.until(lambda: not up(cluster), "it serves no longer")
        assert [each["conditions"]["serving"] for each in endpoints(cluster)] == [False]


async def test_load_balancers_and_ingresses_get_an_address() -> None:
    async with bench() as cluster:
        cluster.create(service(type="LoadBalancer"))
        rules = [{"host": "shop.example.com"}]
        meta = {"name": "web", "namespace": "default"}
        ingress = {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": meta, "spec": {"rules": rules}}
        cluster.create(ingress)

        def address(kind: str, group: str) -> str:
            status = cluster.status(kind, "web", group)
            found = (status.get("loadBalancer") or {}).get("ingress") or [{}]
            return str(found[0].get("ip", ""))

        await cluster.until(lambda: address("Service", ""), "the Service has an address")
        await cluster.until(lambda: address("Ingress", "networking.k8s.io"), "the Ingress has an address")
        assert cluster.get("Service", "web", "")["spec"]["clusterIP"]


async def test_an_autoscaler_keeps_its_target_within_bounds() -> None:
    async with bench() as cluster:
        cluster.create(workload("Deployment", "web", replicas=1))
        reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
        spec = {"scaleTargetRef": reference, "minReplicas": 2, "maxReplicas": 4}
        meta = {"name": "web", "namespace": "default"}
        kind = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler"}
        cluster.create({**kind, "metadata": meta, "spec": spec})
        group = "autoscaling"

        def current() -> int:
            return int(cluster.status("HorizontalPodAutoscaler", "web", group).get("currentReplicas", 0))

        await cluster.until(lambda: current() == 2, "it is scaled up")
        assert cluster.get("Deployment", "web")["spec"]["replicas"] == 2
        cluster.edit("Deployment", "web", lambda obj: obj["spec"].update(replicas=9))
        await cluster.until(lambda: current() == 4, "it is scaled down")
        assert cluster.condition("HorizontalPodAutoscaler", "web", "ScalingActive", group)["status"] == "True"


async def test_a_disruption_budget_counts_its_pods() -> None:
    async with bench() as cluster:
        spec = {"minAvailable": 2, "selector": {"matchLabels": {"app": "web"}}}
        meta = {"name": "web", "namespace": "default"}
        cluster.create({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": meta, "spec": spec})
        cluster.create(workload("Deployment", "web", replicas=3))

        def counted() -> tuple[int, ...]:
            status = cluster.status("PodDisruptionBudget", "web", "policy")
            fields = ("expectedPods", "currentHealthy", "desiredHealthy", "disruptionsAllowed")
            return tuple(status.get(field, -1) for field in fields)

        await cluster.until(lambda: counted() == (3, 3, 2, 1), "all are healthy, one may go")


async def test_when_nothing_changes_nothing_is_written() -> None:
    async with bench() as cluster:
        cluster.create(service())
        cluster.create(workload("Deployment", "web", replicas=2))
        await cluster.until(lambda: len(up(cluster)) == 2, "both Pods serve")
        before = len(cluster.changes)
        cluster.edit("Deployment", "web", lambda obj: obj["metadata"].setdefault("labels", {}).update(team="shop"))
        await cluster.until(lambda: len(cluster.changes) > before, "the label is there")
        told = [f"{event.resource.kind} {event.type}" for event in cluster.changes[before:]]
        assert told == ["Deployment MODIFIED"]
