"""Two hundred broken manifests: what each is called, its file, where it is broken and a word of what is said.

Owns: `BROKEN`. Used by `tests/unit/test_broken.py` and `tests/engine/test_broken.py`.
"""

from __future__ import annotations

from typing import NamedTuple


class Broken(NamedTuple):
    """A file `name` with `content`, whose flaw is on `line` (None: no line can be named); `said` is in the message."""

    what: str
    content: bytes
    line: int | None
    said: str
    name: str = "bad.yaml"


HEAD = "apiVersion: v1\nkind: ConfigMap\n"
NAMED = HEAD + "metadata:\n  name: a\n"
LIST = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: ConfigMap\n  metadata: {name: a}\n"
GOOD = NAMED + "data:\n  k: v\n"


def after_head(what: str, rest: str, line: int, said: str) -> Broken:
    return Broken(what, (HEAD + rest).encode(), line, said)


def in_data(what: str, rest: str, line: int, said: str) -> Broken:
    return Broken(what, (NAMED + "data:\n" + rest).encode(), line, said)


SYNTAX = [
    after_head("a tab for indentation", "metadata:\n\tname: a\n", 4, "with tabs"),
    after_head("a tab after blanks", "metadata:\n  name: a\n  labels:\n  \ta: b\n", 6, "with tabs"),
    after_head("a mapping that is not closed", "metadata: {name: a\n", 4, "close the {"),
    after_head("a mapping within one that is not closed", "metadata: {name: a, labels: {a: b}\ndata: {}\n", 4, ""),
    after_head("a list that is not closed", "metadata: {name: a, finalizers: [x\n", 4, "close the ["),
    after_head("a list closed as a mapping", "metadata: {name: a, finalizers: [x}}\n", 3, "close the ["),
    after_head("a mapping closed as a list", "metadata: {name: a]\n", 3, "close the {"),
    after_head("a double quote that is not closed", 'metadata:\n  name: "a\n', 5, "close the quote"),
    after_head("a single quote that is not closed", "metadata:\n  name: 'a\n", 5, "close the quote"),
    after_head("text after a quoted value", "metadata:\n  name: 'a' b\n", 4, "indent it"),
    after_head("a key that is indented less", "metadata:\n  name: a\n namespace: b\n", 5, "indent it"),
    after_head("a key that is indented more", "metadata:\n  name: a\n    namespace: b\n", 5, "holds a colon"),
    after_head("a key without a colon", "metadata\n  name: a\n", 4, "after the colon"),
    after_head("a list item that is indented less", "metadata:\n  name: a\n  finalizers:\n - x\n", 6, "indent it"),
    after_head("a list on the line of its key", "metadata:\n  name: a\n  finalizers: - x\n", 5, "line of its own"),
    after_head("a second key on a line", "metadata:\n  name: a namespace: b\n", 4, "holds a colon"),
    after_head("an at sign", "metadata:\n  name: @a\n", 4, "quote a value"),
    after_head("a backtick", "metadata:\n  name: `a`\n", 4, "quote a value"),
    after_head("a percent sign", "metadata:\n  name: %a\n", 4, "quote a value"),
    after_head("an alias without an anchor", "metadata:\n  name: *a\n", 4, "&NAME"),
    after_head("an alias without a name", "metadata:\n  name: *\n", 4, ""),
    after_head("an anchor without a name", "metadata:\n  name: & a\n", 4, ""),
    after_head("an escape that is none", 'metadata:\n  name: "\\q"\n', 4, "backslash"),
    after_head("a path in double quotes", 'metadata:\n  name: a\ndata:\n  p: "C:\\Users"\n', 6, ""),
    after_head("an escape that is cut", 'metadata:\n  name: "\\u12"\n', 4, ""),
    after_head("a template of Helm", "metadata:\n  name: {{ .Values.name }}\n", 4, "template"),
    after_head("a block of a template", "metadata:\n  name: a\n  {{- if .x }}\n  labels: {}\n", 6, "template"),
    after_head("a template of Jinja", "metadata:\n  name: a\n{% if x %}\ndata: {}\n", 5, ""),
    after_head(
        "a merge conflict",
        "<<<<<<< HEAD\nmetadata:\n  name: a\n=======\nmetadata:\n  name: b\n>>>>>>> x\n",
        4,
        "merge conflict",
    ),
    after_head(
        "a merge conflict below", "metadata:\n  name: a\n<<<<<<< a\ndata: {}\n=======\n>>>>>>> b\n", 6, "merge conflict"
    ),
    after_head("text after three dashes", "metadata:\n  name: a\n--- apiVersion: v1\n", 5, "on the next line"),
    after_head("a list for a key", "metadata:\n  name: a\n? [a]\n: b\n", 5, "text as the key"),
    after_head("a mapping for a key", "metadata:\n  name: a\n? {a: b}\n: b\n", 5, "text as the key"),
    in_data("null for a key", "  ~: b\n", 6, "text as the key"),
    in_data("nothing for a key", "  : b\n", 6, ""),
    in_data("infinity", "  x: .inf\n", 6, "in quotes"),
    in_data("minus infinity", "  x: -.inf\n", 6, "in quotes"),
    in_data("no number", "  x: .nan\n", 6, "in quotes"),
    in_data("binary that is no base64", "  x: !!binary '***'\n", 6, "base64"),
    in_data("a tag for a whole number", "  x: !!int abc\n", 6, "not of type int"),
    in_data("a tag for a number", "  x: !!float abc\n", 6, "not of type float"),
    in_data("a tag for true and false", "  x: !!bool maybe\n", 6, "not of type bool"),
    in_data("a tag for null", "  x: !!null something\n", 6, "not of type null"),
    in_data("a tag that is not closed", "  x: !<tag a\n", 6, ""),
    in_data("a handle that nobody declared", "  x: !e!tag a\n", 6, ""),
    after_head("a merge of a number", "metadata:\n  name: a\n  <<: 3\n", 5, "<<"),
    after_head("a merge of a text", "metadata:\n  <<: text\n  name: a\n", 4, "<<"),
    after_head("a merge of a list of numbers", "metadata:\n  name: a\n  <<: [1]\n", 5, "<<"),
    in_data("a block text with a wrong mark", "  x: |x\n    a\n", 6, ""),
    in_data("a block text with two indentations", "  x: |10\n    a\n", 6, ""),
    in_data("a block text that is not indented", "  x: |\nnot indented\n", 8, ""),
    in_data("a folded text that ends early", "  x: >\n    a\n   b: c\n  d\n", 8, ""),
    in_data("a question mark alone", "  x: {? }\n  y\n", 6, "text as the key"),
    in_data("a comma before a mapping's end", "  x: {,}\n", 6, ""),
    in_data("two commas in a list", "  x: [a,,b]\n", 6, ""),
    in_data("a closing brace too many", "  x: {a: b}}\n", 6, ""),
    in_data("a closing bracket too many", "  x: [a]]\n", 6, ""),
    in_data("a list item and a key", "  - a\n  b: c\n", 7, ""),
    in_data("a key and a list item", "  b: c\n  - a\n", 7, ""),
    in_data("a colon and no blank", "  x:y\n  z: 1\n", 7, "holds a colon"),
    Broken("a directive that is none", ("%YAML x\n---\n" + GOOD).encode(), 1, ""),
    Broken("a version of YAML that is none", ("%YAML 3.0\n---\n" + GOOD).encode(), 1, ""),
    Broken("a text before the object", ("hello\n" + GOOD).encode(), 2, ""),
    Broken("a list before the object", ("- hello\n" + GOOD).encode(), 2, ""),
    Broken("a quote before the object", ('"\n' + GOOD).encode(), 8, "close the quote"),
    Broken("the second document", (GOOD + "---\n" + HEAD + "metadata: {name: b\n").encode(), 11, "close the {"),
    Broken(
        "the second document after comments",
        (GOOD + "---\n# a\n# b\n" + HEAD + "metadata:\n\tname: b\n").encode(),
        13,
        "tabs",
    ),
    Broken("the third document", (GOOD + "---\n---\n" + HEAD + "metadata: {name: *x}\n").encode(), 11, "&NAME"),
    Broken(
        "a document with Windows' line ends", (HEAD + "metadata: {name: a\n").replace("\n", "\r\n").encode(), 4, "close"
    ),
]

