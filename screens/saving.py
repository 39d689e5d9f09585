"""What is shown, as a file.

Owns: `save`. Called by screens whose text a person may want to keep or send.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from screens.host import Host


def save(host: Host, name: str, lines: Iterable[str], suffix: str) -> None:
    """Writes lines into a new file of the user's state folder, readable by its owner alone, and says where it is."""
    from fleetui.config import Paths

    moment = datetime.fromtimestamp(host.now(), UTC).strftime("%Y%m%d-%H%M%S")
    plain = re.sub(r"[^A-Za-z0-9.-]+", "_", name)[:100].lstrip(".") or "saved"
    folder = Paths.of(os.environ).saved_folder
    try:
        path = _write(folder, f"{plain}-{moment}", suffix, lines)
    except OSError as error:
        host.tell(f"It could not be saved in {folder}: {error.strerror or error}", error=True)
    else:
        host.tell(f"Saved in {path}")


def _write(folder: Path, name: str, suffix: str, lines: Iterable[str]) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    number = 0
    while True:
        path = folder / f"{name}{f'-{number}' if number else ''}.{suffix}"
        try:
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            number += 1
            continue
        with os.fdopen(file, "w", encoding="utf-8", errors="replace") as out:
            out.writelines(f"{line}\n" for line in lines)
        return path
