"""Many small, plausible services, to fill a fleet up to any size. Pure: the same seed gives the same crowd.

Owns: their names, manifests, history and Applications. Called by `fleet`. Most are a ConfigMap alone, so that a
thousand of them stay light; each fourth runs a Pod.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from backends.embedded.demo.applications import IN_CLUSTER, NAMESPACE
from backends.embedded.demo.people import EVERYBODY, RENOVATE
from backends.embedded.demo.repository import PastCommit
from fleetui.model.objects import Obj

REPOSITORY = "services"
DAY = 86400.0
FIRST_LEVEL, LEVEL = "info", "warning"
"""The log level that a service is added with, and that of the `revised` ones."""

_SUBJECTS = (
    *("account", "address", "audit", "basket", "billing", "booking", "campaign", "catalog", "consent", "contract"),
    *("coupon", "credit", "customer", "delivery", "device", "discount", "document", "feature", "feedback", "fraud"),
    *("gift", "identity", "image", "invoice", "label", "language", "loyalty", "mail", "media", "notification"),
    *("offer", "partner", "price", "product", "profile", "quote", "rating", "refund", "return", "review"),
    *("route", "session", "shipment", "stock", "subscription", "supplier", "tax", "ticket", "voucher", "wishlist"),
)
_ROLES = ("api", "worker", "sync", "export", "import", "cron", "gateway", "cache", "indexer", "proxy")
_TEAMS = ("atlas", "birch", "comet", "delta", "ember", "fjord", "grove", "harbor")


@dataclass(frozen=True)
class Service:
    """One service of the crowd; `trouble` is empty, ``pull`` (its image is not there) or ``never`` (never synced)."""

    cluster: str
    name: str
    team: str
    runs: bool
    version: str
    trouble: str = ""

    @property
    def path(self) -> str:
        return f"{self.cluster}/{self.name}"

    @property
    def namespace(self) -> str:
        return f"team-{self.team}"


def crowd(clusters: Sequence[str], count: int, *, seed: int) -> list[Service]:
    """`count` services over the clusters, each cluster getting its share."""
    random = Random(f"crowd/{seed}")
    names = [f"{subject}-{role}" for subject in _SUBJECTS for role in _ROLES]
    random.shuffle(names)
    found = []
    for index in range(count):
        turn, place = divmod(index, len(clusters))
        again, pick = divmod(turn, len(names))
        name = names[pick] if not again else f"{names[pick]}-{again + 1}"
        runs = turn % 4 == 0
        trouble = random.choices(("", "pull", "never"), weights=(96, 2, 2))[0]
        version = f"{random.randint(0, 4)}.{random.randint(0, 20)}.{random.randint(0, 9)}"
        team = random.choice(_TEAMS)
        found.append(
            Service(clusters[place], name, team, runs, version, "" if trouble == "pull" and not runs else trouble)
        )
    return found


def history(services: Sequence[Service], now: float, *, seed: int) -> Iterator[PastCommit]:
    """The commits that added and updated them over the last weeks, oldest first."""
    random = Random(f"history/{seed}")
    span = 60 * DAY
    for index, service in enumerate(services):
        when = now - span + (span - DAY) * index / max(1, len(services))
        author = random.choice(EVERYBODY)
        yield PastCommit(manifests(service, level=FIRST_LEVEL), added(service), author, when)
    picked = revised(services)
    for index, service in enumerate(picked):
        files = {f"{service.path}/settings.yaml": _settings(service, level=LEVEL)}
        yield PastCommit(files, quieted(service), RENOVATE, now - DAY * (1 - index / (len(picked) + 1)))


def added(service: Service) -> str:
    """The subject of the commit that added it."""
    return f"Add {service.name} to {service.cluster}"


def quieted(service: Service) -> str:
    """The subject of the commit that changed its log level, for those that are `revised`."""
    return f"Log less in {service.name} on {service.cluster}"


def revised(services: Sequence[Service]) -> list[Service]:
    """The few that were changed since they were added."""
    return [service for service in services if service.runs and not service.trouble][:12]


def manifests(service: Service, *, level: str) -> dict[str, str | None]:
    """The files of one service, which logs at `level`."""
    files: dict[str, str | None] = {f"{service.path}/settings.yaml": _settings(service, level=level)}
    if service.runs:
        files[f"{service.path}/deployment.yaml"] = _deployment(service)
    return files


def _settings(service: Service, *, level: str) -> str:
    return f"""apiVersion: v1
kind: ConfigMap
metadata:
  name: {service.name}-settings
data:
  LOG_LEVEL: {level}
  VERSION: "{service.version}"
"""


def _deployment(service: Service) -> str:
    tag = f"{service.version}-does-not-exist" if service.trouble == "pull" else service.version
    return f"""apiVersion: apps/v1
kind: Deployment
metadata:
  name: {service.name}
spec:
  progressDeadlineSeconds: 60
  replicas: 1
  selector:
    matchLabels:
      app: {service.name}
  template:
    metadata:
      labels:
        app: {service.name}
    spec:
      containers:
      - name: {service.name}
        image: registry.example.com/{service.team}/{service.name}:{tag}
        envFrom:
        - configMapRef:
            name: {service.name}-settings
"""


def application(service: Service, url: str) -> Obj:
    """The Application of one service."""
    automated = {"automated": {"prune": True, "selfHeal": True}}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": service.name, "namespace": NAMESPACE, "labels": {"team": service.team}},
        "spec": {
            "project": "services",
            "source": {"repoURL": url, "targetRevision": "main", "path": service.path},
            "destination": {"server": IN_CLUSTER, "namespace": service.namespace},
            **({} if service.trouble == "never" else {"syncPolicy": automated}),
        },
    }


def namespaces(services: Sequence[Service], cluster: str) -> list[str]:
    """The namespaces that the services of one cluster live in."""
    return sorted({service.namespace for service in services if service.cluster == cluster})
