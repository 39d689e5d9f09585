"""What a command that stays writes to standard error.

Owns: `configure`: lines for people, or one JSON object a line for who collects them.
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Literal

Format = Literal["text", "json"]

_FIELDS = ("cluster", "namespace", "application", "event")
"""What records may say besides their message."""


def configure(form: Format, level: str) -> None:
    """Sends every record from `level` on (``debug`` to ``error``) to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(
        _Json() if form == "json" else logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    )
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


class _Json(logging.Formatter):
    """One JSON object a line: time (RFC 3339, UTC), level, logger, msg, what the record is about, and the error."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC)
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "msg": record.getMessage(),
        }
        line |= {field: str(value) for field in _FIELDS if (value := getattr(record, field, None)) is not None}
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)
