"""A user's own data as a file: complete, valid, and without data of others."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from bot.domain.moderation import AuditAction, StoredEntry
from bot.domain.runs import Output, Run
from bot.effects import Effects
from bot.services.exports import export
from tests.unit.factories import app_with, made_entry, made_run

ME, MOD, OTHER = 11, 22, 33
ASKED = made_run(
    requester_id=ME,
    inputs={"prompt": "a “lighthouse” 🙂", "images": ["a", "b"]},
    outputs=(Output("images", url="https://outputs.example/a.png"),),
    interaction_token="an-interaction-token",
    decided_by=MOD,
    cancelled_by=OTHER,
)
NOW = ASKED.created_at


def line(**changes: Any) -> StoredEntry:
    return made_entry(**{"action": AuditAction.REJECT, "actor_id": MOD, "subject_id": ME, **changes})


async def exported(runs: list[Run], *entries: StoredEntry) -> tuple[bool, str, list[dict[str, Any]]]:
    """Return whether the file was cut, its text, and its lines after the first."""

    async def rows_of(user_id: int) -> Sequence[Mapping[str, object]]:
        return [{"kind": "block", "guild_id": 5, "reason": "spam", "created_at": NOW}] * (user_id == ME)

    async def stored(user_id: int, _at_once: int) -> AsyncIterator[Run]:
        for each in runs * (user_id == ME):
            yield each

    async def audit_of(user_id: int) -> AsyncIterator[Sequence[StoredEntry]]:
        yield entries * (user_id == ME)

    privacy = SimpleNamespace(rows_of=rows_of, audit_of=audit_of)
    store = SimpleNamespace(privacy=privacy, history=SimpleNamespace(export=stored))
    file = await export(app_with(store=store, effects=Effects(now=lambda: NOW)), ME)
    first, *lines = (json.loads(each) for each in file.data.splitlines())
    assert first == {"kind": "export", "person_id": str(ME), "made_at": NOW.isoformat()}
    return file.cut, file.data.decode(), lines


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
    _, text, (_, _, *told) = await exported([ASKED], *entries.values())
    assert [(one["by"], one["about"]) for one in told] == [*entries]
    assert told[1]["details"] == {"option": "prompt"}
    for hidden in (f'"{MOD}"', f'"{OTHER}"', "secret", "the rule", "badword", "an-interaction-token"):
        assert hidden not in text


async def test_runs_beyond_the_size_are_left_out_whole() -> None:
    long = made_run(inputs={"prompt": "x" * 3_000_000})
    cut, _, lines = await exported([long] * 4, line())
    assert cut
    assert [each["kind"] for each in lines] == ["block", "run", "run"]
