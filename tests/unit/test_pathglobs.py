"""Patterns in which a star stops at a slash, and repository URLs; every answer is that of gobwas/glob 1.0 or of Go."""

from __future__ import annotations

import pytest

from fleetui.engine.giturl import normalized
from fleetui.model.pathglobs import glob_matches_path, path_matches


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("*", "a", True),
        ("*", "a/b", False),
        ("**", "a/b", True),
        ("a/*/c", "a/b/c", True),
        ("a/**/c", "a/b/b/c", True),
        ("a/**/c", "a/c", False),
        ("**/a*", "/ab/c/a", True),
        ("*a*/b", "xaa/b", True),
        ("a?c", "a/c", False),
        ("a[!b]c", "a/c", True),
        ("{a,b/**}", "b/c/d", True),
        ("a[", "a[", False),
        ("a***b", "a/x/b", True),
    ],
)
def test_globs_with_a_separator(pattern: str, text: str, fits: bool) -> None:
    assert glob_matches_path(pattern, text) is fits


def test_a_pattern_of_many_stars_takes_no_longer_than_it_is_long() -> None:
    assert not glob_matches_path("*a" * 200 + "b", "a" * 2000)


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("*", "ConfigMap", True),
        ("Config*", "ConfigMap", True),
        ("[A-C]*", "ConfigMap", True),
        ("[^A-C]*", "ConfigMap", False),
        ("[!A-C]*", "ConfigMap", True),
        ("[", "[", False),
        ("[]a]", "a", False),
        ("[C-A]*", "B", False),
        ("Config\\Map", "ConfigMap", True),
        ("a\\", "a", False),
        ("?ecret", "Secret", True),
        ("*", "a/b", False),
    ],
)
def test_go_file_patterns(pattern: str, text: str, fits: bool) -> None:
    assert path_matches(pattern, text) is fits


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://GitHub.com/Acme/Shop.git", "https://github.com/acme/shop"),
        ("git@github.com:acme/shop.git", "git@github.com/acme/shop"),
        ("ssh://git@github.com/acme/shop", "git@github.com/acme/shop"),
        ("https://h/a b", "https://h/a%20b"),
        ("https://h/%zz", ""),
        ("https://h:port/x", ""),
        ("registry:5000/x", "registry:5000/x"),
        ("*", "*"),
    ],
)
def test_repository_urls(url: str, expected: str) -> None:
    assert normalized(url) == expected