ENCODINGS = [
    Broken("Latin-1", (NAMED + "data:\n  k: caf\xe9\n").encode("latin-1"), 6, "UTF-8"),
    Broken("Windows' own characters", NAMED.encode() + b"data:\n  k: \x93a\x94\n", 6, "UTF-8"),
    Broken("half a character", NAMED.encode() + b"data:\n  k: \xc3\n", 6, "UTF-8"),
    Broken("UTF-16 that is cut", b"\xff\xfe" + NAMED.encode("utf-16-le")[:-1], 4, "UTF-8"),
    Broken("a bell", (HEAD + "metadata:\n  name: a\x07\n").encode(), 4, "take the character away"),
    Broken("an escape sequence", (HEAD + "metadata:\n  name: \x1b[31ma\n").encode(), 4, "take the character away"),
    Broken("a zero", (HEAD + "metadata:\n  name: a\x00\n").encode(), 4, "take the character away"),
    Broken("a deletion", (NAMED + "data:\n  k: \x7f\n").encode(), 6, "take the character away"),
]

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
LIMITS = [
    Broken("aliases that expand", (NAMED + BOMB).encode(), 11, "aliases"),
    Broken(
        "a mapping in a mapping without end",
        (NAMED + "data: " + "{a: " * 3000 + "}" * 3000 + "\n").encode(),
        5,
        "flatten",
    ),
    Broken("a list in a list without end", (NAMED + "data: " + "[" * 3000 + "]" * 3000 + "\n").encode(), 5, "flatten"),
    Broken(
        "a number without end",
        ('{"apiVersion": "v1", "kind": "A", "metadata": {"name": "a"}, "n": 1' + "0" * 400 + "}").encode(),
        1,
        "in quotes",
        "bad.json",
    ),
]


