"""A user's own data as a file: complete, valid, and without data of others."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from bot.domain.moderation.audit import AuditAction, AuditEntry, StoredEntry
from bot.domain.privacy import Erased, OwnBlock, OwnDefault, OwnUsage
from bot.domain.runs import Output, Run, RunState
from bot.services.privacy import PersonalDataWriter
from cogs.privacy import erased_text
from tests.unit.factories import made_run

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


def test_the_file_is_json_with_everything_of_ones_own() -> None:
    writer = PersonalDataWriter(ME, NOW)
    assert writer.add_blocks([OwnBlock(5, "spam", None, NOW)])
    assert writer.add_runs([run(), run("def", prompt="a fox")])
    assert writer.add_entries([line(details={"reason": "no"})])
    assert writer.add_defaults([OwnDefault(5, 6, "noir", NOW)])
    assert writer.add_usage([OwnUsage(NOW.date(), None, 2, 12.5, 50.0)])
    made = writer.file()
    held = json.loads(made.data)
    assert (held["person"], held["cut"], made.cut) == (str(ME), False, False)
    assert held["blocks"] == [{"guild_id": 5, "reason": "spam", "until": None, "created_at": NOW.isoformat()}]
    assert held["defaults"] == [{"guild_id": 5, "channel_id": 6, "name": "noir", "set_at": NOW.isoformat()}]
    used = {"runs": 2, "seconds": 12.5, "weighted_seconds": 50.0}
    assert held["usage"] == [{"day": NOW.date().isoformat(), "guild_id": None, **used}]
    assert [one["key"] for one in held["requests"]] == ["abc", "def"]
    assert held["requests"][0]["inputs"] == {"prompt": "a “lighthouse” 🙂", "images": ["a", "b"]}
    assert held["requests"][0]["outputs"][0]["url"] == "https://outputs.example/a.png"
    assert held["record"][0]["details"] == {"reason": "no"}


def test_a_request_comes_with_all_data_about_the_requester_and_its_outcome() -> None:
    writer = PersonalDataWriter(ME, NOW)
    rejected = {"state": RunState.REJECTED, "decided_by": MOD, "decided_at": NOW}
    failed = {"failure_code": "rejected", "failure_params": {"reason": "no"}}
    writer.add_runs([run(**rejected, **failed, requester_joined_at=NOW)])
    (held,) = json.loads(writer.file().data)["requests"]
    assert held["requester_joined_at"] == held["decided_at"] == NOW.isoformat()
    assert held["failure_params"] == {"reason": "no"}
    assert {"charged_seconds", "deleted_at", "cancel_requested_at", "count"} <= held.keys()
    assert not {"interaction_token", "decided_by", "cancelled_by", "review_channel_id"} & held.keys()


def test_the_file_names_no_moderator_no_other_person_and_no_token() -> None:
    writer = PersonalDataWriter(ME, NOW)
    writer.add_runs([run(decided_by=MOD, cancelled_by=OTHER)])
    words = {"rule": "the rule", "word": "badword", "option": "prompt"}
    about_another = {"subject_id": OTHER, "details": {"reason": "secret"}}
    entries = {
        ("a moderator", "you"): line(),
        ("the bot", "you"): line(actor_id=None, details=words),
        ("you", "you"): line(actor_id=ME),
        ("somebody", "you"): line(action=AuditAction.REPORT, actor_id=OTHER),
        ("you", "somebody else"): line(action=AuditAction.BLOCK, actor_id=ME, **about_another),
    }
    writer.add_entries([*entries.values()])
    made = writer.file()
    held = json.loads(made.data)
    assert [(one["by"], one["about"]) for one in held["record"]] == [*entries]
    assert held["record"][1]["details"] == {"option": "prompt"}
    for hidden in (str(MOD), str(OTHER), "secret", "the rule", "badword", "an-interaction-token"):
        assert hidden not in made.data.decode()


def test_rows_beyond_the_size_are_left_out_whole_and_mentioned() -> None:
    writer = PersonalDataWriter(ME, NOW, size=4000)
    assert not writer.add_runs([run(str(number)) for number in range(50)])
    assert not writer.add_entries([line()])
    made = writer.file()
    held = json.loads(made.data)
    assert len(made.data) <= 4000
    assert (held["cut"], made.cut) == (True, True)
    assert 0 < len(held["requests"]) < 50
    assert held["record"] == []


def test_requests_left_after_an_erasure_are_listed_up_to_a_limit() -> None:
    assert erased_text(Erased(3), str.title).startswith("Deleted the contents of 3 requests.")
    assert "presets" not in erased_text(Erased(3), str.title)
    few = erased_text(Erased(1, [run(prompt="a *fox*"), run(prompt=None)], presets=2), str.title)
    assert few.startswith("Deleted the contents of 1 request.")
    assert "Deleted your 2 presets.\n" in few
    assert "yet:\n- Flux: a \\*fox\\*\n- Flux\n" in few
    many = erased_text(Erased(0, [run(prompt="*" * 6000) for _ in range(500)], presets=1), str.title)
    assert "Deleted your preset.\n" in many
    assert many.count("- Flux: ") == 3
    assert "\n- and 497 more\n" in many
    assert len(many) < 2000
