"""Quantities in their canonical form: ``1000m`` is ``1``.

Owns: parsing and writing of resource.Quantity. Pure functions. Called by `decoding`. Rules: apimachinery v0.37
pkg/api/resource/quantity.go (`ParseQuantity`, `CanonicalizeBytes`).
"""

from __future__ import annotations

import re
from decimal import ROUND_UP, Decimal
from functools import lru_cache

_FORM = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))((?:[KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?)")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
WRONG = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"


@lru_cache(maxsize=4096)
def canonical(text: str, least: int = -9) -> str:
    """The quantity as Kubernetes writes it, rounded up to 10 to the power of `least`.

    Raises:
        ValueError: `text` is no quantity; the message is the real server's.
    """
    match = _FORM.fullmatch(text.strip())
    if match is None:
        raise ValueError(WRONG)
    number, suffix = Decimal(match[1]), match[2]
    if suffix in _BINARY:
        return _binary(number * 2 ** _BINARY[suffix], least)
    exponent = suffix not in _DECIMAL
    value = number.scaleb(int(suffix[1:]) if exponent else _DECIMAL[suffix])
    made = _decimal(value, least, exponent=exponent)
    return text if made == text.lower() else made  # 1E3 is as good as 1e3


def _binary(value: Decimal, least: int) -> str:
    if abs(value) < 1024:
        return _decimal(value, least, exponent=False)
    whole = int(value.to_integral_value(ROUND_UP))
    suffix = ""
    for name in _BINARY:
        if whole % 1024:
            break
        whole, suffix = whole // 1024, name
    return f"{whole}{suffix}"


def _decimal(value: Decimal, least: int, *, exponent: bool) -> str:
    """The largest unit, a power of 1000, that leaves no fraction."""
    whole, power = int(value.scaleb(-least).to_integral_value(ROUND_UP)), least
    while whole and not whole % 1000 and power < 18:
        whole, power = whole // 1000, power + 3
    if not whole:
        return "0"
    if exponent:
        return f"{whole}e{power}" if power else str(whole)
    return f"{whole}{next(name for name, size in _DECIMAL.items() if size == power)}"
