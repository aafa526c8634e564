"""Export a user's own data as a file, and erase it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime
from typing import Any, Protocol

from bot.domain.moderation.audit import AuditAction, StoredEntry
from bot.domain.privacy import Erased, OwnBlock, OwnDefault, OwnPreset, OwnUsage
from bot.domain.runs import Run
from bot.store.erasure.privacy import PrivacyStore

SIZE = 8 * 1024 * 1024
# Reply data, the workers' bookkeeping and the machine's log say nothing about the user. The moderators of a
# request, and their channels, are the moderators' own data.
_OMITTED = frozenset(
    {"requester_id", "deployment_id", "application_id", "interaction_token", "interaction_expires_at"}
    | {"upload_limit", "status_message_id", "progress", "queue_position", "submissions", "claim_id", "checks"}
    | {"deadline_seconds", "weight", "reserved_seconds", "status_note", "waiting_code", "waiting_params"}
    | {"failure_log", "outputs_since", "counts_as_run"}
    | {"review_channel_id", "report_channel_id", "cancelled_by", "decided_by"}
)
_RUN_FIELDS = tuple(field.name for field in fields(Run) if field.name not in _OMITTED)
# Next to a refused prompt these details would reveal the server's word list, one export at a time.
_MODERATORS_ONLY = frozenset({"rule", "word"})


@dataclass(frozen=True, slots=True)
class OwnData:
    """A JSON file with a user's data. `cut` means that it is incomplete."""

    data: bytes
    cut: bool


class Drafts(Protocol):
    """Texts that users have typed, kept in memory."""

    def forget(self, user_id: int) -> None: ...


class PrivacyService:
    """Exports and erases a user's data on all servers. Methods raise StoreUnavailable if the database is
    unreachable.
    """

    def __init__(
        self, store: PrivacyStore, clock: Callable[[], datetime], drafts: Sequence[Drafts] = ()
    ) -> None:
        self._store = store
        self._clock = clock
        self._drafts = drafts

    async def export(self, user_id: int) -> OwnData:
        """Return a file with the user's runs, audit entries, blocks, presets, channel defaults and usage.

        Items beyond the file's size limit are left out.
        """
        writer = PersonalDataWriter(user_id, self._clock())
        writer.add_blocks(await self._store.blocks_of(user_id))
        writer.add_presets(await self._store.presets_of(user_id))
        writer.add_defaults(await self._store.defaults_of(user_id))
        writer.add_usage(await self._store.usage_of(user_id))
        async for runs in self._store.runs_of(user_id):
            await asyncio.sleep(0)  # reading and writing megabytes are separate steps of the event loop
            if not writer.add_runs(runs):
                break
        async for entries in self._store.audit_of(user_id):
            if not writer.add_entries(entries):
                break
        return writer.file()

    async def erase(self, user_id: int) -> Erased:
        """Erase the inputs and outputs of a user's runs, and their own presets.

        This process also forgets the user's drafts, because they hold inputs, too. Returns what was
        erased, and the requests that were kept because they are pending.
        """
        try:
            return await self._store.erase(user_id, self._clock())
        finally:  # also if the commit wasn't confirmed
            for drafts in self._drafts:
                drafts.forget(user_id)


class PersonalDataWriter:
    """Collects items until `size` (in bytes) is reached. The file is valid JSON even then."""

    def __init__(self, user_id: int, now: datetime, *, size: int = SIZE) -> None:
        self._user_id = user_id
        self._now = now
        self._remaining = size - 1000
        self._cut = False
        self._lists: dict[str, list[str]] = {
            name: [] for name in ("requests", "record", "blocks", "presets", "defaults", "usage")
        }

    def add_runs(self, runs: Sequence[Run]) -> bool:
        return self._add("requests", [{name: getattr(run, name) for name in _RUN_FIELDS} for run in runs])

    def add_entries(self, entries: Sequence[StoredEntry]) -> bool:
        return self._add("record", [self._entry(entry) for entry in entries])

    def add_blocks(self, blocks: Sequence[OwnBlock]) -> bool:
        return self._add("blocks", [asdict(block) for block in blocks])

    def add_presets(self, presets: Sequence[OwnPreset]) -> bool:
        return self._add("presets", [asdict(preset) for preset in presets])

    def add_defaults(self, defaults: Sequence[OwnDefault]) -> bool:
        return self._add("defaults", [asdict(default) for default in defaults])

    def add_usage(self, usage: Sequence[OwnUsage]) -> bool:
        return self._add("usage", [asdict(each) for each in usage])

    def file(self) -> OwnData:
        lists = [f'"{name}": [\n{",".join(items)}]' for name, items in self._lists.items()]
        head = f'{{"person": "{self._user_id}", "made_at": "{self._now.isoformat()}", "cut": '
        text = f"{head}{json.dumps(self._cut)},\n{','.join(lists)}}}\n"
        return OwnData(text.encode(), self._cut)

    def _entry(self, stored: StoredEntry) -> dict[str, Any]:
        """Return an audit entry for the export. Other users appear as "a moderator" or "somebody"."""
        entry = asdict(stored.entry)
        actor, subject = entry.pop("actor_id"), entry.pop("subject_id")
        # Details of the user's actions as a moderator are another user's data.
        details = entry["details"] if subject == self._user_id else {}
        entry["details"] = {name: value for name, value in details.items() if name not in _MODERATORS_ONLY}
        other = "somebody" if stored.entry.action is AuditAction.REPORT else "a moderator"
        by = "the bot" if actor is None else "you" if actor == self._user_id else other
        return {**entry, "by": by, "about": "you" if subject == self._user_id else "somebody else"}

    def _add(self, name: str, items: Sequence[Mapping[str, Any]]) -> bool:
        """Add items until one does not fit, then return False and add nothing more."""
        for item in items:
            text = json.dumps(item, default=_plain, indent=1)
            if self._cut or len(text) + 1 > self._remaining:
                self._cut = True
                return False
            self._remaining -= len(text) + 1
            self._lists[name].append(text)
        return True


def _plain(value: object) -> object:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    fields = getattr(value, "__slots__", ())
    return {name: getattr(value, name) for name in fields} if fields else str(value)
