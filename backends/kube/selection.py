"""What of a resource is asked for.

Owns: `Selection`. Used by everything that lists or watches. Pure data.
"""

from __future__ import annotations

from dataclasses import dataclass

Query = dict[str, str]

_METADATA = "application/json;as=PartialObjectMetadata{};g=meta.k8s.io;v=v1,application/json"
"""client-go v0.37 metadata/metadata.go; a server that has no such form sends whole objects."""


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

    @property
    def list_form(self) -> str:
        """What is accepted of a LIST, and of a WATCH in `watch_form`: media types."""
        return _METADATA.format("List") if self.metadata_only else "application/json"

    @property
    def watch_form(self) -> str:
        return _METADATA.format("") if self.metadata_only else "application/json"
