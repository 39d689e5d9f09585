"""Digests of decoded objects, by which caches of the engine know them again.

Owns: `fingerprint`. Pure.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

_encoder = msgspec.json.Encoder(order="deterministic")


def fingerprint(obj: Any) -> bytes:
    """A digest of an object's content, independent of the order of its keys."""
    return hashlib.blake2b(_encoder.encode(obj), digest_size=16).digest()
