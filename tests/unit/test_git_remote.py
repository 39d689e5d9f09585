"""Addresses of repositories, and what git's words mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from backends.git_remote import Remote, explain
from fleetui.model.errors import GitAuthenticationError, GitError, NotARepositoryError, RepositoryUnreachableError
from fleetui.model.text import masked


@pytest.mark.parametrize(
    ("text", "url", "shown", "folder"),
    [
        ("https://host/team/x.git", "https://host/team/x.git", "https://host/team/x.git", None),
        ("https://user:s3cret@host:8443/x", "https://host:8443/x", "https://***@host:8443/x", None),
        ("https://token@host/x", "https://host/x", "https://***@host/x", None),
        ("ssh://git@host/x", "ssh://git@host/x", "ssh://git@host/x", None),
        ("ssh://git:pw@host/x", "ssh://git:pw@host/x", "ssh://***@host/x", None),
        ("git@host:team/x.git", "git@host:team/x.git", "git@host:team/x.git", None),
        ("/srv/x", "/srv/x", "/srv/x", Path("/srv/x")),
        ("file:///srv/a%20b", "file:///srv/a%20b", "file:///srv/a%20b", Path("/srv/a b")),
        ("/srv/a b", "/srv/a b", "/srv/a b", Path("/srv/a b")),
        ("file://other/srv/x", "file://other/srv/x", "file://other/srv/x", None),
    ],
)
def test_takes_an_address_apart(text: str, url: str, shown: str, folder: Path | None) -> None:
    remote = Remote.parse(text)
    assert (remote.url, remote.shown, remote.folder) == (url, shown, folder)


def test_credentials_go_to_their_host_alone_and_never_into_a_repr() -> None:
    remote = Remote.parse("https://user:p%40ss@host/team/x.git")
    assert remote.authorization == "Basic dXNlcjpwQHNz"
    assert "dXNlcjpwQHNz" not in repr(remote)


NO_ADDRESSES = """
x|./x|../x|--upload-pack=x|-x@host:y|ext::sh -c x|fd::17|ftp://host/x|oci://host/x|javascript://x|user@host::y
"""


@pytest.mark.parametrize("text", ["", "  ", "https://host/x\ny", "/srv/\x1b[2J", *NO_ADDRESSES.strip().split("|")])
def test_refuses_what_is_no_address(text: str) -> None:
    with pytest.raises(GitError) as caught:
        Remote.parse(text)
    assert "\x1b" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_masks_every_url_in_a_text() -> None:
    text = "from https://a:b@x/ to http://tok@y/z and ssh://git@h and ssh://u:p@h"
    assert masked(text) == "from https://***@x/ to http://***@y/z and ssh://git@h and ssh://***@h"


REMOTE = Remote.parse("https://user:s3cret@host/x.git")


@pytest.mark.parametrize(
    ("stderr", "kind"),
    [
        ("fatal: unable to access 'https://host/': Could not resolve host: host", RepositoryUnreachableError),
        (
            "fatal: unable to access 'x': Failed to connect to host port 443: Connection timed out",
            RepositoryUnreachableError,
        ),
        ("fatal: unable to access 'x': SSL certificate problem: self signed certificate", RepositoryUnreachableError),
        ("fatal: unable to access 'x': The requested URL returned error: 503", RepositoryUnreachableError),
        (
            "ssh: connect to host h port 22: Connection refused\nfatal: Could not read from remote repository.",
            RepositoryUnreachableError,
        ),
        ("fatal: could not read Username for 'https://host': terminal prompts disabled", GitAuthenticationError),
        ("remote: Invalid username or password.\nfatal: Authentication failed for 'x'", GitAuthenticationError),
        (
            "git@h: Permission denied (publickey).\nfatal: Could not read from remote repository.",
            GitAuthenticationError,
        ),
        ("Host key verification failed.\nfatal: Could not read from remote repository.", GitAuthenticationError),
        ("fatal: unable to access 'x': The requested URL returned error: 403", GitAuthenticationError),
        ("fatal: detected dubious ownership in repository at '/x'", GitAuthenticationError),
        ("fatal: repository 'https://host/x.git/' not found", NotARepositoryError),
        ("ERROR: Repository not found.\nfatal: Could not read from remote repository.", NotARepositoryError),
        ("fatal: 'x' does not appear to be a git repository", NotARepositoryError),
        ("fatal: https://host/x/info/refs not valid: is this a git repository?", NotARepositoryError),
        ("fatal: loose object abc is corrupt", GitError),
        ("", GitError),
    ],
)
def test_knows_what_git_means(stderr: str, kind: type[GitError]) -> None:
    error = explain(stderr, REMOTE)
    assert type(error) is kind
    assert error.url == "https://***@host/x.git"
    assert "\n" not in str(error)


def test_no_error_tells_a_password_or_moves_the_cursor() -> None:
    error = explain("fatal: unable to access 'https://user:s3cret@host/': \x1b[2J\x1b]0;x\x07" + "y" * 5000, REMOTE)
    assert "s3cret" not in str(error)
    assert "\x1b" not in str(error)
    assert len(str(error)) < 500
