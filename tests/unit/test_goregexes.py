"""Go's regular expressions: what they find, what they refuse, and that nothing takes long."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetui.model import goregexes
from fleetui.model.goregexes import compiled

# Answers of Go 1.26, regexp.MatchString.
FOUND = [
    ("release", "my-release-1", True),
    ("^release", "my-release-1", False),
    (r"^v\d+\.\d+$", "v1.20", True),
    (r"^v\d+\.\d+$", "v1.20\n", False),
    ("(?i)HotFix", "hotfix/1", True),
    ("(?i:HOT)Fix", "hotfix", False),
    ("^(main|release-.*)$", "release-1.2", True),
    ("^(main|release-.*)$", "mainline", False),
    (r"\bprod\b", "a-prod-b", True),
    (r"\bprod\b", "aprod", False),
    ("a.c", "a\nc", False),
    ("(?s)a.c", "a\nc", True),
    ("(?m)^b$", "a\nb\nc", True),
    ("[[:upper:]]{2,3}-[0-9]+", "fix JIRA-12", True),
    ("[^[:alpha:]]", "abc", False),
    (r"[\W]", "abc", False),
    (r"[\d-]", "-", True),
    ("[]a]", "]", True),
    (r"\Qa.b\E+", "a.bb", True),
    (r"\Qa.b\E", "axb", False),
    (r"^\x41\x{42}$", "AB", True),
    ("(?P<team>a+)(?<rest>b*)", "aab", True),
    (r"\w", "é", False),
    ("a{,3}", "a{,3}", True),
    ("", "", True),
    ("x*", "", True),
    ("(a|b)+?c", "abac", True),
]
REFUSED = [
    ("(", "missing closing )"),
    ("a)", "unexpected )"),
    ("[a", "missing closing ]"),
    ("*a", "missing argument to repetition operator: *"),
    ("a**", "invalid nested repetition operator"),
    ("{1,2}", "missing argument to repetition operator: {"),
    ("a{2,1}", "invalid repeat count: {2,1}"),
    ("a{1001}", "invalid repeat count: {1001}"),
    ("((a{1000}){1000}){1000}", "expression too large"),
    ("(?=a)", "Perl syntax"),
    (r"(a)\1", r"escape sequence: \1"),
    (r"\p{Greek}", r"unsupported escape sequence: \p"),
    ("[z-a]", "invalid character class range: z-a"),
    ("a\\", "trailing backslash"),
    ("(" * 200, "nests too deeply"),
]


@pytest.mark.parametrize(("pattern", "text", "found"), FOUND)
def test_what_go_finds_is_found(pattern: str, text: str, found: bool) -> None:
    assert compiled(pattern).search(text) is found


@pytest.mark.parametrize(("pattern", "why"), REFUSED)
def test_what_go_refuses_is_refused_with_its_reason(pattern: str, why: str) -> None:
    with pytest.raises(ValueError, match=re.escape(why)):
        compiled(pattern)


def test_an_expression_that_holds_python_for_ever_is_done_at_once() -> None:
    assert not compiled("^(a+)+$").search("a" * 5000 + "!")
    assert not compiled("^(a|a)*$").search("a" * 5000 + "!")


def test_the_whole_text_or_any_part_of_it() -> None:
    assert compiled("a|ab").fullmatch("ab")
    assert not compiled("a").fullmatch("ab")


PIECES = st.sampled_from(
    ["a", "b", ".", "[ab]", "[^a]", "(a|b)", "(ab)*", "a+", "b?", "a{2}", "^", "$", "|", "\\d", "é"]
)


@given(st.lists(PIECES, max_size=7).map("".join), st.text("ab1é", max_size=8))
@settings(max_examples=300, deadline=None)
def test_it_finds_what_python_finds_where_both_mean_the_same(pattern: str, text: str) -> None:
    assert compiled(pattern).search(text) is (re.search(pattern, text, re.ASCII) is not None)
    assert compiled(pattern).fullmatch(text) is (re.fullmatch(pattern, text, re.ASCII) is not None)


def test_what_is_kept_of_an_expression_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(goregexes, "_MOST_KEPT", 20)
    expression = compiled("(a|b)*c[a-d]{3}")
    texts = ["".join(letters) for letters in itertools.product("abcd", repeat=5)]
    assert [text for text in texts if expression.fullmatch(text)] == [
        text for text in texts if re.fullmatch("(a|b)*c[a-d]{3}", text)
    ]
    assert len(expression._states) <= 21
