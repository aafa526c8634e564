"""Capture the bot's log lines as an operator with LOG_FORMAT=json gets them."""

from __future__ import annotations

import io
import json
import logging
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.config.logs import setup_logging


@dataclass(frozen=True, slots=True)
class LogLine:
    """A log line. `at` is in seconds since 1970; `key` is the run key, if the line is about a run."""

    at: float
    level: str
    logger: str
    text: str
    key: str | None


class LogCapture(io.StringIO):
    """A stream for `setup_logging`. `lines` are the lines not printed yet.

    `faults` are all lines so far with the level ERROR or CRITICAL, with their tracebacks.
    """

    def __init__(self) -> None:
        super().__init__()
        self.lines: deque[LogLine] = deque()
        self.faults: list[str] = []

    def write(self, text: str, /) -> int:
        for line in text.splitlines():
            self._take(json.loads(line))
        return len(text)

    def _take(self, entry: dict[str, Any]) -> None:
        at = datetime.fromisoformat(entry["timestamp"]).timestamp()
        line = LogLine(at, entry["level"], entry["logger"], entry["message"], entry.get("run"))
        self.lines.append(line)
        if line.level in ("ERROR", "CRITICAL"):
            self.faults.append(f"{line.logger}: {line.text} {entry.get('exc_info', '')}".strip())


@contextmanager
def capturing_logs() -> Iterator[LogCapture]:
    """Capture every log line inside the block and keep it off the terminal."""
    capture = LogCapture()
    setup_logging("INFO", "json", stream=capture)
    try:
        yield capture
    finally:
        logging.getLogger().handlers.clear()
