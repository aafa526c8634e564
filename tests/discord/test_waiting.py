"""Waiting requests are judged again at approval and at the start, and say what they wait for."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from simcord.backend.models.channel import Overwrite

from bot.domain.runs import RunState
from tests.discord.actors import delete, member, owner, read
from tests.discord.follow_ups import BOTH, SMALL, let_open
from tests.discord.moderated_server import ModeratedServer, midnight, set_rules
from tests.discord.rendered import buttons_of, fields, pinged, refusal, requests_to, text_of, texts, use_with
from tests.harness import HELD, Harness
from tests.sampling import every_nth

PAUSED = "Generating is paused for the moment: moving"
GONE = "I can't reach the channel of this request any more, so nothing was started."
DELETED = "The result that this needs was deleted, so nothing was started."
ATTACH_FILES = 1 << 15
BEHIND_ANOTHER = pytest.mark.bot(max_concurrent_runs=1)


@pytest.fixture
async def waits(bot: Harness) -> Any:
    """Return the answer to a request of Alice's that waits behind another one, which is held."""
    await bot.ask(faults=HELD)
    return await bot.ask()


@BEHIND_ANOTHER
async def test_a_request_of_yesterday_waits_if_it_does_not_fit_into_today(bot: Harness, waits: Any) -> None:
    olga = owner(bot)
    also = await bot.ask()
    await olga.slash(bot.channel, "pause", reason="moving")
    await bot.release()
    await bot.later(days=1)
    await set_rules(bot, budgets={"person": {"runs_a_day": 1}})
    await olga.slash(bot.channel, "resume")
    await bot.later(minutes=1)
    await bot.later(minutes=1)
    assert await bot.states() == [RunState.SUCCEEDED] * 2 + [RunState.WAITING]
    shown = text_of(bot, also.response)
    assert "### Not started yet: Picture" in shown
    assert f"You have reached today's limit of 1. It resets {midnight(bot)}." in shown
    assert "I'll start this then." in shown
    assert list(buttons_of(bot, also.response)) == ["Cancel"]
    assert "Not started yet: **Picture**" in await read(bot, bot.alice, "queue")
    await bot.restart()
    await bot.later(days=1)
    assert await bot.states() == [RunState.SUCCEEDED] * 3
    assert len(bot.calls) == 3


@BEHIND_ANOTHER
async def test_a_pause_keeps_requests_waiting_and_resume_starts_them(bot: Harness, waits: Any) -> None:
    olga = owner(bot)
    asked = [waits, await bot.ask(bot.bob)]
    await olga.slash(bot.channel, "pause", reason="moving")
    await bot.release()
    assert await bot.states() == [RunState.SUCCEEDED, RunState.WAITING, RunState.WAITING]
    await bot.later(seconds=30)
    for answer in asked:
        shown = text_of(bot, answer.response)
        assert "### Not started yet: Picture" in shown
        assert f"{PAUSED}\nI'll start this afterwards." in shown
    await bot.restart()
    bot.app.bot.owner_id = olga.id
    await bot.later(hours=3)
    assert len(bot.calls) == 1
    await olga.slash(bot.channel, "resume")
    await bot.play()
    assert await bot.states() == [RunState.SUCCEEDED] * 3


async def test_an_approval_under_a_pause_is_told_the_rule_and_the_card_stays(server: ModeratedServer) -> None:
    olga = owner(server)
    await server.ask()
    await olga.slash(server.channel, "pause", reason="moving")
    told = refusal(server, await server.decide("Approve"))
    assert told == f"This can't start now, so the card stays. The requester would read: {PAUSED}"
    assert await server.states() == [RunState.AWAITING_APPROVAL]
    assert list(buttons_of(server, server.card)) == ["Approve", "Reject", "Block"]
    assert server.calls == []
    await olga.slash(server.channel, "resume")
    await server.decide("Approve")
    assert await server.states() == [RunState.SUCCEEDED]
    assert f"Approved by <@{server.mona.id}>" in server.verdict


