"""What is typed after `/` in the applications table.

Owns: the little language and `Filter`. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from fleetui.model.app import App

_FIELDS: Mapping[str, Callable[[App, str], str]] = {
    "health": lambda app, _: app.health.status.value,
    "sync": lambda app, _: app.sync.value,
    "cluster": lambda _, cluster: cluster,
    "hub": lambda app, _: app.key.hub,
    "project": lambda app, _: app.project,
    "namespace": lambda app, _: app.destination.namespace or app.key.namespace,
    "engine": lambda app, _: app.key.dialect,
    "name": lambda app, _: app.key.name,
}
_EXACT_START = {"health", "sync"}


class Term(NamedTuple):
    """One word: any of `values` in `field` (empty: in any of the texts that a person would look for)."""

    field: str
    values: tuple[str, ...]
    negated: bool


class Filter(NamedTuple):
    """All terms must hold; none lets everything through."""

    text: str = ""
    terms: tuple[Term, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.terms)

    def matches(self, app: App, cluster: str) -> bool:
        """Whether an application that runs on `cluster` is shown."""
        return all(_holds(term, app, cluster) is not term.negated for term in self.terms)


def parse(text: str) -> Filter:
    """The filter that a person typed: words that must all hold, such as ``pay health:degraded,missing !cluster:edge``.

    A word without a known field is looked for in name, cluster, namespace and project. Upper and lower case are the
    same. ``health:`` and ``sync:`` compare from the beginning, the others anywhere; ``cluster:=edge`` is that
    cluster, and not edge-2.
    """
    terms = []
    for word in text.lower().split():
        body = word.lstrip("!")
        field, colon, values = body.partition(":")
        if not colon or field not in _FIELDS:
            field, values = "", body
        given = tuple(value for value in values.split(",") if value)
        if given:
            terms.append(Term(field=field, values=given, negated=(len(word) - len(body)) % 2 == 1))
    return Filter(" ".join(text.split()), tuple(terms))


def _holds(term: Term, app: App, cluster: str) -> bool:
    if term.field:
        text = _FIELDS[term.field](app, cluster).lower()
        if term.field in _EXACT_START:
            return any(text.startswith(value) for value in term.values)
        return any(_fits(value, text) for value in term.values)
    texts = (app.key.name, cluster, app.key.hub, app.key.namespace, app.destination.namespace, app.project)
    return any(value in text.lower() for value in term.values for text in texts)


def _fits(value: str, text: str) -> bool:
    return text == value[1:] if value.startswith("=") and len(value) > 1 else value in text
