"""Label selectors and field selectors of a request.

Owns: field selectors (apimachinery pkg/fields/selector.go), and the answer to a label selector that is none. The
grammar of label selectors is `fleetui.model.selectors`. Called by `store`, `handlers` and the controllers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from backends.embedded.errors import bad_request
from fleetui.model import selectors
from fleetui.model.selectors import LabelSelector, everything, of_label_selector

__all__ = ["LabelSelector", "everything", "field_predicate", "of_label_selector", "parse", "parse_fields"]

FieldPredicate = Callable[[Mapping[str, Any]], bool]


def parse(text: str) -> LabelSelector:
    """The selector of a ``labelSelector`` parameter.

    Raises:
        ApiError: 400, `text` is no selector.
    """
    try:
        return selectors.parse(text)
    except ValueError as error:
        raise bad_request(str(error)) from error


_FIELDS: dict[tuple[str, str], tuple[str, ...]] = {
    ("", "Pod"): (
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.phase",
        "status.podIP",
        "status.nominatedNodeName",
    ),
    ("", "Event"): (
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "source",
        "type",
    ),
    ("", "Namespace"): ("status.phase",),
    ("", "Node"): ("spec.unschedulable",),
    ("", "Secret"): ("type",),
    ("", "Service"): ("spec.clusterIP", "spec.type"),
    ("", "ReplicationController"): ("status.replicas",),
    ("apps", "ReplicaSet"): ("status.replicas",),
    ("batch", "Job"): ("status.successful",),
}
"""The selectable fields beside name and namespace (pkg/apis/*/v1/conversion.go, `AddFieldLabelConversionFunc`)."""


def parse_fields(text: str, *, group: str, kind: str, selectable: tuple[str, ...] = ()) -> dict[str, tuple[str, bool]]:
    """A ``fieldSelector`` as path -> (value, whether it must be equal); `selectable` are a custom kind's own paths.

    Raises:
        ApiError: 400, `text` is no selector, or the kind has no such selectable field.
    """
    found: dict[str, tuple[str, bool]] = {}
    for term in filter(None, text.split(",")):
        match = re.fullmatch(r"([^=!]*?)(==|!=|=)(.*)", term)
        if match is None:
            raise bad_request(f"invalid selector: '{text}'; can't understand '{term}'")
        path, operator, value = match.groups()
        if path not in ("metadata.name", "metadata.namespace", *_FIELDS.get((group, kind), ()), *selectable):
            if (group, kind) in _FIELDS or selectable:
                raise bad_request(f"field label not supported: {path}")
            known = 'only "metadata.name", "metadata.namespace"'
            raise bad_request(f'"{path}" is not a known field selector: {known}')
        found[path] = value, operator != "!="
    return found


def field_predicate(terms: Mapping[str, tuple[str, bool]]) -> FieldPredicate | None:
    """The predicate over a decoded object; None where there is nothing to check."""
    if not terms:
        return None
    wanted = [(path.split("."), value, equal) for path, (value, equal) in terms.items()]
    return lambda obj: all((field_text(obj, path) == value) is equal for path, value, equal in wanted)


def field_text(obj: Mapping[str, Any], path: list[str]) -> str:
    """The value at `path` as a field selector compares it: text, absent as empty."""
    node: Any = obj
    for step in path:
        node = node.get(step) if isinstance(node, Mapping) else None
    if isinstance(node, Mapping):
        node = node.get("component", "")
    if isinstance(node, bool):
        return "true" if node else "false"
    return "" if node is None else str(node)