def shaped(what: str, metadata: str, said: str, line: int = 3, kind: str = "ConfigMap") -> Broken:
    return Broken(what, f"apiVersion: v1\nkind: {kind}\nmetadata: {metadata}\n".encode(), line, said)


SHAPES = [
    Broken("no kind", b"apiVersion: v1\nmetadata: {name: a}\n# kind: ConfigMap\n", 1, "has no kind"),
    Broken("an empty kind", b"apiVersion: v1\nkind: ''\nmetadata: {name: a}\n", 1, "has no kind"),
    Broken("null for a kind", b"apiVersion: v1\nkind:\nmetadata:\n  name: a\n", 1, "has no kind"),
    Broken("a number for a kind", b"apiVersion: v1\nkind: 3\nmetadata:\n  name: a\n", 1, "has no kind"),
    Broken("a list for a kind", b"apiVersion: v1\nkind: [A]\nmetadata:\n  name: a\n", 1, "has no kind"),
    Broken("a kind in another case", b"apiVersion: v1\nKind: A\nmetadata:\n  name: a\n# kind:\n", 1, "has no kind"),
    Broken("no apiVersion", b"kind: A\nmetadata:\n  name: a\n", 1, "has no apiVersion"),
    Broken("an empty apiVersion", b"apiVersion: ''\nkind: A\nmetadata: {name: a}\n", 1, "has no apiVersion"),
    Broken("null for an apiVersion", b"kind: A\napiVersion:\nmetadata: {name: a}\n", 2, "has no apiVersion"),
    Broken("a number for an apiVersion", b"kind: A\napiVersion: 1\nmetadata: {name: a}\n", 2, "apiVersion '1'"),
    Broken("a list for an apiVersion", b"kind: A\napiVersion: [v1]\nmetadata: {name: a}\n", 2, "apiVersion"),
    Broken("an apiVersion of three parts", b"kind: A\napiVersion: a/b/c\nmetadata: {name: a}\n", 2, "'a/b/c'"),
    Broken("no metadata", b"apiVersion: v1\nkind: A\n", 1, "has no metadata"),
    Broken("null for metadata", b"apiVersion: v1\nkind: A\nmetadata:\n", 3, "has no metadata"),
    Broken(
        "metadata that are commented out",
        b"apiVersion: v1\nkind: A\nmetadata:\n#  name: a\ndata: {}\n",
        3,
        "has no metadata",
    ),
    shaped("a list for metadata", "[a]", "a list for its metadata"),
    shaped("a text for metadata", "a", "a text for its metadata"),
    shaped("a number for metadata", "7", "a number for its metadata"),
    shaped("no name", "{}", "has no name"),
    shaped("an empty name", "{name: ''}", "has no name"),
    shaped("null for a name", "{name: }", "has no name"),
    shaped("a name in another place", "{labels: {name: a}}", "has no name"),
    *(
        shaped(
            f"{what} for a {field}",
            f"{{name: a, {field}: {value}}}",
            f"the {field} of the Secret is {said}",
            kind="Secret",
        )
        for field in ("namespace", "generateName")
        for what, value, said in (
            ("a number", "5", "a number"),
            ("a fraction", "1.5", "a number"),
            ("an exponent", "1e3", "a number"),
            ("true", "true", "true or false"),
            ("a list", "[a]", "a list"),
            ("a mapping", "{a: b}", "a mapping"),
        )
    ),
    *(
        shaped(f"{what} for a name", f"{{name: {value}}}", f"the name of the Service is {said}", kind="Service")
        for what, value, said in (
            ("a number", "5", "a number"),
            ("a fraction", "1.5", "a number"),
            ("an exponent", "1e3", "a number"),
            ("a hexadecimal number", "0x1f", "a number"),
            ("yes", "yes", "true or false"),
            ("a list", "[a]", "a list"),
            ("a mapping", "{a: b}", "a mapping"),
        )
    ),
    *(
        shaped(f"{what} for {field}", f"{{name: a, {field}: {value}}}", f"are {said}")
        for field in ("labels", "annotations")
        for what, value, said in (("a list", "[a]", "a list"), ("a text", "x", "a text"), ("a number", "1", "a number"))
    ),
    *(
        shaped(f"{what} in {field}", f"\n  name: a\n  {field}:\n    ok: fine\n    it: {value}", f"is {said}", line=7)
        for field in ("labels", "annotations")
        for what, value, said in (
            ("a number", "1", "a number"),
            ("a fraction", "1.0", "a number"),
            ("true", "true", "true or false"),
            ("off", "off", "true or false"),
            ("an exponent", "1e3", "a number"),
            ("a list", "[a]", "a list"),
            ("a mapping", "{a: b}", "a mapping"),
        )
    ),
    *(
        shaped(
            f"{what} for {field}", f"\n  name: a\n  {field}: {value}", f"the {field} of the Pod are {said}", 5, "Pod"
        )
        for field in ("finalizers", "ownerReferences", "managedFields")
        for what, value, said in (
            ("a text", "x", "a text"),
            ("a mapping", "{a: b}", "a mapping"),
            ("a number", "2", "a number"),
        )
    ),
    Broken(
        "a list instead of an object",
        b"- apiVersion: v1\n  kind: A\n  metadata: {name: a}\n",
        1,
        "not a Kubernetes object",
    ),
    Broken("a text instead of an object", b"'apiVersion: kind: metadata:'\n", 1, "not a Kubernetes object"),
    Broken("a second document that is a text", (GOOD + "---\nhello\n").encode(), 8, "not a Kubernetes object"),
    Broken("a second document without a kind", (GOOD + "---\na: b\n").encode(), 8, "has no kind"),
    Broken("a second document without a name", (GOOD + "---\n" + HEAD + "metadata: {}\n").encode(), 10, "has no name"),
    *(
        Broken(what, (LIST + f"- {item}\n# metadata:\n").encode(), line, said)
        for what, item, line, said in (
            ("a text in a List", "a", 7, "not a Kubernetes object"),
            ("null in a List", "", 7, "not a Kubernetes object"),
            ("a number in a List", "5", 7, "not a Kubernetes object"),
            ("an item without a kind", "{apiVersion: v1}", 7, "has no kind"),
            ("an item without a name", "{apiVersion: v1, kind: A, metadata: {}}", 7, "has no name"),
            ("an item without an apiVersion", "{kind: A, metadata: {name: b}}", 7, "has no apiVersion"),
            (
                "an item with a label that is a number",
                "{apiVersion: v1, kind: A, metadata: {name: b, labels: {a: 1}}}",
                7,
                "is a number",
            ),
        )
    ),
]


