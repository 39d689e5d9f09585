"""Argo CD's patterns (gobwas/glob 0.2.3 without separators)."""

from __future__ import annotations

import pytest

from fleetui.model.globs import glob_matches


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("", "", True),
        ("", "apps", False),
        ("*", "", True),
        ("*", "a/b.c", True),
        ("apps", "apps", True),
        ("apps", "Apps", False),
        ("*.io", "argoproj.io", True),
        ("a?c", "abc", True),
        ("a?c", "ac", False),
        ("[a-c]x", "bx", True),
        ("[!a-c]x", "bx", False),
        ("[abc]x", "cx", True),
        ("{Deployment,Stateful*}", "StatefulSet", True),
        ("{a,{b,c}d}", "cd", True),
        ("\\*", "*", True),
        ("\\*", "x", False),
        ("a.c", "abc", False),
        ("[a", "a", False),
        ("a" + "*a" * 40, "a" * 200 + "b", False),
    ],
)
def test_globs(pattern: str, text: str, fits: bool) -> None:
    assert glob_matches(pattern, text) is fits
