"""The audit log: who may read it, its filters, pages and CSV file."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from bot.domain.errors import RefusedError
from bot.domain.records import AuditAction, StoredEntry

ROWS = 50_000
SIZE = 8 * 1024 * 1024
_HEADER = ("id", "time", "action", "by", "person", "deployment", "outcome", "request", "details")
# What spreadsheets take for a formula, also in full width.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_BOM = "\ufeff".encode()  # without it, Excel reads UTF-8 as something else


@dataclass(frozen=True, slots=True)
class CsvFile:
    """`cut`: there was more than the file may hold."""

    data: bytes
    rows: int
    cut: bool


class CsvWriter:
    """Takes lines until `rows` or `size` (bytes) is reached."""

    def __init__(self, *, rows: int = ROWS, size: int = SIZE) -> None:
        self._rows = rows
        self._size = size
        self._data = bytearray(_BOM + _row(_HEADER))
        self._count = 0
        self._cut = False

    def add(self, line: StoredEntry) -> bool:
        """False from the first line on that finds no place."""
        made = _row(_cells(line))
        if self._cut or self._count >= self._rows or len(self._data) + len(made) > self._size:
            self._cut = True
            return False
        self._data += made
        self._count += 1
        return True

    def file(self) -> CsvFile:
        return CsvFile(bytes(self._data), self._count, self._cut)


def _cells(line: StoredEntry) -> tuple[str, ...]:
    entry = line.entry
    values = (
        line.id,
        entry.at.isoformat(timespec="seconds"),
        entry.action.value,
        entry.actor_id,
        entry.subject_id,
        entry.deployment,
        entry.outcome,
        entry.run_key,
        json.dumps(dict(entry.details), ensure_ascii=False, default=str) if entry.details else None,
    )
    return tuple("" if value is None else _harmless(str(value)) for value in values)


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _row(cells: tuple[str, ...]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerow(cells)
    # What a person typed may hold half a surrogate pair.
    return text.getvalue().encode("utf-8", "replace")


_SUGGESTED = 25
E = TypeVar("E", bound=StrEnum)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditQuery:
    """What of the record is asked for, as typed; None lets everything through. Days count back from now."""

    subject: int | None = None
    actor: int | None = None
    deployment: str | None = None
    outcome: str | None = None
    action: str | None = None
    since_days: int | None = None
    until_days: int | None = None


def _offered(choices: Sequence[E], typed: str | None) -> E | None:
    """Discord offers only what there is, but does not check what comes back."""
    found = next((choice for choice in choices if choice == typed), None)
    if found is None and typed is not None:
        raise RefusedError("list_stale", f"{typed!r} is not on offer")
    return found


LINES_SHOWN = 10
# What belongs to no server stands in no server's record.
_ELSEWHERE = frozenset({AuditAction.PAUSE, AuditAction.RESUME, AuditAction.PRIVACY})
SERVER_ACTIONS = tuple(action for action in AuditAction if action not in _ELSEWHERE)
