"""Which step of a RollingSync an Application is of, and what is wrong with the steps.

Owns: `Steps`. The rules, and every word of the messages, are Argo CD's (v3.6.1
`applicationset/progressivesync/progressive_sync.go`, `buildAppDependencyList`; `validation_issues.go`). Pure.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fleetui.engine.application import mapping, mappings, strings, text

_PERCENT = re.compile(r"[+-]?[0-9]+%")


@dataclass
class Steps:
    """The steps of one ApplicationSet, and its generated Applications in them.

    `members`: the names in each step. `of`: the step of each name, from 0; the first one that selects it.
    """

    wanted: Sequence[Mapping[str, Any]]
    members: list[list[str]] = field(default_factory=list)
    of: dict[str, int] = field(default_factory=dict)
    _operators: list[tuple[int, str]] = field(default_factory=list)
    _twice: dict[str, list[int]] = field(default_factory=dict)
    _updates: dict[int, str] = field(default_factory=dict)

    @classmethod
    def sorted(cls, wanted: Sequence[Mapping[str, Any]], apps: Iterable[Mapping[str, Any]]) -> Steps:
        """Sorts generated Applications, by their labels, into the steps of `spec.strategy.rollingSync`."""
        steps = cls(wanted, [[] for _ in wanted])
        for app in apps:
            metadata = mapping(app.get("metadata"))
            name, labels = text(metadata.get("name")), mapping(metadata.get("labels"))
            for position in range(len(wanted)):
                if steps._selects(position, labels):
                    steps._put(name, position)
        return steps

    def number(self, name: str) -> str:
        """The step of an Application as the status has it: from 1, and -1 for one that no step selects."""
        return str(self.of[name] + 1 if name in self.of else -1)

    def most(self, position: int, total: int) -> int | None:
        """How many of the `total` Applications of a step may be under way at a time (`maxUpdate`); None for all.

        What is no number and no percentage counts as 1, and is told.
        """
        wish = self.wanted[position].get("maxUpdate")
        if wish is None:
            return None
        if isinstance(wish, int):
            return wish
        written = text(wish)
        most = 0
        if _PERCENT.fullmatch(written):
            most = math.floor(int(written[:-1]) * total / 100)
        else:
            self._updates[position] = written
        return 1 if written != "0%" and most < 1 else most

    def problem(self) -> str:
        """What is wrong with them, in Argo CD's words; of several things the first. `most` must have been asked."""
        if self._operators:
            numbers = [str(position + 1) for position, _ in self._operators]
            operators = ", ".join(operator for _, operator in self._operators)
            said = f"have invalid matchExpression operators: {operators}. Supported Operators are 'In' and 'NotIn'"
            if len(numbers) == 1:
                return f"Step {numbers[0]} {said.replace('have', 'has', 1)}"
            return f"Steps {', '.join(numbers)} {said}"
        if self._twice:
            names = sorted(self._twice)
            places = ["-".join(str(position + 1) for position in self._twice[name]) for name in names]
            if len(names) == 1:
                return f"Application '{names[0]}' is selected by multiple steps: ({places[0]})"
            named, said = "', '".join(names), "), (".join(places)
            return f"Applications '{named}' are selected by multiple steps: [({said})]"
        if self._updates:
            numbers, values = [str(position + 1) for position in self._updates], list(self._updates.values())
            if len(numbers) == 1:
                return f"Step {numbers[0]} has an invalid maxUpdate value: {values[0]}"
            return f"Steps {', '.join(numbers)} have invalid maxUpdate values: [{', '.join(values)}]"
        empty = [str(position + 1) for position, names in enumerate(self.members) if not names]
        return f"Steps [{' '.join(empty)}] have no applications matching their criteria" if empty else ""

    def _selects(self, position: int, labels: Mapping[str, Any]) -> bool:
        for expression in mappings(self.wanted[position].get("matchExpressions")):
            key, operator = text(expression.get("key")), text(expression.get("operator"))
            if key not in labels:
                if operator == "In":
                    return False
                continue
            if operator not in {"In", "NotIn"}:
                if (position, operator) not in self._operators:
                    self._operators.append((position, operator))
                return False
            if (text(labels[key]) in strings(expression.get("values"))) is not (operator == "In"):
                return False
        return True

    def _put(self, name: str, position: int) -> None:
        self.members[position].append(name)
        if name in self.of:
            self._twice.setdefault(name, [self.of[name]]).append(position)
        else:
            self.of[name] = position
