"""Variables in manifests: Flux's ``${name}`` and its operators.

Owns: `substitute`. Called for Kustomizations with ``postBuild``. Pure.
Rules and wordings: fluxcd/pkg envsubst v1.8.0 (parse/, template.go) and kustomize v1.41.0 (kustomize_varsub.go). Only
``${...}`` is a reference; ``$$`` is a dollar sign.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from unicodedata import category

from fleetui.model.errors import FleetError
from fleetui.model.text import go_quoted
from fleetui.render import expansions

_NAME = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*")
_PLAIN = re.compile(r"(?:[^$]++|\$\$|\$(?!\{))*+")
_DEEPEST = 100
"""How many references may stand in each other's defaults; a hostile text would exhaust the stack."""

_BAD = "bad substitution"
_NOT_CLOSED = "missing closing brace"
_NO_NAME = "unable to parse variable name"
_NO_PARAMETER = "unable to parse substitution within function"


class SubstitutionError(FleetError):
    """A text whose variables can't be replaced; the sentence is Flux's."""


def substitute(text: str, variables: Mapping[str, str], strict: bool = False) -> str:
    """`text` with its references replaced.

    Args:
        variables: values by name.
        strict: a variable that is not there is an error, unless its reference has a default; otherwise it is empty.

    Raises:
        SubstitutionError: a reference is malformed, a name is none, or a variable is missing.
    """
    for name in variables:
        if _NAME.fullmatch(name) is None:
            pattern = "^[_[:alpha:]][_[:alpha:][:digit:]]*$"
            raise SubstitutionError(f"'{name}' var name is invalid, must match '{pattern}'")
    nodes = _Parser(text).template()
    try:
        return "".join(_value(node, variables, strict) for node in nodes)
    except ValueError as error:
        raise SubstitutionError(str(error)) from error


# --- the tree -----------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Reference:
    """``${name}``, or with an operator and its arguments."""

    name: str
    operator: str = ""
    arguments: list[_Node] = field(default_factory=list)


_Node = str | _Reference

_DEFAULTS = frozenset({"=", ":=", ":-", ":+", ":?"})
_EXPANSIONS: Mapping[str, Callable[..., str]] = {
    ",": expansions.lower_first,
    ",,": expansions.lower,
    "^": expansions.upper_first,
    "^^": expansions.upper,
    "#": expansions.without_shortest_prefix,
    "##": expansions.without_longest_prefix,
    "%": expansions.without_shortest_suffix,
    "%%": expansions.without_longest_suffix,
    ":": expansions.part,
    "/": expansions.replace_first,
    "//": expansions.replace_all,
    "/#": expansions.replace_prefix,
    "/%": expansions.replace_suffix,
}


def _value(node: _Node, variables: Mapping[str, str], strict: bool) -> str:
    if isinstance(node, str):
        return node
    arguments = [_value(argument, variables, strict) for argument in node.arguments]
    value = variables.get(node.name)
    if value is None:
        if strict and node.operator not in _DEFAULTS:
            raise SubstitutionError(f"variable not set (strict mode): {go_quoted(node.name)}")
        value = ""
    if node.operator == "#" and not arguments:
        return expansions.length(value)
    expansion = _EXPANSIONS.get(node.operator)
    return expansion(value, *arguments) if expansion else value or "".join(arguments)


