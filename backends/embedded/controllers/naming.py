"""Names and hashes as Kubernetes makes them. Pure.

Owns: `safe_hash` and `suffix`. Alphabets and encoding: apimachinery `pkg/util/rand/rand.go`; hash of a Pod template:
kubernetes `pkg/controller/controller_utils.go`, `ComputeHash` (theirs is over Go's own dump, ours over JSON).
"""

from __future__ import annotations

import json
from random import Random
from typing import Any

_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


def fnv32a(data: bytes) -> int:
    """The 32-bit FNV-1a hash of `data`."""
    value = 0x811C9DC5
    for byte in data:
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value


def safe_hash(value: Any, salt: str = "") -> str:
    """The hash of JSON data as it appears in names: equal data, equal hash; `salt` tells collisions apart."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    digits = str(fnv32a((text + salt).encode()))
    return "".join(_ALPHABET[ord(digit) % len(_ALPHABET)] for digit in digits)


def suffix(random: Random, length: int = 5) -> str:
    """A random tail for a generated name."""
    return "".join(random.choices(_ALPHABET, k=length))


def stretch(seed: str, bounds: tuple[float, float]) -> float:
    """A number within `bounds` that depends on `seed` alone: how long one Pod takes, always the same."""
    low, high = bounds
    return low + (high - low) * (fnv32a(seed.encode()) % 1000) / 999