@BEHIND_ANOTHER
async def test_a_channel_deleted_while_its_request_waits_costs_nothing(bot: Harness) -> None:
    elsewhere = bot.guild.create_text_channel("elsewhere")
    await bot.ask(faults=HELD)
    await bot.ask(channel=elsewhere)
    bot.env.backend.delete_channel(elsewhere.id)
    await bot.later(minutes=5)
    await bot.release()
    assert await bot.states() == [RunState.SUCCEEDED, RunState.REFUSED]
    assert len(bot.calls) == 1
    letters = [text_of(bot, message) for message in bot.alice.user.dm_channel.history()]
    assert len([letter for letter in letters if GONE in letter]) == 1


@BEHIND_ANOTHER
async def test_a_permission_taken_away_while_a_request_waits_costs_nothing(bot: Harness, waits: Any) -> None:
    denied = Overwrite(target_id=bot.env.bot.user.id, type=1, deny=ATTACH_FILES)
    await bot.later(minutes=5)
    bot.env.backend.set_overwrite(bot.channel.id, denied)
    await bot.env.settle()
    await bot.release()
    assert (await bot.states())[1] is RunState.REFUSED
    assert len(bot.calls) == 1
    assert any("I need: Attach Files." in shown for shown in texts(bot))


async def test_an_approval_for_a_deleted_channel_ends_the_request(server: ModeratedServer) -> None:
    elsewhere = server.guild.create_text_channel("elsewhere")
    await server.ask(channel=elsewhere)
    server.env.backend.delete_channel(elsewhere.id)
    told = refusal(server, await server.decide("Approve"))
    assert told.startswith("This couldn't start and has ended. The requester reads: I can't reach")
    assert await server.states() == [RunState.REFUSED]
    assert "It couldn't start and has ended. The requester reads: I can't reach" in server.verdict
    assert buttons_of(server, server.card) == {}
    assert len([letter for letter in server.letters() if GONE in letter]) == 1
    assert server.calls == []
    assert [line.action for line in await server.audit()][-1] == "outcome"


@BEHIND_ANOTHER
async def test_a_server_that_discord_does_not_describe_is_asked_about_again(bot: Harness, waits: Any) -> None:
    await bot.later(minutes=5)
    mark_unavailable(bot)
    bot.env.inject_error("GET", "/guilds/*", status=408, times=None)
    await bot.release()
    await bot.later(minutes=1, times=8)  # more often than a queue call is repeated
    shown = text_of(bot, waits.response)
    assert "### Not started yet: Picture" in shown
    assert "Discord doesn't answer me right now. I'll try again <t:" in shown
    bot.env.backend.faults.clear()
    await bot.later(minutes=1)
    assert await bot.states() == [RunState.SUCCEEDED] * 2


def mark_unavailable(bot: Harness) -> None:
    """Mark the server as unavailable in the bot's cache, which then can't answer questions about it."""
    guild = bot.app.bot.get_guild(bot.guild.id)
    assert guild is not None
    guild.unavailable = True


async def test_a_request_that_did_not_wait_asks_nothing_about_its_channel(bot: Harness) -> None:
    await bot.alice.slash(bot.channel, "generate", prompt="a fox")
    mark_unavailable(bot)
    await bot.play()
    assert await bot.states() == [RunState.SUCCEEDED]
    asked = [request.path for request in requests_to(bot, "GET", "/")]
    assert [path for path in asked if "/channels/" in path or "/members/" in path] == []


async def test_an_approval_that_discord_does_not_answer_changes_nothing(server: ModeratedServer) -> None:
    await server.ask()
    server.env.inject_error("GET", "/guilds/*/members/*", status=503, times=None)
    told = refusal(server, await server.decide("Approve"))
    assert told == "Discord didn't answer, so nothing has changed. Please try again in a minute."
    assert list(buttons_of(server, server.card)) == ["Approve", "Reject", "Block"]
    server.env.backend.faults.clear()
    await server.decide("Approve")
    assert await server.states() == [RunState.SUCCEEDED]


