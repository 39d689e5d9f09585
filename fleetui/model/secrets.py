"""What a Secret holds.

Owns: `secret_texts`. Called by whoever reads the Secrets of a hub; what is to be done about a value that is no text is
theirs to say. Pure.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping

from fleetui.model.objects import StoredObject


def secret_texts(obj: StoredObject) -> tuple[dict[str, str], list[str]]:
    """The values of a Secret's `data` by their keys, and the keys of those that are not base64 of a text."""
    found: dict[str, str] = {}
    broken: list[str] = []
    data = obj.decode().get("data")
    for key, value in data.items() if isinstance(data, Mapping) else ():
        try:
            found[str(key)] = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError, TypeError, ValueError):
            broken.append(str(key))
    return found, broken
