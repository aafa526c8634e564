"""A person's own data: exported as a file, and erased."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any

from bot.domain.records import AuditAction, OwnBlock, OwnPreset, StoredEntry
from bot.domain.runs import Run

SIZE = 8 * 1024 * 1024
_NAMED = 10
# Of a request: not how the interaction is answered nor the workers' bookkeeping, which say nothing about the
# person; nor who moderated it, and where.
_LEFT_OUT = frozenset(
    {"requester_id", "deployment_id", "application_id", "interaction_token", "interaction_expires_at"}
    | {"upload_limit", "status_message_id", "progress", "queue_position", "submissions", "checks"}
    | {"deadline_seconds", "weight", "reserved_seconds", "note"}
    | {"review_channel_id", "report_channel_id", "cancelled_by", "decided_by"}
)
_OF_A_RUN = tuple(field.name for field in fields(Run) if field.name not in _LEFT_OUT)
# Of a refused prompt: it would tell the server's word list, one export at a time.
_MODERATORS_ONLY = frozenset({"rule", "word"})


@dataclass(frozen=True, slots=True)
class OwnData:
    """`cut`: there was more than the file may hold."""

    data: bytes
    cut: bool


class PersonalDataWriter:
    """Takes parts in order until `size` (bytes) is reached; the file is valid JSON all the same."""

    def __init__(self, user_id: int, now: datetime, *, size: int = SIZE) -> None:
        self._person_id = user_id
        self._now = now
        self._room = size - 1000
        self._cut = False
        self._lists: dict[str, list[str]] = {"requests": [], "record": [], "blocks": [], "presets": []}

    def add_runs(self, runs: Sequence[Run]) -> bool:
        return self._add("requests", [{name: getattr(run, name) for name in _OF_A_RUN} for run in runs])

    def add_record(self, lines: Sequence[StoredEntry]) -> bool:
        return self._add("record", [self._line(line) for line in lines])

    def add_blocks(self, blocks: Sequence[OwnBlock]) -> bool:
        return self._add("blocks", [asdict(block) for block in blocks])

    def add_presets(self, presets: Sequence[OwnPreset]) -> bool:
        return self._add("presets", [asdict(preset) for preset in presets])

    def file(self) -> OwnData:
        lists = [f'"{name}": [\n{",".join(items)}]' for name, items in self._lists.items()]
        head = f'{{"person": "{self._person_id}", "made_at": "{self._now.isoformat()}", "cut": '
        text = f"{head}{json.dumps(self._cut)},\n{','.join(lists)}}}\n"
        return OwnData(text.encode(), self._cut)

    def _line(self, line: StoredEntry) -> dict[str, Any]:
        """Which moderator decided is the moderators' affair; that one did is not."""
        entry = asdict(line.entry)
        actor, subject = entry.pop("actor_id"), entry.pop("subject_id")
        # What they did as a moderator concerned somebody else, which is not theirs to take along.
        details = entry["details"] if subject == self._person_id else {}
        entry["details"] = {name: value for name, value in details.items() if name not in _MODERATORS_ONLY}
        other = "somebody" if line.entry.action is AuditAction.REPORT else "a moderator"
        by = "the bot" if actor is None else "you" if actor == self._person_id else other
        return {**entry, "by": by, "about": "you" if subject == self._person_id else "somebody else"}

    def _add(self, name: str, items: Sequence[Mapping[str, Any]]) -> bool:
        """False from the first item on that finds no place."""
        for item in items:
            text = json.dumps(item, default=_plain, indent=1)
            if self._cut or len(text) + 1 > self._room:
                self._cut = True
                return False
            self._room -= len(text) + 1
            self._lists[name].append(text)
        return True


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    fields = getattr(value, "__slots__", ())
    return {name: getattr(value, name) for name in fields} if fields else str(value)
