"""Approval where something is in the way: the review channel, attached files, forged and foreign presses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import discord
import pytest

from bot.rules import Approval
from bot.runs import RunState
from demo.standin.faults import Faults
from tests.discord.court import NO_APPROVAL, Court, court, ruled
from tests.discord.seen import buttons_of, press, refusal, text_of, texts
from tests.stage import stage

UNREACHABLE = "Requests here wait for a moderator, but I can't post in the review channel."


@pytest.mark.parametrize("denied", ["view_channel", "send_messages", "attach_files"])
async def test_a_review_channel_that_the_bot_can_not_use_refuses_at_once(tmp_path: Path, denied: str) -> None:
    async with court(tmp_path) as c:
        overwrites: Any = {c.s.app.bot.user: discord.PermissionOverwrite(**{denied: False})}
        closed = c.s.guild.create_text_channel("closed", overwrites=overwrites)
        await ruled(c.s, approval={"mode": "everybody", "review_channel_id": closed.id})
        assert refusal(c.s, await c.ask()).startswith(UNREACHABLE)
        assert await c.s.runs() == []


@pytest.mark.parametrize("known", [True, False])
async def test_without_a_review_channel_nothing_is_let_through(tmp_path: Path, known: bool) -> None:
    async with stage(tmp_path) as s:
        approval = Approval.model_validate({"mode": "everybody", "review_channel_id": 5 if known else None})
        await ruled(s, approval=approval.model_dump())
        asked = await s.alice.slash(s.channel, "generate", prompt="a fox")
        assert refusal(s, asked).startswith(UNREACHABLE)
        await s.play()
        assert await s.runs() == []
        assert s.calls == []


async def test_a_review_channel_deleted_while_the_card_is_owed_ends_the_request_with_that_reason(
    tmp_path: Path,
) -> None:
    async with court(tmp_path) as c:
        asked = await c.s.alice.slash(c.s.channel, "generate", prompt="a fox")
        c.s.env.backend.delete_channel(c.review.id)
        await c.s.play()
        run = await c.s.run()
        assert (run.state, run.failure_code) == (RunState.REFUSED, "review_unreachable")
        assert UNREACHABLE in text_of(c.s, asked.response)
        assert "Not started" in text_of(c.s, asked.response)
        assert texts(c.s) == []
        assert await c.s.app.store.deliveries.pending() == 0


async def test_a_card_is_posted_once_although_discord_failed_in_between(tmp_path: Path) -> None:
    async with court(tmp_path) as c:
        await c.s.alice.slash(c.s.channel, "generate", prompt="a fox")
        c.s.env.inject_error("POST", f"/channels/{c.review.id}/messages", status=503, times=2)
        await c.s.play()
        await c.s.restart()
        for _ in range(3):
            await c.s.later(minutes=2)
        assert len(c.cards()) == 1
        await c.decide("Approve")
        assert len(c.s.calls) == 1


async def test_a_card_whose_answer_was_lost_is_brought_up_to_date(tmp_path: Path) -> None:
    async with court(tmp_path) as c:
        await c.ask()
        c.s.env.inject_error("POST", "/interactions/*/*/callback", status=503, times=9)
        await c.mona.click(c.card, label="Approve")
        c.s.env.backend.faults.clear()
        await c.s.play()
        assert f"Approved by <@{c.mona.id}>" in c.verdict
        assert buttons_of(c.s, c.card) == {}


# forged, stale and foreign


async def test_another_servers_moderator_decides_nothing_here(tmp_path: Path) -> None:
    async with court(tmp_path) as c:
        s = c.s
        await c.ask()
        ids = buttons_of(s, c.card)
        elsewhere = s.env.create_guild("Elsewhere")
        room = elsewhere.create_text_channel("room")
        boss_role = elsewhere.create_role("boss", permissions=discord.Permissions(manage_guild=True))
        boss = elsewhere.add_member(s.env.create_user("boss"), roles=[boss_role])
        await boss.slash(room, "generate", prompt="mine")
        await s.play()
        own = room.history(viewer=boss)[-1]
        for custom_id in (*ids.values(), ids["Approve"].replace("approve", "delete")):
            refused = await _press_in(c, boss, room, own, custom_id)
            assert refusal(s, refused) == "I don't know this request any more."
        (waiting,) = [run for run in await s.runs() if run.guild_id == s.guild.id]
        assert waiting.state is RunState.AWAITING_APPROVAL


async def _press_in(c: Court, actor: Any, room: Any, message: Any, custom_id: str) -> Any:
    here = c.s.channel
    try:
        c.s.channel = room
        return await press(c.s, actor, message, custom_id)
    finally:
        c.s.channel = here


async def test_a_forged_approval_of_a_request_that_never_waited_changes_nothing(tmp_path: Path) -> None:
    async with court(tmp_path, rules=NO_APPROVAL) as c:
        c.s.standin.next_faults(Faults(hold_at="running"))
        await c.ask()
        run = await c.s.run()
        (status,) = c.s.messages()
        for action in ("approve", "reject"):
            refused = await press(c.s, c.mona, status, f"run:{run.key}:{action}")
            assert refusal(c.s, refused) == "This request doesn't wait for a decision any more."
        for action in ("delete", "report"):
            refused = await press(c.s, c.s.alice, status, f"run:{run.key}:{action}")
            assert refusal(c.s, refused) == "There is no result here to delete or report."
        for action in ("approve", "reject", "block", "dismiss"):
            refused = await press(c.s, c.mona, status, f"run:nobody:{action}")
            assert refusal(c.s, refused) == "I don't know this request any more."
        assert (await c.s.run()).state is RunState.RUNNING
        assert c.cards() == []


async def test_a_server_left_and_joined_again_finds_its_requests_and_rules(tmp_path: Path) -> None:
    async with court(tmp_path) as c:
        backend = c.s.env.backend
        await c.ask()
        rooms = {key: room for key, room in backend.channels.items() if room.guild_id == c.s.guild.id}
        said = {key: found for key, found in backend.messages.items() if key in rooms}
        server = backend.guilds[c.s.guild.id]
        backend.remove_guild(c.s.guild.id)
        await c.s.play()
        backend.guilds[c.s.guild.id] = server
        backend.channels.update(rooms)
        backend.messages.update(said)
        await c.s.restart()
        await c.decide("Approve")
        assert len(c.s.calls) == 1
        assert (await c.ask()).ephemeral
