"""Kubernetes quantities: ``1000m`` and ``1`` are the same amount.

Owns: `canonical`. Rules: apimachinery v0.37, pkg/api/resource/quantity.go. Called by `normalize` where a field is known
to hold a quantity.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache

_FORM = re.compile(r"([+-]?)([0-9]+(?:\.[0-9]*)?|\.[0-9]+)([numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]+|)")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_SUFFIX = {power: suffix for suffix, power in _DECIMAL.items()}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_BINARY_SUFFIX = ["", *_BINARY]
_NANO = 10**9
_LIMIT = (2**63 - 1) * _NANO
_LONGEST = 64


@lru_cache(maxsize=8192)
def canonical(text: str) -> str | None:
    """The quantity as an API server gives it back: ``1000m`` is ``1``, ``0.5`` is ``500m``, ``1024Mi`` is ``1Gi``.

    None for what is no quantity. Finer than a billionth is rounded away from zero; binary ones end at 2^63-1. The
    server leaves some texts as they are, such as ``68E3``; here they get one form too, so that they can be compared.
    """
    match = _FORM.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None:
        return None
    sign, digits, suffix = match.groups()
    amount = Fraction(digits if digits[0] != "." else f"0{digits}") * _scale(suffix)
    nano = -(-amount.numerator * _NANO // amount.denominator)
    if suffix in _BINARY:
        nano = min(nano, _LIMIT)
    value = -nano if sign == "-" else nano
    if suffix in _BINARY and nano >= 1024 * _NANO and nano % _NANO == 0:
        return _binary(value // _NANO)
    return _decimal(value, exponent_form=suffix[:1] in {"e", "E"} and len(suffix) > 1 and suffix not in _BINARY)


def _scale(suffix: str) -> Fraction:
    if suffix in _DECIMAL:
        return Fraction(10) ** _DECIMAL[suffix]
    if suffix in _BINARY:
        return Fraction(1024 ** _BINARY[suffix])
    # An exponent beyond these is cut by the limits anyway, and must not cost memory.
    return Fraction(10) ** max(-30, min(30, int(suffix[1:])))


def _binary(whole: int) -> str:
    power = 0
    while power < len(_BINARY_SUFFIX) - 1 and whole % 1024 == 0:
        whole //= 1024
        power += 1
    return f"{whole}{_BINARY_SUFFIX[power]}"


def _decimal(nano: int, *, exponent_form: bool) -> str:
    if nano == 0:
        return "0"
    power = -9
    while nano % 1000 == 0 and (exponent_form or power < max(_SUFFIX)):
        nano //= 1000
        power += 3
    if exponent_form:
        return f"{nano}e{power}" if power else str(nano)
    return f"{nano}{_SUFFIX[power]}"
