"""Which cells of the addon matrix are shown: what is typed after `/`, and `get matrix FILTER`.

Owns: the little language and `MatrixFilter`. Pure. Called by `fleetui.fleet.matrix`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, NamedTuple

from fleetui.model import selectors
from fleetui.versions import Constraint, Version, VersionError

if TYPE_CHECKING:
    from fleetui.fleet.matrix import Cell

Test = Callable[["Cell", Mapping[str, str]], bool]
"""Whether a cell fits, given the labels of its cluster."""

_FIELDS: Mapping[str, Callable[[Cell], str]] = {
    "cluster": lambda cell: cell.key.cluster,
    "addon": lambda cell: cell.key.addon,
    "app": lambda cell: cell.app.name,
    "hub": lambda cell: cell.app.hub,
    "health": lambda cell: cell.health.value,
    "sync": lambda cell: cell.sync.value,
    "version": lambda cell: cell.version,
}
_STATES = {"health", "sync"}
_COMPARE: Mapping[str, Callable[[Version, Version], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
_RANGES = ("~", "^")


class MatrixFilter(NamedTuple):
    """All terms must hold; none lets everything through."""

    text: str = ""
    terms: tuple[Test, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.terms)

    def takes(self, cell: Cell, labels: Mapping[str, str]) -> bool:
        """Whether a cell is shown; `labels` are its cluster's."""
        return all(term(cell, labels) for term in self.terms)


def parse(text: str) -> MatrixFilter:
    """The filter that a person typed; never fails, since it is applied while it is typed.

    Words that must all hold: ``cluster:prod-*``, ``addon:cert*,dns``, ``health:degraded``, ``sync:outofsync``,
    ``version:<1.15`` (also ``<=``, ``>``, ``>=``, ``~1.14``, ``^1``), ``app:x``, ``hub:x``, and labels of clusters as
    ``stage=prod`` or ``stage!=prod``. A value with ``*`` or ``?`` is a pattern for the whole text, ``=x`` is x and
    nothing longer, any other is looked for anywhere. Any other word is looked for in cluster, addon, application and
    version. ``!`` before a word turns it round; upper and lower case are the same.
    """
    words = text.split()
    return MatrixFilter(" ".join(words), tuple(term for word in words if (term := _term(word)) is not None))


def _term(word: str) -> Test | None:
    body = word.lstrip("!")
    turned = (len(word) - len(body)) % 2 == 1
    test = _test(body)
    if test is None:
        return None
    return (lambda cell, labels: not test(cell, labels)) if turned else test


def _test(body: str) -> Test | None:
    field, colon, given = body.partition(":")
    if colon and field.lower() in _FIELDS:
        return _of_field(field.lower(), given)
    if "=" in body:
        try:
            selector = selectors.parse(body)
        except ValueError:
            return lambda cell, labels: False
        return lambda cell, labels: selector(labels)
    wanted = _fitting(body.lower())
    texts = (_FIELDS["cluster"], _FIELDS["addon"], _FIELDS["app"], _FIELDS["version"])
    return (lambda cell, labels: any(wanted(read(cell).lower()) for read in texts)) if body else None


def _of_field(field: str, given: str) -> Test | None:
    read = _FIELDS[field]
    values = [value.lower() for value in given.split(",") if value]
    if not values:
        return None
    if field in _STATES:
        return lambda cell, labels: any(read(cell).lower().startswith(value) for value in values)
    fits = [(_version_test(value) if field == "version" else None) or _fitting(value) for value in values]
    return lambda cell, labels: any(fit(read(cell).lower()) for fit in fits)


def _fitting(value: str) -> Callable[[str], bool]:
    if value.startswith("=") and len(value) > 1:
        return lambda text: text == value[1:]
    if "*" in value or "?" in value:
        return lambda text: fnmatchcase(text, value)
    return lambda text: value in text


def _version_test(value: str) -> Callable[[str], bool] | None:
    """How a version is compared; None where `value` is no comparison. Unlike a constraint's, `<` takes prereleases:
    whoever looks for what is old wants all of it."""
    sign = next((sign for sign in (*_COMPARE, *_RANGES) if value.startswith(sign)), "")
    if not sign:
        return None
    try:
        holds = Constraint(value).check if sign in _RANGES else _compared(sign, value.removeprefix(sign))
    except VersionError:
        return lambda text: False

    def test(text: str) -> bool:
        try:
            return holds(Version.loose(text))
        except VersionError:
            return False

    return test


def _compared(sign: str, value: str) -> Callable[[Version], bool]:
    limit, compare = Version.loose(value), _COMPARE[sign]
    return lambda version: compare(version, limit)
