"""What of a resource is asked for.

Owns: `Selection`. Used by everything that lists or watches. Pure data.
"""

from __future__ import annotations

from dataclasses import dataclass

Query = dict[str, str]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which objects of a resource, and whether only their metadata."""

    namespace: str = ""
    labels: str = ""
    fields: str = ""
    metadata_only: bool = False

    @property
    def query(self) -> Query:
        """The selectors as parameters."""
        pairs = {"labelSelector": self.labels, "fieldSelector": self.fields}
        return {name: value for name, value in pairs.items() if value}
