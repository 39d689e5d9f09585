"""Pip's many lines become one that counts.

``pip install ... | python tools/progress.py LOCK``: counts the packages of the lock file as pip comes to each, on a
terminal in place, elsewhere every tenth. Called by the Makefile; pip's errors pass by on stderr.
"""

from __future__ import annotations

import sys
from pathlib import Path


def main() -> None:
    total = sum("==" in line for line in Path(sys.argv[1]).read_text().splitlines())
    terminal = sys.stdout.isatty()
    count = 0
    for line in sys.stdin:
        if line.startswith(("Collecting ", "Ignoring ", "Requirement already satisfied")):
            count = min(count + 1, total)
            if terminal or count % 10 == 0:
                _show(f"{count} of {total} packages", terminal=terminal)
        elif line.startswith("Installing collected packages"):
            _show(f"{total} of {total} packages, unpacking", terminal=terminal)
    if terminal:
        sys.stdout.write("\r\033[K")


def _show(text: str, *, terminal: bool) -> None:
    sys.stdout.write(f"\r\033[K  {text}" if terminal else f"  {text}\n")
    sys.stdout.flush()


main()
