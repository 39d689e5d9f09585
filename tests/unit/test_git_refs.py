"""The cheap look at a repository's references."""

from __future__ import annotations

import shutil
from pathlib import Path

from backends.git_refs import fingerprint
from tests.unit.git_source import Source


def test_changes_with_every_move_of_a_reference_and_with_nothing_else(tmp_path: Path) -> None:
    source = Source(tmp_path / "source")
    seen = {fingerprint(source.path)}

    def moved() -> bool:
        now = fingerprint(source.path)
        known = now in seen
        seen.add(now)
        return not known

    source.commit("one")
    assert moved()
    source.put("a.yaml", b"not committed")
    source.git("add", "a.yaml")
    assert not moved()
    source.commit("two")
    assert moved()
    source.git("checkout", "-q", "-b", "topic/below")
    assert moved()
    source.git("tag", "v1")
    assert moved()
    source.git("pack-refs", "--all")
    assert moved()
    source.git("tag", "-d", "v1")
    assert moved()


def test_knows_bare_repositories_worktrees_and_absent_ones(tmp_path: Path) -> None:
    source = Source(tmp_path / "source")
    source.commit("one")
    source.git("worktree", "add", "-q", str(tmp_path / "tree"), "-b", "tree")
    source.git("clone", "-q", "--bare", str(source.path), str(tmp_path / "bare.git"))
    for path in ("tree", "bare.git", "bare"):
        before = fingerprint(tmp_path / path)
        assert before, path
        git_dir = source.path / ".git" if path == "tree" else tmp_path / "bare.git"
        source.git("--git-dir", str(git_dir), "branch", f"new-{path}", "main")
        assert fingerprint(tmp_path / path) != before, path
    assert fingerprint(tmp_path / "nowhere") == ()
    shutil.rmtree(source.path)
    assert fingerprint(source.path) == ()
