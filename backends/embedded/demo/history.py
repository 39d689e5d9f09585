"""The past of the demo's repositories: who changed what, and how long ago. Pure, but for reading the content's files.

Owns: the commits of the three repositories that the cast of the story lives in. The folder ``content`` holds each file
as it was first written; the steps below change it. Called by `fleet`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from backends.embedded.demo.people import ANN, BEN, CHIARA, DENIZ, JIWOO, RENOVATE, Person
from backends.embedded.demo.repository import PastCommit

DAY = 86400.0
CONTENT = Path(__file__).with_name("content")

Edit = tuple[str, str, str]
"""A path, the text to replace there, and the new text."""


@dataclass(frozen=True)
class Step:
    """One commit: `days` before now, folders of the content that it adds, and what it changes in files."""

    days: float
    author: Person
    subject: str
    add: tuple[str, ...] = ()
    edits: tuple[Edit, ...] = field(default=())


_PAYMENTS = "apps/payments/production/"
_REGISTRY = "registry.example.com/"

LAST_GOOD = "Storefront 5.1.0: faster search"
"""The commit after which things went wrong: what the troubled applications run at first."""

K8S_MANIFESTS = (
    Step(41.0, ANN, "Add payments: API, settings, ingress", add=("apps/payments",)),
    Step(38.2, BEN, "Add checkout and storefront", add=("apps/checkout", "apps/storefront")),
    Step(36.0, CHIARA, "Add the ledger with its database", add=("apps/ledger",)),
    Step(33.4, DENIZ, "Add reports", add=("apps/reports",)),
    Step(30.1, JIWOO, "Add search, orders and inventory", add=("apps/search", "apps/orders", "apps/inventory")),
    Step(27.3, BEN, "Add recommendations", add=("apps/recommendations",)),
    Step(
        24.0,
        RENOVATE,
        "Update payments-api to 1.97",
        edits=((f"{_PAYMENTS}deployment.yaml", "payments-api:1.96", "payments-api:1.97"),),
    ),
    Step(
        20.4,
        ANN,
        "Raise the payments timeout: the bank answers slowly at the end of a month",
        edits=((f"{_PAYMENTS}settings.yaml", "timeout: 20s", "timeout: 30s"),),
    ),
    Step(
        17.2,
        RENOVATE,
        "Update checkout to 2.4.0",
        edits=(("apps/checkout/production/deployment.yaml", "checkout:2.3.1", "checkout:2.4.0"),),
    ),
    Step(
        12.0,
        DENIZ,
        "Ship the autumn banner",
        edits=(("apps/storefront/production/settings.yaml", "Welcome back", "Autumn sale: 20% off"),),
    ),
    Step(
        9.1,
        RENOVATE,
        "Update payments-api to 1.98",
        edits=((f"{_PAYMENTS}deployment.yaml", "payments-api:1.97", "payments-api:1.98"),),
    ),
    Step(
        6.1,
        CHIARA,
        "Run three of the ledger's API",
        edits=(("apps/ledger/production/api.yaml", "replicas: 2", "replicas: 3"),),
    ),
    Step(
        4.0,
        BEN,
        LAST_GOOD,
        edits=(("apps/storefront/production/deployment.yaml", "storefront:5.0.2", "storefront:5.1.0"),),
    ),
    Step(
        1.3,
        JIWOO,
        "Orders 4.2.0: split shipments",
        edits=(
            ("apps/orders/staging/deployment.yaml", "orders:4.1.0", "orders:4.2.0"),
            ("apps/orders/staging/settings.yaml", 'WORKERS: "4"', 'WORKERS: "6"'),
        ),
    ),
    Step(
        0.9,
        JIWOO,
        "Inventory 1.4.0 with the stock migration",
        edits=(
            ("apps/inventory/staging/deployment.yaml", "inventory:1.3.0", "inventory:1.4.0"),
            ("apps/inventory/staging/migrate.yaml", "inventory-migrate:1.3.0", "inventory-migrate:1.4.0-fails"),
        ),
    ),
    Step(
        0.4,
        DENIZ,
        "Hold reports while finance closes the month",
        edits=(("apps/reports/production/deployment.yaml", "  replicas: 2\n", "  replicas: 2\n  paused: true\n"),),
    ),
    Step(
        0.2,
        BEN,
        "Try the new recommendations model",
        edits=(
            (
                "apps/recommendations/production/deployment.yaml",
                f"{_REGISTRY}shop/recommendations:0.9.4",
                f"{_REGISTRY}shop/recommendations:1.0.0-does-not-exist",
            ),
            ("apps/recommendations/production/settings.yaml", "collaborative-v7", "two-tower-v1"),
        ),
    ),
    Step(
        0.08,
        CHIARA,
        "More synonyms for the winter range",
        edits=(("apps/search/staging/synonyms.yaml", "    jumper, sweater\n", "   jumper, sweater\n  scarf, shawl\n"),),
    ),
)

PLATFORM = (
    Step(90.0, CHIARA, "Export node metrics", add=("node-exporter",)),
    Step(88.0, CHIARA, "Add the ingress controller", add=("ingress-nginx",)),
    Step(71.5, JIWOO, "Add monitoring: Prometheus, Alertmanager, Grafana", add=("monitoring",)),
    Step(
        26.0,
        RENOVATE,
        "Update node-exporter to 1.8.2",
        edits=(("node-exporter/daemonset.yaml", "node-exporter:1.8.1", "node-exporter:1.8.2"),),
    ),
    Step(
        5.5,
        JIWOO,
        "Let uploads be 16 MB",
        edits=(("ingress-nginx/settings.yaml", "proxy-body-size: 8m", "proxy-body-size: 16m"),),
    ),
)

EDGE = (
    Step(60.0, DENIZ, "Add the gateway of the edge sites", add=("gateway",)),
    Step(58.5, DENIZ, "Add telemetry", add=("telemetry",)),
    Step(14.0, DENIZ, "Send telemetry less often", edits=(("telemetry/settings.yaml", "10s", "30s"),)),
    Step(
        0.12,
        RENOVATE,
        "Update telemetry to 0.15.0",
        edits=(("telemetry/deployment.yaml", "telemetry:0.14.2", "telemetry:0.15.0-crashes"),),
    ),
)

_ADDON = "addons/{}/{}".format
CLUSTER_ADDONS = (
    Step(
        48.0,
        CHIARA,
        "Give every cluster its addons",
        add=(
            "fleet",
            _ADDON("cert-manager", "1.14.5"),
            _ADDON("external-secrets", "0.9.4"),
            _ADDON("metrics-server", "0.7.1"),
        ),
    ),
    Step(7.0, RENOVATE, "Offer metrics-server 0.7.2", add=(_ADDON("metrics-server", "0.7.2"),)),
    Step(3.0, RENOVATE, "Offer cert-manager 1.15.0", add=(_ADDON("cert-manager", "1.15.0"),)),
    Step(1.0, RENOVATE, "Offer external-secrets 0.10.0", add=(_ADDON("external-secrets", "0.10.0"),)),
)
"""What versions there are; which cluster has which one is what a rollout is to change. The newest external-secrets does
not run on the edge's processors: a gate is to hold it back."""

