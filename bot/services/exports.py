"""Export a user's data as lines of JSON and the audit log as CSV, and erase a user's data."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import logging
import os
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, fields, replace
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bot.context import App
from bot.domain.moderation import AuditAction, AuditFilter, StoredEntry
from bot.domain.requests import Actor
from bot.domain.runs import Erased, Run
from bot.services.access import moderator

log = logging.getLogger(__name__)

SIZE = 8 * 1024 * 1024  # Discord takes 10 MiB
BOM = "\ufeff".encode()  # Excel reads UTF-8 only with a byte order mark
# Spreadsheets run a cell as a formula if it begins with one of these characters, also in full width.
_FORMULA = "=+@\uff1d\uff0b\uff0d\uff20-"
# In many languages, Excel separates cells at semicolons. A quote that doesn't follow one opens nothing, so
# semicolons and line breaks in a text begin cells. Blanks and quotes may precede the formula.
_BEGINS_CELL = frozenset(";|\t\r\n")
_GAP = r"[;|\s\x00-\x1f\"]"
_BEFORE_FORMULA = re.compile(rf"(?<!{_GAP}){_GAP}+(?=[{_FORMULA}])")
# Reply data, the workers' bookkeeping and the machine's log say nothing about the user. The moderators of a
# request, and their channels, are the moderators' own data.
_OMITTED = frozenset(
    {"requester_id", "deployment_id", "upload_limit", "status_message_id"}
    | {"interaction_id", "interaction_token", "interaction_expires_at"}
    | {"progress", "queue_position", "claim_id", "checks"}
    | {"deadline_seconds", "run_timeout", "weight", "reserved_seconds"}
    | {"status_note", "waiting_code", "waiting_params", "failure_log", "outputs_since"}
    | {"review_channel_id", "report_channel_id", "cancelled_by", "decided_by", "deleted_by"}
)
_CHUNK_SIZE = 10  # small, because each run comes with its inputs and outputs
_RUN_FIELDS = (*(field.name for field in fields(Run) if field.name not in _OMITTED), "charged_seconds")
# Next to a refused prompt these details would reveal the server's word list, one export at a time.
_MODERATORS_ONLY = frozenset({"rule", "word"})
# Only its author and moderators read the note of a report.
_AUTHORS_ONLY = frozenset({"note"})


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


async def export_audit(
    app: App,
    actor: Actor,
    audit_filter: AuditFilter,
    columns: Sequence[str],
    cells: Callable[[StoredEntry], Sequence[str]],
) -> ExportFile:
    """Return a file with a row of `cells` for each matching entry, newest first, as far as they fit."""
    server = await moderator(app, actor)
    file = ExportFile(BOM + csv_line(columns))
    async for entries in app.store.audit.export(server, audit_filter, app.now()):
        if not file.add(*(csv_line(cells(entry)) for entry in entries)):
            break
    return file


async def export(app: App, user_id: int) -> ExportFile:
    """Return a file with the user's runs, audit entries, blocks, presets, channel defaults and usage.

    Each is a line of JSON, with its `kind`. Lines beyond the file's size are left out.
    """
    file = ExportFile(json_line({"kind": "export", "person_id": user_id, "made_at": app.now()}))
    file.add(*map(json_line, await app.store.privacy.rows_of(user_id)))
    async for run in app.store.history.export(user_id, _CHUNK_SIZE):
        await asyncio.sleep(0)  # reading and writing megabytes are separate steps of the event loop
        if not file.add(json_line(replace(run, outputs=run.visible), _RUN_FIELDS, kind="run")):
            break
    async for entries in app.store.privacy.audit_of(user_id):
        if not file.add(*(json_line(_entry(entry, user_id), kind="audit") for entry in entries)):
            break
    return file


async def erase(app: App, user_id: int) -> Erased:
    """Erase the inputs and outputs of a user's runs, and their own presets.

    This process also forgets the user's drafts, because they hold inputs, too. Returns what was
    erased, and the requests that were kept because they are pending. With BACKUP_DIR, it is first written
    there, so that restoring an earlier backup repeats the erasure.
    """
    if (folder := app.settings.backup_dir) is not None:
        line = f"{app.now().isoformat()} {user_id}\n"
        await asyncio.get_running_loop().run_in_executor(app.files, _append, folder / "erased", line)
    try:
        return await app.store.privacy.erase(user_id, app.now())
    finally:  # also if the commit wasn't confirmed
        app.drafts.forget(user_id)


def _append(file: Path, line: str) -> None:
    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a") as opened:
            opened.write(line)
            opened.flush()
            os.fsync(opened.fileno())
    except OSError as error:
        # An expected error needs no traceback.
        log.error("a restored backup won't repeat an erasure, because %s can't be written: %s", file, error)  # noqa: TRY400


def _entry(stored: StoredEntry, user_id: int) -> Mapping[str, Any]:
    """Return an audit entry for the export. Other users appear as "a moderator" or "somebody"."""
    entry = asdict(stored.entry)
    actor, subject = entry.pop("actor_id"), entry.pop("subject_id")
    is_report = stored.entry.action is AuditAction.REPORT
    hidden = _MODERATORS_ONLY if actor == user_id else _MODERATORS_ONLY | _AUTHORS_ONLY
    # Details of the user's actions as a moderator are another user's data.
    details = entry["details"] if subject == user_id or is_report else {}
    entry["details"] = {name: value for name, value in details.items() if name not in hidden}
    other = "somebody" if is_report else "a moderator"
    by = "the bot" if actor is None else "you" if actor == user_id else other
    return {**entry, "by": by, "about": "you" if subject == user_id else "somebody else"}
