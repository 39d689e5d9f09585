"""`helm template` with the Helm SDK of the extra ``fleetui[helm]``, for machines without the binary.

Run as ``python -m backends.helm_sdk template ...`` by `backends.helm`, with the arguments that the binary would have:
Go's runtime has a process of its own, which can be ended. Prints what `helm template` prints; what goes wrong is on
standard error as ``Error: …``. The SDK renders alone, so what is around it (CRDs, tests, order) is Helm 4.3's
(pkg/action/install.go, pkg/cmd/template.go, pkg/release/v1/util/kind_sorter.go) in small.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

_SEPARATOR = re.compile(r"(?:^|\s*\n)---[ \t]*(?:\n|$)")
_TEST_HOOKS = frozenset({"test", "test-success"})
_HOOKS = _TEST_HOOKS | {
    f"{when}-{what}" for when in ("pre", "post") for what in ("install", "delete", "upgrade", "rollback")
}
_ORDER = {
    kind: place
    for place, kind in enumerate(
        "PriorityClass Namespace NetworkPolicy ResourceQuota LimitRange PodSecurityPolicy PodDisruptionBudget "
        "ServiceAccount Secret SecretList ConfigMap StorageClass PersistentVolume PersistentVolumeClaim "
        "CustomResourceDefinition ClusterRole ClusterRoleList ClusterRoleBinding ClusterRoleBindingList Role RoleList "
        "RoleBinding RoleBindingList Service DaemonSet Pod ReplicationController ReplicaSet Deployment "
        "HorizontalPodAutoscaler StatefulSet Job CronJob IngressClass Ingress APIService "
        "MutatingWebhookConfiguration ValidatingWebhookConfiguration".split()
    )
}


def main(arguments: Sequence[str]) -> int:
    import helm_python

    options = _parser().parse_args(arguments)
    try:
        sys.stdout.write(_template(helm_python, options))
    except (helm_python.HelmError, OSError, ValueError) as error:
        sys.stderr.write(f"Error: {error}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="helm", allow_abbrev=False)
    parser.add_argument("command", choices=["template"])
    parser.add_argument("chart")
    for name in ("--name-template", "--namespace", "--kube-version"):
        parser.add_argument(name, default="")
    for name in ("--set", "--set-string", "--set-file", "--values", "--api-versions"):
        parser.add_argument(name, action="append", default=[])
    for name in ("--include-crds", "--skip-schema-validation", "--skip-tests"):
        parser.add_argument(name, action="store_true")
    return parser


def _template(helm: Any, options: argparse.Namespace) -> str:
    if options.skip_schema_validation:
        raise ValueError("the Helm SDK can't skip the validation of values; install the helm binary")
    values = _values(helm, options)
    render = {
        "name": options.name_template,
        "namespace": options.namespace or "default",
        "kube_version": options.kube_version,
        "api_versions": options.api_versions,
        "is_install": True,
    }
    with helm.Chart.load(options.chart) as chart:
        _complete(chart)
        chart.validate_schema(values)
        # Not `Chart.render`: that has no parameter for the versions, which the library itself takes.
        answer = helm._native.call_string("helm_render", chart._raw(), json.dumps(values), json.dumps(render))
        crds = [(crd["filename"], crd["data"]) for crd in chart.crds] if options.include_crds else []
    made: dict[str, str] = json.loads(answer)
    return "".join(f"---\n# Source: {name}\n{text.strip()}\n" for name, text in [*crds, *_sorted(made, options)])


def _complete(chart: Any) -> None:
    """Says what is missing in the words of the binary, which `fleetui.render.helm_dependencies` reads."""
    there = {each["name"] for each in chart.dependencies}
    lacking = [each["name"] for each in chart.metadata.get("dependencies") or () if each["name"] not in there]
    if lacking:
        raise ValueError(f"found in Chart.yaml, but missing in charts/ directory: {', '.join(lacking)}")


def _values(helm: Any, options: argparse.Namespace) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for file in options.values:
        try:
            _merge(values, helm.values_from_yaml(Path(file).read_text()))
        except helm.HelmError as error:
            raise ValueError(f"failed to parse {file}: {error}") from error
    pairs = ((helm.parse_set_string, options.set), (helm.parse_set_string_values, options.set_string))
    for parse, expressions in (*pairs, (helm.parse_set_file, options.set_file)):
        for expression in expressions:
            if "[" in expression.partition("=")[0]:
                # The SDK parses each alone: what else is in the list would be lost.
                raise ValueError(f"the Helm SDK can't set one item of a list ({expression}); install the helm binary")
            _merge(values, parse(expression))
    return values


def _merge(into: dict[str, Any], values: dict[str, Any]) -> None:
    for key, value in values.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


class _Made(NamedTuple):
    """One object that a template became; sorted by kind as Helm installs them, what it does not know by name."""

    place: int
    kind: str
    file: str
    text: str
    hooks: tuple[str, ...]


def _sorted(made: dict[str, str], options: argparse.Namespace) -> list[tuple[str, str]]:
    """What the templates became, as Helm orders it: by kind, hooks last."""
    found = [each for file in sorted(made) for each in _parts(file, made[file])]
    found.sort(key=lambda each: each[:2])
    hooks = [each for each in found if each.hooks]
    if options.skip_tests:
        hooks = [each for each in hooks if not _TEST_HOOKS.intersection(each.hooks)]
    return [(each.file, each.text) for each in [*(each for each in found if not each.hooks), *hooks]]


def _parts(file: str, text: str) -> Iterator[_Made]:
    if file.rpartition("/")[2].startswith("_") or file.endswith("NOTES.txt"):
        return
    for part in filter(str.strip, _SEPARATOR.split(f"\n{text}")):
        try:
            obj = yaml.load(part, yaml.CSafeLoader)
        except yaml.MarkedYAMLError as error:
            raise ValueError(f"YAML parse error on {file}: {error.problem}") from error
        if obj is None:
            continue
        if not isinstance(obj, dict):
            raise ValueError(f"YAML parse error on {file}: cannot unmarshal {type(obj).__name__} into an object")
        kind = str(obj.get("kind"))
        hook = str(_mapping(_mapping(obj.get("metadata")).get("annotations")).get("helm.sh/hook") or "")
        hooks = tuple(filter(None, (each.strip().lower() for each in hook.split(","))))
        if _HOOKS.issuperset(hooks):  # Helm drops what has a hook that it does not know
            yield _Made(_ORDER.get(kind, len(_ORDER)), kind, file, part, hooks)


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
