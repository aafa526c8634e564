"""Approval where something is in the way: the review channel, attached files, forged and foreign presses."""

from __future__ import annotations

from typing import Any

import discord
import pytest

from bot.rules import Approval
from bot.runs import RunState
from demo.standin.faults import Faults
from tests.discord.moderated_server import NO_APPROVAL, ModeratedServer, set_rules
from tests.discord.rendered import buttons_of, press, refusal, text_of, texts
from tests.harness import Harness

UNREACHABLE = "Requests here wait for a moderator, but I can't post in the review channel."


@pytest.mark.parametrize("denied", ["view_channel", "send_messages", "attach_files"])
async def test_a_review_channel_that_the_bot_can_not_use_refuses_at_once(
    server: ModeratedServer, denied: str
) -> None:
    overwrites: Any = {server.app.bot.user: discord.PermissionOverwrite(**{denied: False})}
    closed = server.guild.create_text_channel("closed", overwrites=overwrites)
    await set_rules(server, approval={"mode": "everybody", "review_channel_id": closed.id})
    assert refusal(server, await server.ask()).startswith(UNREACHABLE)
    assert await server.runs() == []


@pytest.mark.parametrize("known", [True, False])
async def test_without_a_review_channel_nothing_is_let_through(bot: Harness, known: bool) -> None:
    approval = Approval.model_validate({"mode": "everybody", "review_channel_id": 5 if known else None})
    await set_rules(bot, approval=approval.model_dump())
    asked = await bot.alice.slash(bot.channel, "generate", prompt="a fox")
    assert refusal(bot, asked).startswith(UNREACHABLE)
    await bot.play()
    assert await bot.runs() == []
    assert bot.calls == []


async def test_a_review_channel_deleted_while_the_card_is_owed_ends_the_request_with_that_reason(
    server: ModeratedServer,
) -> None:
    asked = await server.alice.slash(server.channel, "generate", prompt="a fox")
    server.env.backend.delete_channel(server.review.id)
    await server.play()
    run = await server.run()
    assert (run.state, run.failure_code) == (RunState.REFUSED, "review_unreachable")
    assert UNREACHABLE in text_of(server, asked.response)
    assert "Not started" in text_of(server, asked.response)
    assert texts(server) == []
    assert await server.app.store.deliveries.pending() == 0


async def test_a_card_is_posted_once_although_discord_failed_in_between(server: ModeratedServer) -> None:
    await server.alice.slash(server.channel, "generate", prompt="a fox")
    server.env.inject_error("POST", f"/channels/{server.review.id}/messages", status=503, times=2)
    await server.play()
    await server.restart()
    for _ in range(3):
        await server.later(minutes=2)
    assert len(server.cards()) == 1
    await server.decide("Approve")
    assert len(server.calls) == 1


async def test_a_card_whose_answer_was_lost_is_brought_up_to_date(server: ModeratedServer) -> None:
    await server.ask()
    server.env.inject_error("POST", "/interactions/*/*/callback", status=503, times=9)
    await server.mona.click(server.card, label="Approve")
    server.env.backend.faults.clear()
    await server.play()
    assert f"Approved by <@{server.mona.id}>" in server.verdict
    assert buttons_of(server, server.card) == {}


# forged, stale and foreign


async def test_another_servers_moderator_decides_nothing_here(server: ModeratedServer) -> None:
    await server.ask()
    ids = buttons_of(server, server.card)
    elsewhere = server.env.create_guild("Elsewhere")
    room = elsewhere.create_text_channel("room")
    boss_role = elsewhere.create_role("boss", permissions=discord.Permissions(manage_guild=True))
    boss = elsewhere.add_member(server.env.create_user("boss"), roles=[boss_role])
    await boss.slash(room, "generate", prompt="mine")
    await server.play()
    own = room.history(viewer=boss)[-1]
    for custom_id in (*ids.values(), ids["Approve"].replace("approve", "delete")):
        refused = await _press_in(server, boss, room, own, custom_id)
        assert refusal(server, refused) == "I don't know this request any more."
    (waiting,) = [run for run in await server.runs() if run.guild_id == server.guild.id]
    assert waiting.state is RunState.AWAITING_APPROVAL


async def _press_in(server: ModeratedServer, actor: Any, room: Any, message: Any, custom_id: str) -> Any:
    here = server.channel
    try:
        server.channel = room
        return await press(server, actor, message, custom_id)
    finally:
        server.channel = here


@pytest.mark.bot(rules=NO_APPROVAL)
async def test_a_forged_approval_of_a_request_that_never_waited_changes_nothing(
    server: ModeratedServer,
) -> None:
    server.standin.next_faults(Faults(hold_at="running"))
    await server.ask()
    run = await server.run()
    (status,) = server.messages()
    for action in ("approve", "reject"):
        refused = await press(server, server.mona, status, f"run:{run.key}:{action}")
        assert refusal(server, refused) == "This request doesn't wait for a decision any more."
    for action in ("delete", "report"):
        refused = await press(server, server.alice, status, f"run:{run.key}:{action}")
        assert refusal(server, refused) == "There is no result here to delete or report."
    for action in ("approve", "reject", "block", "dismiss"):
        refused = await press(server, server.mona, status, f"run:nobody:{action}")
        assert refusal(server, refused) == "I don't know this request any more."
    assert (await server.run()).state is RunState.RUNNING
    assert server.cards() == []


async def test_a_server_left_and_joined_again_finds_its_requests_and_rules(server: ModeratedServer) -> None:
    backend = server.env.backend
    await server.ask()
    rooms = {key: room for key, room in backend.channels.items() if room.guild_id == server.guild.id}
    said = {key: found for key, found in backend.messages.items() if key in rooms}
    guild = backend.guilds[server.guild.id]
    backend.remove_guild(guild.id)
    await server.play()
    backend.guilds[guild.id] = guild
    backend.channels.update(rooms)
    backend.messages.update(said)
    await server.restart()
    await server.decide("Approve")
    assert len(server.calls) == 1
    assert (await server.ask()).ephemeral