@BEHIND_ANOTHER
async def test_a_deployment_closed_to_a_role_while_a_request_waits(bot: Harness, waits: Any) -> None:
    await set_rules(bot, deployment_roles={"default": [4242]})
    await bot.release()
    assert (await bot.states())[1] is RunState.REFUSED
    shown = text_of(bot, waits.response)
    assert "Not started: Picture" in shown
    assert "Your roles can't use this." in shown
    assert pinged(bot) == [bot.alice.id]  # the refusal edits the status message
    assert len(bot.calls) == 1


async def test_a_role_taken_away_while_a_request_awaits_approval(server: ModeratedServer) -> None:
    artists = server.guild.create_role("artists")
    art = member(server, "art", artists)
    approval = {"mode": "everybody", "review_channel_id": server.review.id}
    await set_rules(server, approval=approval, deployment_roles={"default": [artists.id]})
    await server.ask(art)
    await server.ask(art)
    first, second = server.cards()
    await server.click(first, "Approve", server.mona)
    server.env.backend.remove_member_role(server.guild.id, art.id, artists.id)
    told = refusal(server, await server.click(second, "Approve", server.mona))
    assert "The requester reads: Your roles can't use this." in told
    assert await server.states() == [RunState.SUCCEEDED, RunState.REFUSED]
    assert len(server.calls) == 1


@pytest.mark.bot(deployments=BOTH)
@pytest.mark.parametrize(
    ("action", "by_moderator"), every_nth(list(product(["Upscale", "Use as input"], [True, False])), 3)
)
async def test_a_result_that_is_deleted_while_a_run_waits_for_its_file_costs_nothing(
    bot: Harness, mona: Any, action: str, by_moderator: bool
) -> None:
    let_open(bot)
    await set_rules(bot, budgets={"person": {"at_once": 1}})
    message = await bot.made(**SMALL)
    await bot.ask(faults=HELD, **SMALL)
    if action == "Upscale":
        await bot.click(message, action)
    else:
        offered = await bot.alice.context_menu(bot.channel, action, message)
        await bot.alice.submit_modal(
            await bot.alice.select(
                offered.response.message, use_with(bot, offered.response.message, "upscale")
            ),
            {},
        )
    await delete(bot, message, mona if by_moderator else bot.alice)
    await bot.later(minutes=5)
    await bot.release()
    assert len(bot.calls) == 2
    (refused,) = [shown for shown in bot.messages() if DELETED in text_of(bot, shown)]
    # An edited request would take the same file, although its parent is the refused run.
    assert "Try again" not in buttons_of(bot, refused)
    form = await bot.alice.click(refused, label="Edit")
    assert fields(form.modal)["image"]["required"]


@pytest.mark.bot(deployments=BOTH)
async def test_an_approval_after_the_deletion_of_the_result_costs_nothing(server: ModeratedServer) -> None:
    let_open(server)
    await server.ask(**SMALL)
    await server.decide("Approve")
    (message,) = server.messages()
    await server.click(message, "Upscale")
    await delete(server, message)
    refused = await server.decide("Approve")
    assert DELETED in refusal(server, refused)
    assert len(server.calls) == 1
    assert (await server.runs())[-1].state is RunState.REFUSED


@pytest.mark.bot(deployments=BOTH)
async def test_a_deletion_of_the_original_does_not_stop_an_edit_of_it(bot: Harness) -> None:
    """An edit takes the inputs of the earlier request, but not the file of its result."""
    await set_rules(bot, budgets={"person": {"at_once": 1}})
    message = await bot.made(**SMALL)
    await bot.ask(faults=HELD, **SMALL)
    await bot.click(message, "Again")
    await delete(bot, message)
    await bot.later(minutes=5)
    await bot.release()
    assert len(bot.calls) == 3
