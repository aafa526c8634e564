"""Write exports line by line: records as JSON, and the rows of the audit log as CSV."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import date
from typing import Any
from urllib.parse import urlsplit

SIZE = 8 * 1024 * 1024  # Discord takes 10 MiB
BOM = "\ufeff".encode()  # Excel reads UTF-8 only with a byte order mark
# Spreadsheets run a cell as a formula if it begins with one of these characters, also in full width.
_FORMULA = "=+@\uff1d\uff0b\uff0d\uff20-"
# In many languages, Excel separates cells at semicolons. A quote that doesn't follow one opens nothing, so
# semicolons and line breaks in a text begin cells. Blanks and quotes may precede the formula.
_BEGINS_CELL = frozenset(";|\t\r\n")
_GAP = r"[;|\s\x00-\x1f\"]"
_BEFORE_FORMULA = re.compile(rf"(?<!{_GAP}){_GAP}+(?=[{_FORMULA}])")


class ExportFile:
    """A file of lines, up to `size` bytes. `cut` means that it is incomplete."""

    def __init__(self, head: bytes = b"", *, size: int = SIZE) -> None:
        self.data = bytearray(head)
        self.lines = 0
        self.cut = False
        self._size = size

    def add(self, *lines: bytes) -> bool:
        """Add lines until one doesn't fit, then return False and add nothing more."""
        for line in lines:
            self.cut = self.cut or len(self.data) + len(line) > self._size
            if self.cut:
                return False
            self.data += line
            self.lines += 1
        return True


def json_line(record: Any, names: Collection[str] | None = None, **more: object) -> bytes:
    """Return a record as a line of JSON, after the values in `more`.

    `names` are the fields and properties that are written, by default all fields.

    Ids are strings, because many JSON readers round large numbers.
    """
    values = record if isinstance(record, Mapping) else asdict(record)
    if names is not None:
        values = {name: values[name] if name in values else getattr(record, name) for name in names}
    plain = {name: _plain(value, name) for name, value in {**more, **values}.items()}
    text = json.dumps(plain, ensure_ascii=False, separators=(",", ":"))
    return f"{text}\n".encode(errors="replace")


def csv_line(cells: Sequence[str]) -> bytes:
    """Return cells as a line of CSV, with an apostrophe before each formula."""

    def marked(gap: re.Match[str]) -> str:
        return gap[0] if _BEGINS_CELL.isdisjoint(gap[0]) else f"{gap[0]}'"

    text = io.StringIO()
    # The line break begins a cell, as a program may see it.
    safe = [_BEFORE_FORMULA.sub(marked, f"\n{cell}")[1:] for cell in cells]
    csv.writer(text, quoting=csv.QUOTE_ALL).writerow(safe)
    # Text from Discord may contain lone surrogates.
    return text.getvalue().encode(errors="replace")


def _plain(value: Any, name: str = "") -> Any:
    if isinstance(value, int) and name.endswith(("_id", "_by")):
        return str(value)
    if isinstance(value, str):
        return _unsigned(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    return value


def _unsigned(text: str) -> str:
    """Remove from a URL what may grant access: the query, which may hold a signature, and any password.

    Returns any other text unchanged.
    """
    if not text.startswith(("https://", "http://")) or any(char.isspace() for char in text):
        return text
    try:
        parts = urlsplit(text)
        host = parts.netloc.rpartition("@")[2]
        return parts._replace(netloc=host, query="", fragment="").geturl()
    except ValueError:
        return text
