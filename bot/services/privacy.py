"""Export a user's own data as a file, and erase it."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from bot.context import App
from bot.domain.moderation import AuditAction, StoredEntry
from bot.domain.runs import Erased, Run
from bot.services.exports import ExportFile, json_line

log = logging.getLogger(__name__)
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
