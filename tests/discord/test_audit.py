"""`/audit`: who may read the record, how its pages turn, what the file holds, what a forged press does."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from pathlib import Path
from typing import Any

from bot.moderation.record_ids import Step, record_id
from bot.store.audit import AuditAction, AuditEntry, AuditFilter
from tests.discord.crowd import call, moderator, reviewer, write
from tests.discord.seen import buttons_of, pinged, press, refusal, text_of
from tests.stage import Stage, stage


def entry(s: Stage, number: int = 0, **changes: Any) -> AuditEntry:
    return AuditEntry(
        **{
            "at": s.clock() - timedelta(hours=number),
            "guild_id": s.guild.id,
            "action": AuditAction.REQUEST,
            "actor_id": s.alice.id,
            "subject_id": s.alice.id,
            "deployment": f"picture{number}",
            **changes,
        }
    )


def shown(s: Stage, result: Any) -> str:
    assert result.ephemeral
    return text_of(s, result.response)


def numbers(text: str) -> list[int]:
    """The numbers of the deployments on a page, from the top."""
    return [int(part.split("**")[0]) for part in text.split("**picture")[1:]]


async def file_of(s: Stage, result: Any) -> tuple[str, list[dict[str, str]]]:
    (answer,) = [*result.followups, *([result.response] if result.response else [])]
    assert answer.ephemeral
    (attachment,) = answer.attachments
    assert attachment.filename == "audit.csv"
    text = (await attachment.read()).decode("utf-8-sig")
    return answer.content, list(csv.DictReader(io.StringIO(text)))


async def test_a_moderator_turns_the_pages_also_after_a_restart(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        mona = moderator(s)
        await write(s, *(entry(s, number) for number in range(25)))
        asked = await mona.slash(s.channel, "audit")
        assert numbers(shown(s, asked)) == list(range(10))
        message = asked.response
        await mona.click(message, label="Older")
        assert numbers(text_of(s, message)) == list(range(10, 20))
        await s.restart()
        await mona.click(message, label="Older")
        assert numbers(text_of(s, message)) == list(range(20, 25))
        await mona.click(message, label="Newer")
        assert numbers(text_of(s, message)) == list(range(10, 20))
        await mona.click(message, label="Newer")
        assert numbers(text_of(s, message)) == list(range(10))
        assert pinged(s) == []


async def test_every_filter_reaches_the_pages_and_the_file(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        mona = moderator(s)
        wanted = {"subject_id": s.bob.id, "actor_id": mona.id, "action": AuditAction.REJECT}
        lines = [
            entry(s, number, outcome="rejected", **wanted | {"deployment": "flux"})
            for number in range(24, 36)
        ]
        others = [
            entry(s, 30, **wanted, outcome="rejected"),
            entry(s, 30, **wanted | {"deployment": "flux"}, outcome="failed"),
            entry(s, 30, **wanted | {"deployment": "flux", "subject_id": s.alice.id}, outcome="rejected"),
            entry(s, 30, **wanted | {"deployment": "flux", "actor_id": s.bob.id}, outcome="rejected"),
            entry(s, 30, **wanted | {"deployment": "flux", "action": AuditAction.EXPIRE}, outcome="rejected"),
            entry(s, 23, **wanted | {"deployment": "flux"}, outcome="rejected"),
            entry(s, 50, **wanted | {"deployment": "flux"}, outcome="rejected"),
        ]
        await write(s, *lines, *others)
        asked = await mona.slash(
            s.channel,
            "audit",
            person=s.bob,
            by=mona,
            deployment="flux",
            outcome="rejected",
            action="reject",
            since_days=2,
            until_days=1,
        )
        text = shown(s, asked)
        assert f"about <@{s.bob.id}> · by <@{mona.id}> · flux · Rejection · Not approved" in text
        assert text.count("rejected **flux**") == 10
        await mona.click(asked.response, label="Older")
        assert text_of(s, asked.response).count("rejected **flux**") == 1
        told, rows = await file_of(s, await mona.click(asked.response, label="CSV file"))
        assert len(rows) == 11
        assert told == "11 lines, newest first, times in UTC."
        assert {row["deployment"] for row in rows} == {"flux"}


async def test_the_reviewer_role_reads_the_record_and_a_stranger_does_not(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        rita = await reviewer(s)
        await write(s, entry(s))
        assert "audit" not in s.bob.available_commands(s.channel)
        asked = await call(s, rita, "audit")
        assert numbers(shown(s, asked))[-1:] == [0]
        refused = await call(s, s.bob, "audit")
        assert refusal(s, refused) == "Only this server's moderators can do that."


async def test_a_button_checks_who_presses_it(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        mona = moderator(s)
        await write(s, *(entry(s, number) for number in range(12)))
        asked = await mona.slash(s.channel, "audit")
        for custom_id in buttons_of(s, asked.response).values():
            refused = await press(s, s.bob, asked.response, custom_id)
            assert refusal(s, refused) == "Only this server's moderators can do that."


async def test_forged_and_broken_buttons_get_a_sentence_and_no_other_servers_lines(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        mona = moderator(s)
        await write(s, entry(s, 1, guild_id=s.guild.id + 1), entry(s, 2))
        asked = await mona.slash(s.channel, "audit")
        refused = await press(s, mona, asked.response, "audit:o:" + "_" * 56 + ":")
        assert refusal(s, refused) == "This list is out of date. Please open it again with its command."
        everything = record_id(Step.FILE, AuditFilter(), None)
        _, rows = await file_of(s, await press(s, mona, asked.response, everything))
        assert [row["deployment"] for row in rows] == ["picture2"]


async def test_options_that_discord_did_not_offer_get_a_sentence(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        mona = moderator(s)
        for name, value in (("outcome", "running"), ("outcome", "x"), ("action", "x")):
            refused = await call(s, mona, "audit", [{"name": name, "type": 3, "value": value}])
            assert refusal(s, refused) == "This list is out of date. Please open it again with its command."


async def test_a_time_range_that_holds_nothing_is_refused(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        mona = moderator(s)
        refused = await mona.slash(s.channel, "audit", since_days=3, until_days=3)
        assert refusal(s, refused).startswith("That begins 3 days ago and ends 3 days ago")


async def test_deployments_are_suggested_from_those_on_offer(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        mona = moderator(s)
        choices = await mona.autocomplete(s.channel, "audit", "deployment", "DEF")
        assert [choice["value"] for choice in choices] == ["default"]
        assert await mona.autocomplete(s.channel, "audit", "deployment", "nothing") == []


async def test_what_people_wrote_shows_as_text_and_runs_in_no_spreadsheet(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        mona = moderator(s)
        evil = "@everyone **x** =1+1"
        await write(s, entry(s, action=AuditAction.BLOCK, deployment="=1+1", details={"reason": evil}))
        asked = await mona.slash(s.channel, "audit")
        assert "\\@everyone \\*\\*x\\*\\* =1+1" in shown(s, asked)
        _, rows = await file_of(s, await mona.click(asked.response, label="CSV file"))
        assert rows[0]["deployment"] == "'=1+1"
        assert pinged(s) == []
