"""What the operating system lets this process have.

Owns: `allow_many_files`. Called by `fleetui.cli.connect` before the first connection.
"""

from __future__ import annotations

from contextlib import suppress

ENOUGH = 65_536
"""Open files: a hundred clusters with some hundred connections each."""


def allow_many_files() -> None:
    """Raises the soft limit of open files as far as the hard one lets it, as Go's runtime does for kubectl.

    The usual soft limit of 1,024 is for programs that use select(2); a hundred clusters would run out of it.
    """
    try:
        import resource
    except ImportError:  # not a Unix
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = ENOUGH if hard == resource.RLIM_INFINITY else min(ENOUGH, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):  # macOS has a lower one besides
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
