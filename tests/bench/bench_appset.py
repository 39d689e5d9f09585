"""How long an ApplicationSet takes: 10,000 Applications of 100 clusters and 100 addons, in both dialects.

Run: ``python tests/bench/bench_appset.py``. Prints seconds of this process; the target for fasttemplate is 1 s.
"""

from __future__ import annotations

import time
from typing import Any

from fleetui.engine.appset import RegisteredCluster, generate

CLUSTERS, ADDONS = 100, 100
FAST = {"name": "{{name}}-{{addon}}", "path": "{{addon}}/{{version}}", "server": "{{server}}", "namespace": "{{addon}}"}
GO = {key: value.replace("{{", "{{.") for key, value in FAST.items()}


def appset(said: dict[str, str], *, go: bool) -> dict[str, Any]:
    elements = [{"addon": f"addon-{number}", "version": f"1.{number}"} for number in range(ADDONS)]
    source = {"repoURL": "https://git.example/addons", "targetRevision": "main", "path": said["path"]}
    return {
        "metadata": {"name": "cluster-addons", "namespace": "argocd"},
        "spec": {
            "goTemplate": go,
            "generators": [{"matrix": {"generators": [{"clusters": {}}, {"list": {"elements": elements}}]}}],
            "template": {
                "metadata": {"name": said["name"], "labels": {"addon": said["namespace"]}},
                "spec": {
                    "project": "default",
                    "source": source,
                    "destination": {"server": said["server"], "namespace": said["namespace"]},
                },
            },
        },
    }


def main() -> None:
    labels = {"region": "kr", "stage": "prod"}
    clusters = [RegisteredCluster(f"c{number}", f"https://c{number}", labels=labels) for number in range(CLUSTERS - 1)]
    for dialect, said, go in (("fasttemplate", FAST, False), ("goTemplate", GO, True)):
        given = appset(said, go=go)
        start = time.process_time()
        made = generate(given, clusters)
        taken = time.process_time() - start
        print(f"{dialect}: {len(made.applications)} Applications in {taken:.2f} s")


if __name__ == "__main__":
    main()