REPOSITORIES = {"k8s-manifests": K8S_MANIFESTS, "platform": PLATFORM, "edge": EDGE, "cluster-addons": CLUSTER_ADDONS}
"""Name of a repository -> its commits, oldest first."""


def commits(name: str, now: float, *, url: str) -> Iterator[PastCommit]:
    """The history of one repository, oldest first; `now` in seconds since the epoch. What it says of itself (an
    ApplicationSet's `repoURL`) leads to `url`.

    Raises:
        ValueError: an edit does not fit the text that it changes.
    """
    tree: dict[str, str] = {}
    for step in REPOSITORIES[name]:
        files: dict[str, str | None] = {}
        for folder in step.add:
            files.update(_folder(CONTENT / name, folder, own=(f"https://github.com/myorg/{name}", url)))
        for path, old, new in step.edits:
            files[path] = changed(tree.get(path, ""), path, old=old, new=new)
        tree.update({path: text for path, text in files.items() if text is not None})
        yield PastCommit(files, step.subject, step.author, now - step.days * DAY)


def changed(text: str, path: str, *, old: str, new: str) -> str:
    """`text` with its one `old` replaced.

    Raises:
        ValueError: `old` is not there, or more than once.
    """
    if text.count(old) != 1:
        raise ValueError(f"{path} holds {old!r} {text.count(old)} times, not once")
    return text.replace(old, new)


def _folder(root: Path, folder: str, *, own: tuple[str, str]) -> Mapping[str, str]:
    files = sorted(path for path in (root / folder).rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_text(encoding="utf-8").replace(*own) for path in files}
