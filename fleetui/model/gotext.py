"""Values as Go prints them.

Owns: `go_text`. Called where others read what Go writes: parameters of ApplicationSets, words of an API server. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

_WHOLE_DIGITS = 6
"""From so many digits before the point on, Go writes an exponent."""


def go_text(value: Any) -> str:
    """A value as Go's ``%v`` prints it."""
    if isinstance(value, str):
        return value
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, Mapping):
        return f"map[{' '.join(f'{key}:{go_text(value[key])}' for key in sorted(value))}]"
    if isinstance(value, list | tuple):
        return f"[{' '.join(go_text(item) for item in value)}]"
    return str(value)


def _float(value: float) -> str:
    """``strconv.FormatFloat(value, 'g', -1, 64)``."""
    digits, _, exponent = f"{Decimal(repr(value)).normalize():e}".partition("e")
    power = int(exponent)
    if power < -4 or power >= _WHOLE_DIGITS:
        return f"{digits}e{'-' if power < 0 else '+'}{abs(power):02}"
    return format(Decimal(repr(value)).normalize(), "f")