def as_json(what: str, content: str, line: int, said: str) -> Broken:
    return Broken(f"JSON: {what}", content.encode(), line, said, "bad.json")


START = '{"apiVersion": "v1",\n "kind": "ConfigMap",\n'
JSON = [
    as_json("nothing", "", 1, "value"),
    as_json("a word", "hello", 1, ""),
    as_json("not closed", START + ' "metadata": {"name": "a"}\n', 4, ""),
    as_json("a comma too many", START + ' "metadata": {"name": "a"},\n}\n', 4, "double quotes"),
    as_json("a comma too few", START + ' "metadata": {"name": "a"}\n "data": {}}\n', 4, "comma"),
    as_json("a comma too many in a list", START + ' "metadata": {"name": "a", "finalizers": ["x",]}}\n', 3, ""),
    as_json("single quotes", "{'apiVersion': 'v1'}", 1, "double quotes"),
    as_json("a key without quotes", '{apiVersion: "v1"}', 1, "double quotes"),
    as_json("no colon", START + ' "metadata" {"name": "a"}}\n', 3, ""),
    as_json("no value", START + ' "metadata": }\n', 3, "write a value"),
    as_json("a quote that is not closed", START + ' "metadata": {"name": "a}}\n', 3, ""),
    as_json("a comment", START + ' // a comment\n "metadata": {"name": "a"}}\n', 3, "double quotes"),
    as_json("an escape that is none", START + ' "metadata": {"name": "\\q"}}\n', 3, "backslash"),
    as_json("a line end in a text", START + ' "metadata": {"name": "a\nb"}}\n', 3, "escape"),
    as_json("a number that is none", START + ' "metadata": {"name": "a"}, "n": NaN}\n', 1, "in quotes"),
    as_json("infinity", START + ' "metadata": {"name": "a"}, "n": Infinity}\n', 1, "in quotes"),
    as_json("a number that begins with 0", START + ' "metadata": {"name": "a"}, "n": 01}\n', 3, "comma"),
    as_json("true in another case", START + ' "metadata": {"name": "a"}, "n": True}\n', 3, "write a value"),
    as_json("two objects", START + ' "metadata": {"name": "a"}}\n{"a": 1}\n', 4, "split it"),
    as_json("text after the object", START + ' "metadata": {"name": "a"}}\nhello\n', 4, "split it"),
    as_json("a list", '[{"apiVersion": "v1"}]', 1, "not a Kubernetes object"),
    as_json("a text", '"hello"', 1, "not a Kubernetes object"),
    as_json("null", "null", 1, "not a Kubernetes object"),
    as_json("no kind", '{"apiVersion": "v1", "metadata": {"name": "a"}}', 1, "has no kind"),
    as_json("no apiVersion", '{"kind": "A",\n "metadata": {"name": "a"}}', 1, "has no apiVersion"),
    as_json("no metadata", START + ' "data": {}}\n', 1, "has no metadata"),
    as_json("no name", START + ' "metadata": {}}\n', 3, "has no name"),
    as_json(
        "a label that is a number", START + ' "metadata": {"name": "a",\n  "labels": {"a": 1}}}\n', 4, "is a number"
    ),
    as_json(
        "an annotation that is null and one that is true",
        START + ' "metadata": {"name": "a",\n  "annotations": {"n": null, "a": true}}}\n',
        4,
        "true or false",
    ),
    as_json("a number for a kind", '{"apiVersion": "v1",\n "kind": 3, "metadata": {"name": "a"}}', 1, "has no kind"),
    as_json(
        "a number for an apiVersion", '{"apiVersion": 1,\n "kind": "A", "metadata": {"name": "a"}}', 1, "apiVersion '1'"
    ),
    as_json("a list for metadata", START + ' "metadata": ["a"]}\n', 3, "a list for its metadata"),
    as_json("a number for a name", START + ' "metadata": {"name": 5}}\n', 3, "a number"),
    as_json("true for a namespace", START + ' "metadata": {"name": "a", "namespace": true}}\n', 3, "true or false"),
    as_json("a list for labels", START + ' "metadata": {"name": "a", "labels": ["a"]}}\n', 3, "a list"),
    as_json("a text for finalizers", START + ' "metadata": {"name": "a", "finalizers": "x"}}\n', 3, "a text"),
    as_json("deep", '{"a": ' * 3000 + "1" + "}" * 3000, 1, "flatten"),
    Broken("Jsonnet", b"{ kind: 'ConfigMap' }\n", None, "commit the YAML", "bad.jsonnet"),
]

BROKEN = [*SYNTAX, *ENCODINGS, *LIMITS, *SHAPES, *JSON]
