"""The templates of an ApplicationSet without `goTemplate`: ``{{ key }}``, replaced by what a flat map has for the key.

Owns: `compiled`. Called by `fleetui.engine.appset.template`, which walks through objects. Pure. The rules are those of
Argo CD (applicationset/utils/utils.go, `Replace`, v3.6.1) over fasttemplate v1.2.2 (`Template.Reset`): a text is a
template where one line of it has both marks; a key is looked up without the blanks around it; what has no such key, or
a value that is no text, stays as it was written; nothing nests.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from fleetui.model.errors import TemplateError
from fleetui.model.text import one_line

_ON_ONE_LINE = re.compile(r"\{\{[^\n]*\}\}")
_BLANKS = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a" + (
    "\u2028\u2029\u202f\u205f\u3000"
)
"""What Go's `strings.TrimSpace` takes away; Python's `strip` takes more."""
_SHOWN = 60


@lru_cache(maxsize=8192)
def compiled(text: str) -> Callable[[Mapping[str, Any]], str] | None:
    """What makes the text out of parameters; None where it is no template, and stays what it is.

    Raises:
        TemplateError: a ``{{`` is never closed.
    """
    if not _ON_ONE_LINE.search(text):
        return None
    pieces: list[tuple[str, str, str]] = []
    end = 0
    while (start := text.find("{{", end)) >= 0:
        close = text.find("}}", start + 2)
        if close < 0:
            raise TemplateError(f"the {{{{ of {one_line(text[start:])[:_SHOWN]!r} is never closed", "close it with }}")
        pieces.append((text[end:start], text[start + 2 : close].strip(_BLANKS), text[start : close + 2]))
        end = close + 2
    return _renderer(tuple(pieces), text[end:])


def _renderer(pieces: tuple[tuple[str, str, str], ...], last: str) -> Callable[[Mapping[str, Any]], str]:
    if len(pieces) == 1:
        ((before, only, unknown),) = pieces

        def one(params: Mapping[str, Any]) -> str:
            value = params.get(only) if only else None
            return before + (value if type(value) is str else unknown) + last

        return one

    def several(params: Mapping[str, Any]) -> str:
        text = ""
        for literal, key, unknown in pieces:
            value = params.get(key) if key else None
            text += literal + (value if type(value) is str else unknown)
        return text + last

    return several
