"""Approval where something is in the way: the review channel, attached files, forged and foreign presses."""

from __future__ import annotations

from typing import Any

import discord
import pytest

from bot.domain.runs import RunState
from bot.domain.settings.rules_and_defaults import Approval
from tests.discord.forged import press
from tests.discord.moderated_server import NO_APPROVAL, ModeratedServer, set_rules
from tests.discord.rendered import buttons_of, refusal, text_of, texts
from tests.harness import HELD, Harness

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


async def test_a_review_channel_deleted_before_the_card_ends_the_request(server: ModeratedServer) -> None:
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
    await server.later(minutes=2, times=3)
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


@pytest.mark.bot(rules=NO_APPROVAL)
async def test_a_forged_approval_of_a_running_request_changes_nothing(server: ModeratedServer) -> None:
    server.comfydeploy.next_faults(HELD)
    await server.ask()
    run = await server.run()
    (status,) = server.messages()
    for action in ("approve", "reject"):
        refused = await press(server, server.mona, status, f"run:{run.key}:{action}")
        assert refusal(server, refused) == "This has already been decided."
    for action in ("delete", "report"):
        refused = await press(server, server.alice, status, f"run:{run.key}:{action}")
        assert refusal(server, refused) == "There is no result here to delete or report."
    for action in ("approve", "reject", "block", "dismiss"):
        refused = await press(server, server.mona, status, f"run:nobody:{action}")
        assert refusal(server, refused) == "This request no longer exists."
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
