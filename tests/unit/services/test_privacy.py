"""A user's own data as a file: complete, valid, and without data of others."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from bot.domain.moderation import AuditAction, AuditEntry, StoredEntry
from bot.domain.runs import Output, Run
from bot.outside import Outside
from bot.services.exports import ExportFile
from bot.services.privacy import export
from tests.unit.factories import app_with, made_run

NOW = datetime(2026, 5, 4, 12, 30, 15, tzinfo=UTC)
ME, MOD, OTHER = 11, 22, 33


def run(key: str = "abc", **changes: Any) -> Run:
    asked = {
        "created_at": NOW,
        "requester_id": ME,
        "guild_id": 5,
        "channel_id": 6,
        "inputs": {"prompt": "a “lighthouse” 🙂", "images": ["a", "b"]},
        "outputs": (Output("images", url="https://outputs.example/a.png"),),
        "interaction_token": "an-interaction-token",
    }
    return made_run(key=key, **{**asked, **changes})


def line(**changes: Any) -> StoredEntry:
    fields = {"at": NOW, "guild_id": 5, "action": AuditAction.REJECT, "actor_id": MOD, "subject_id": ME}
    return StoredEntry(1, AuditEntry(**{**fields, **changes}))


class Stored:
    """What the store keeps about a person."""

    def __init__(self, runs: Sequence[Run] = (), entries: Sequence[StoredEntry] = ()) -> None:
        self._runs = runs
        self._entries = entries

    async def rows_of(self, _user_id: int) -> Sequence[Mapping[str, object]]:
        return [{"kind": "block", "guild_id": 5, "reason": "spam", "created_at": NOW}]

    async def export(self, *_: object) -> AsyncIterator[Run]:
        for each in self._runs:
            yield each

    async def audit_of(self, _user_id: int) -> AsyncIterator[Sequence[StoredEntry]]:
        yield self._entries


async def exported(
    *runs: Run, entries: Sequence[StoredEntry] = ()
) -> tuple[ExportFile, list[dict[str, Any]]]:
    """Return the file, and its lines after the first."""
    store = SimpleNamespace(privacy=(stored := Stored(runs, entries)), history=stored)
    file = await export(app_with(store=store, outside=Outside(now=lambda: NOW)), ME)
    first, *lines = (json.loads(each) for each in file.data.splitlines())
    assert first == {"kind": "export", "person_id": str(ME), "made_at": NOW.isoformat()}
    return file, lines


async def test_each_line_of_the_file_is_json_of_ones_own() -> None:
    file, lines = await exported(run(), run("def"), entries=[line(details={"reason": "no"})])
    assert not file.cut
    assert [each["kind"] for each in lines] == ["block", "run", "run", "audit"]
    block, first, second, entry = lines
    assert block == {"kind": "block", "guild_id": "5", "reason": "spam", "created_at": NOW.isoformat()}
    assert (first["key"], second["key"]) == ("abc", "def")
    assert first["inputs"] == {"prompt": "a “lighthouse” 🙂", "images": ["a", "b"]}
    assert first["outputs"][0]["url"] == "https://outputs.example/a.png"
    assert entry["details"] == {"reason": "no"}


async def test_the_file_names_no_moderator_no_other_person_and_no_token() -> None:
    words = {"rule": "the rule", "word": "badword", "option": "prompt"}
    about_another = {"subject_id": OTHER, "details": {"reason": "secret"}}
    entries = {
        ("a moderator", "you"): line(),
        ("the bot", "you"): line(actor_id=None, details=words),
        ("you", "you"): line(actor_id=ME),
        ("somebody", "you"): line(action=AuditAction.REPORT, actor_id=OTHER),
        ("you", "somebody else"): line(action=AuditAction.BLOCK, actor_id=ME, **about_another),
    }
    file, (_, _, *told) = await exported(run(decided_by=MOD, cancelled_by=OTHER), entries=[*entries.values()])
    assert [(one["by"], one["about"]) for one in told] == [*entries]
    assert told[1]["details"] == {"option": "prompt"}
    for hidden in (str(MOD), str(OTHER), "secret", "the rule", "badword", "an-interaction-token"):
        assert hidden not in file.data.decode()


async def test_runs_beyond_the_size_are_left_out_whole() -> None:
    long = run(inputs={"prompt": "x" * 3_000_000})
    file, lines = await exported(*[long] * 4, entries=[line()])
    assert file.cut
    assert [each["kind"] for each in lines] == ["block", "run", "run"]
