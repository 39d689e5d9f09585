"""What a plain YAML scalar means to Kubernetes.

Owns: `resolve`, the scalar rules of go.yaml.in/yaml v2 (resolve.go) as sigs.k8s.io/yaml 1.6 hands them on: the reading
that kubectl apply and Argo CD give a plain manifest. That is YAML 1.1 for booleans (``yes``, ``on``, ``y``), without
base 60 and with timestamps left as text. Called by `fleetui.render.yaml` and `fleetui.render.lines`. Pure.
"""

from __future__ import annotations

import math
import re
import struct
from decimal import Decimal

Scalar = str | int | float | bool | None

_WORDS: dict[str, Scalar] = {
    **dict.fromkeys(["y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"], True),
    **dict.fromkeys(["n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"], False),
    **dict.fromkeys(["", "~", "null", "Null", "NULL"], None),
    **dict.fromkeys([".nan", ".NaN", ".NAN"], float("nan")),
    **dict.fromkeys([".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"], float("inf")),
    **dict.fromkeys(["-.inf", "-.Inf", "-.INF"], float("-inf")),
}
_NUMERIC = frozenset("+-.0123456789")
_INTEGER = re.compile(r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]*))")
_SIGN_AFTER_PREFIX = re.compile(r"0b([-+][01]+)")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_FRACTION = re.compile(r"\.[0-9]+(?:_[0-9]+)*(?:[eE][-+]?[0-9]+(?:_[0-9]+)*)?")
_TIMESTAMP = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}")

MIN_INT, MAX_INT = -(2**63), 2**63 - 1
_MAX_UNSIGNED = 2**64 - 1


def resolve(text: str) -> Scalar:
    """The value of the plain scalar `text`; a `float` may be NaN or infinite, which JSON can't carry."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _NUMERIC:
        return text
    number = _number(text)
    return text if number is None else number


def _number(text: str) -> int | float | None:
    if text[0] == ".":
        return _float(text) if _FRACTION.fullmatch(text) else None
    if _TIMESTAMP.match(text):
        return None
    plain = text.replace("_", "")
    if match := _INTEGER.fullmatch(plain):
        return _integer(match)
    if match := _SIGN_AFTER_PREFIX.fullmatch(plain):
        return int(match[1], 2)
    return _float(plain) if _FLOAT.fullmatch(plain) else None


def _integer(match: re.Match[str]) -> int | float | None:
    sign, hexadecimal, binary, octal, decimal = match.groups()
    if decimal is not None:
        # Python refuses to read integers of many thousand digits; beyond 64 bits Go takes a float anyway.
        if len(decimal) > 20:
            return _float(match[0])
        value = int(decimal)
    else:
        value = int(hexadecimal or binary or octal, 16 if hexadecimal else 2 if binary else 8)
    value = -value if sign == "-" else value
    if MIN_INT <= value <= MAX_INT:
        return value
    if not sign and value <= _MAX_UNSIGNED:
        return float(value)
    # Only what also reads as a decimal float has a second chance, so 0x and 0b beyond 64 bits stay text.
    return _float(match[0]) if _FLOAT.fullmatch(match[0]) else None


def _float(text: str) -> float | None:
    value = float(text)
    return None if value in (float("inf"), float("-inf")) else value


def json_number(value: float) -> int | float:
    """`value` after a way through Go's JSON: ``1.0`` and ``1e3`` come back as integers (encoding/json writes no
    fraction below 1e21, k8s.io/apimachinery reads such digits as int64)."""
    if not value.is_integer() or abs(value) >= 1e21:
        return value
    # Go writes the shortest digits that read back the same, padded with zeros; above 2**53 that is not int(value).
    whole = int(Decimal(repr(value)))
    return whole if MIN_INT <= whole <= MAX_INT else value


def key_text(value: Scalar) -> str | None:
    """The JSON key that sigs.k8s.io/yaml makes of a resolved mapping key; None for what it refuses."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return _single_precision(value)
        case None:
            return None


def _single_precision(value: float) -> str:
    """Go's ``strconv.FormatFloat(value, 'g', -1, 32)``, which is how sigs.k8s.io/yaml writes a fractional key."""
    single = _float32(value)
    if math.isnan(single):
        return ".nan"
    if math.isinf(single):
        return ".inf" if single > 0 else "-.inf"
    text = next(text for digits in range(9) if _float32(float(text := f"{single:.{digits}e}")) == single)
    exponent = int(text.partition("e")[2])
    return text if exponent < -4 or exponent >= 6 else format(Decimal(text), "f")


def _float32(value: float) -> float:
    try:
        unpacked: float = struct.unpack("f", struct.pack("f", value))[0]
    except OverflowError:
        return math.copysign(math.inf, value)
    return unpacked
