"""Objects in files named on the command line.

Owns: `objects_in`. Called by `health` and `diff -f`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from fleetui.model.errors import UsageError
from fleetui.render.lines import items_with_lines
from fleetui.render.yaml import Document, decode, documents


def objects_in(file: Path) -> Iterator[Document]:
    """The documents of a file of YAML or JSON, ``-`` being stdin, with the line that each begins at; the items of a
    List stand in its place. A document need not be an object.

    Raises:
        UsageError: the file can't be read.
        ManifestError: while iterating, after the documents before the flaw.
    """
    try:
        content = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise UsageError(f"{file} can't be read: {error.strerror}") from error
    for document in documents(content, path=str(file)):
        value = document.value
        items = value.get("items") if isinstance(value, dict) else None
        if isinstance(items, list) and str(value.get("kind", "")).endswith("List"):
            for item, line in items_with_lines(items, decode(content, path=str(file)), document.line):
                yield Document(item, line)
        else:
            yield document
