"""The limit of open files, in a process of its own: a limit that was lowered can't be raised again."""

from __future__ import annotations

import subprocess
import sys

import pytest

RAISED = """
import resource
from fleetui.cli.limits import allow_many_files
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
allow_many_files()
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(("soft", "hard", "left"), [(64, 256, "256 256"), (256, 256, "256 256")])
def test_the_limit_is_raised_as_far_as_it_may_be(soft: int, hard: int, left: str) -> None:
    script = RAISED.format(soft=soft, hard=hard)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == left