# --- reading ------------------------------------------------------------------------------------------------------


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0

    def template(self) -> list[_Node]:
        """The whole text: plain pieces and references."""
        nodes: list[_Node] = []
        while self._at < len(self._text):
            if self._comes("${"):
                nodes.append(self._reference())
            else:
                nodes.append(self._plain())
        return nodes

    def _plain(self) -> str:
        """Up to the next reference."""
        found = _PLAIN.match(self._text, self._at)
        assert found is not None
        self._at = found.end()
        return found[0].replace("$$", "$")

    def _reference(self) -> _Reference:
        self._at += 2
        self._depth += 1
        if self._depth > _DEEPEST:
            raise SubstitutionError(f"more than {_DEEPEST} substitutions within each other")
        found = self._length() if self._comes("#") else self._named()
        self._depth -= 1
        return found

    def _length(self) -> _Reference:
        self._at += 1
        name = self._while(_is_of_a_name)
        if not name:
            raise SubstitutionError(_BAD)
        return self._closed(_Reference(name, "#"))

    def _named(self) -> _Reference:
        name = self._while(_is_of_a_name)
        if not name:
            raise SubstitutionError(_NO_NAME)
        first, second = self._peek(), self._peek(1)
        if first == "=" or (first == ":" and second and second in "=-?+"):
            return self._default(_Reference(name, first if first == "=" else first + second))
        read = {":": self._part, ",": self._casing, "^": self._casing, "/": self._replacing}.get(first)
        if read is not None:
            return read(_Reference(name))
        if first in ("#", "%"):
            return self._trimming(_Reference(name, first * 2 if second == first else first))
        if first != "}":
            raise SubstitutionError(_NOT_CLOSED)
        return self._closed(_Reference(name))

    def _default(self, found: _Reference) -> _Reference:
        self._at += len(found.operator)
        while self._peek() != "}":
            found.arguments.append(self._parameter("}"))
        return self._closed(found)

    def _part(self, found: _Reference) -> _Reference:
        if not self._peek(1).isascii() or not self._peek(1):
            # envsubst steps back too far here (parseDefaultOrSubstr), and stumbles.
            raise SubstitutionError(_BAD)
        found.operator = ":"
        self._at += 1
        found.arguments.append(self._parameter(":}"))
        if self._peek() == "}":
            return self._closed(found)
        self._insist(":")
        found.arguments.append(self._parameter("}"))
        return self._closed(found)

    def _casing(self, found: _Reference) -> _Reference:
        length = 2 if self._peek(1) in (",", "^") else 1
        found.operator = self._text[self._at : self._at + length]
        self._at += length
        return self._closed(found)

    def _replacing(self, found: _Reference) -> _Reference:
        second = self._peek(1)
        found.operator = "/" + second if second in ("/", "#", "%") else "/"
        self._at += len(found.operator)
        found.arguments.append(self._parameter("/", escapes=True))
        self._insist("/")
        if self._peek() != "}":
            found.arguments.append(self._parameter("}", escapes=True))
        return self._closed(found)

    def _trimming(self, found: _Reference) -> _Reference:
        self._at += len(found.operator)
        found.arguments.append(self._parameter("}"))
        return self._closed(found)

    def _parameter(self, ends: str, *, escapes: bool = False) -> _Node:
        """One reference, or text up to one of `ends`; at least a character."""
        if self._comes("${"):
            return self._reference()
        begin, pieces = self._at, []
        while (char := self._peek()) and not self._comes("${"):
            if escapes and self._text[self._at : self._at + 2] in ("$$", "\\/", "\\\\"):
                self._at += 1
                char = self._peek()
            elif char in ends:
                break
            pieces.append(char)
            self._at += 1
        if self._at == begin:
            raise SubstitutionError(_NO_PARAMETER)
        return "".join(pieces)

    def _insist(self, delimiter: str) -> None:
        """Passes over the delimiter, however often it comes."""
        if not self._while(delimiter.__eq__):
            raise SubstitutionError(_BAD)

    def _closed(self, found: _Reference) -> _Reference:
        if self._peek() != "}":
            raise SubstitutionError(_BAD)
        self._at += 1
        return found

    def _while(self, accepts: Callable[[str], bool]) -> str:
        begin = self._at
        while (char := self._peek()) and accepts(char):
            self._at += 1
        return self._text[begin : self._at]

    def _peek(self, further: int = 0) -> str:
        return self._text[self._at + further : self._at + further + 1]

    def _comes(self, what: str) -> bool:
        return self._text.startswith(what, self._at)


def _is_of_a_name(char: str) -> bool:
    return char == "_" or (kind := category(char)) == "Nd" or kind.startswith("L")
