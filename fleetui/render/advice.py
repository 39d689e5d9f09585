"""What to do about a file that is no YAML or JSON.

Owns: `advice`. Called by `fleetui.render.yaml` for the sentence that an operator reads. Pure.
"""

from __future__ import annotations

import re

_CONFLICT = re.compile(r"^<{7} .*^>{7} ", re.MULTILINE | re.DOTALL)
_TEMPLATE = re.compile(r"\{\{|\{%")

_ADVICE = (
    ("cannot start any token", "quote a value that begins with @, ` or %"),
    ("expected ',' or '}'", "close the { with a }"),
    ("expected ',' or ']'", "close the [ with a ]"),
    ("unexpected end of stream", "close the quote that was opened before"),
    ("expected ':'", "write KEY: VALUE, with a blank after the colon"),
    ("did not find expected", "indent it like its neighbours"),
    ("mapping values are not allowed", "indent it like its neighbours, or quote a value that holds a colon"),
    ("block sequence entries are not allowed", "begin the list on a line of its own"),
    ("block mapping", "indent it like its neighbours"),
    ("escape character", "write \\\\ for a backslash, or use single quotes"),
    ("has no anchor", "write &NAME where the value first stands, or quote what begins with *"),
    ("duplicate anchor", "give each anchor its own name"),
    ("can't be a key", "write a text as the key"),
    ("JSON can carry", "write it in quotes"),
    ("base64", "write the value as base64, or take !!binary away"),
    ("is not of type", "take the tag away, or write a value of that type"),
    ("merge (<<)", "write *NAME of a mapping after <<:"),
    ("not allowed in YAML", "take the character away, or write it as an escape in double quotes"),
    ("may follow ---", "begin the document on the next line"),
    ("aliases expand", "write out what the aliases stand for"),
    ("nested deeper", "flatten it"),
    ("number", "write it in quotes"),
    ("too large", "split it"),
    ("directive", "take the line that begins with % away"),
    ("tag", "take the tag away"),
    ("delimiter", "put a comma between the entries"),
    ("Expecting property name", "write the key in double quotes, and no comma after the last entry"),
    ("Expecting value", "write a value, and no comma after the last entry"),
    ("Unterminated string", "close the quote"),
    ("Invalid control character", "write it as an escape, such as \\n"),
    ("Invalid \\", "write \\\\ for a backslash"),
    ("Extra data", "keep one object in a JSON file"),
)


def advice(message: str, number: int | None, text: str) -> str:
    """What to do about a flaw: its message, the line (1-based) that it is on, and the whole text."""
    nearby = [] if number is None else text.split("\n")[max(0, number - 2) : number]
    line, lines = (nearby[-1] if nearby else ""), "\n".join(nearby)
    if _CONFLICT.search(text):
        return "resolve the merge conflict"
    if _TEMPLATE.search(lines):
        return "this is a template: render it first, or keep it out of the application's folder"
    if line.startswith("\t") or re.match(r" *\t", line):
        return "indent with blanks, not with tabs"
    return next((hint for words, hint in _ADVICE if words in message), "mend it, or keep it out of the folder")
