"""Waiting requests are judged again at approval and at the start, and say what they wait for."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from simcord import MemberActor
from simcord.backend.models.channel import Overwrite

from bot.domain.runs import RunState
from tests.contract.store.rows import audit_log
from tests.discord.actors import owner
from tests.discord.moderated_server import NO_APPROVAL, ModeratedServer, midnight, set_rules
from tests.discord.rendered import buttons_of, pinged, refusal, requests_to, text_of, texts
from tests.harness import HELD, Harness

PAUSED = "Generating is paused for the moment: moving"
GONE = "I can't reach the channel of this request any more, so nothing was started."
ATTACH_FILES = 1 << 15


async def evening(bot: Harness) -> None:
    """Move the clocks to ten minutes before midnight."""
    day = bot.clock().replace(hour=0, minute=0, second=0, microsecond=0)
    await bot.later(seconds=(day + timedelta(days=1, minutes=-10) - bot.clock()).total_seconds())


async def over_midnight(bot: Harness) -> None:
    await bot.later(minutes=11)


async def used_up(bot: Harness, requester: Any = None) -> str:
    return refusal(bot, await bot.ask(requester))


def unavailable(bot: Harness) -> None:
    """Let Discord call the server unavailable, and answer no questions about it."""
    guild = bot.app.bot.get_guild(bot.guild.id)
    assert guild is not None
    guild.unavailable = True
    bot.env.inject_error("GET", "/guilds/*", status=408, times=None)


# over midnight


@pytest.mark.bot(daily_gpu_seconds=120, max_concurrent_runs=1)
async def test_what_waits_over_midnight_counts_on_the_day_that_it_is_started(bot: Harness) -> None:
    await evening(bot)
    await bot.ask(faults=HELD)
    await bot.ask()
    told = "Today's GPU time is used up. It resets"
    assert (await used_up(bot)).startswith(told)
    await over_midnight(bot)
    # Yesterday's run reserves nothing of today, and the one that waits does.
    assert not (await bot.ask()).ephemeral
    assert (await used_up(bot)).startswith(told)
    bot.comfydeploy.next_faults(HELD, HELD)
    await bot.release()
    assert await bot.states() == [RunState.SUCCEEDED, RunState.RUNNING, RunState.WAITING]
    usage = await bot.app.store.usage.today(bot.guild.id, bot.alice.id, bot.clock())
    assert (usage.gpu_seconds_today, usage.person.runs) == (120, 2)
    assert (await used_up(bot)).startswith(told)


@pytest.mark.bot(rules={"budgets": {"person": {"runs_a_day": 1}}})
async def test_an_approved_run_counts_on_the_day_that_it_is_started(server: ModeratedServer) -> None:
    await evening(server)
    await server.ask()
    await over_midnight(server)
    await server.decide("Approve")
    assert await server.states() == [RunState.SUCCEEDED]
    assert await used_up(server) == f"You have used your 1 runs for today. Resets {midnight(server)}."


@pytest.mark.bot(max_concurrent_runs=1)
async def test_a_budget_that_is_used_up_meanwhile_is_waited_for_and_told(bot: Harness) -> None:
    await evening(bot)
    await bot.ask(faults=HELD)
    asked = await bot.ask()
    await set_rules(bot, budgets={"person": {"runs_a_day": 1}})
    tomorrow = midnight(bot)
    await bot.release()
    await bot.later(seconds=30)
    shown = text_of(bot, asked.response)
    assert "### Not started yet: Picture" in shown
    assert f"You have used your 1 runs for today. Resets {tomorrow}." in shown
    assert "I'll start this then." in shown
    assert list(buttons_of(bot, asked.response)) == ["Cancel"]
    listed = await bot.alice.slash(bot.channel, "queue")
    assert "Not started yet: **Picture**" in text_of(bot, listed.response)
    await bot.restart()
    await over_midnight(bot)
    assert await bot.states() == [RunState.SUCCEEDED] * 2
    assert len(bot.calls) == 2


@pytest.mark.bot(max_concurrent_runs=1)
async def test_what_waits_for_tomorrow_can_be_cancelled(bot: Harness) -> None:
    await bot.ask(faults=HELD)
    asked = await bot.ask()
    await set_rules(bot, budgets={"person": {"runs_a_day": 1}})
    await bot.release()
    await bot.click(asked.response.message, "Cancel")
    assert "Cancelled: Picture" in text_of(bot, asked.response)
    await bot.later(days=1)
    assert len(bot.calls) == 1


# a pause


@pytest.mark.bot(max_concurrent_runs=1)
async def test_under_a_pause_what_waits_waits_on_and_resume_starts_it(bot: Harness) -> None:
    olga = owner(bot)
    await bot.ask(faults=HELD)
    asked = [await bot.ask(), await bot.ask(bot.bob)]
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
    done = await olga.slash(bot.channel, "resume")
    assert done.response.content == "I accept requests again, and start those that waited."
    await bot.play()
    assert await bot.states() == [RunState.SUCCEEDED] * 3
    assert len(bot.calls) == 3


async def test_an_approval_under_a_pause_is_told_the_rule_and_the_card_stays(server: ModeratedServer) -> None:
    olga = owner(server)
    await server.ask()
    await olga.slash(server.channel, "pause", reason="moving")
    told = refusal(server, await server.decide("Approve"))
    assert told == f"This can't start now, so the card stays. The rule says: {PAUSED}"
    assert await server.states() == [RunState.AWAITING_APPROVAL]
    assert list(buttons_of(server, server.card)) == ["Approve", "Reject", "Block"]
    assert server.calls == []
    await olga.slash(server.channel, "resume")
    await server.decide("Approve")
    assert await server.states() == [RunState.SUCCEEDED]
    assert f"Approved by <@{server.mona.id}>" in server.verdict


async def test_a_rejection_under_a_pause_is_possible(server: ModeratedServer) -> None:
    await server.ask()
    await owner(server).slash(server.channel, "pause", reason="moving")
    await server.reject("no")
    assert await server.states() == [RunState.REJECTED]


# the channel


@pytest.mark.bot(max_concurrent_runs=1)
async def test_a_channel_deleted_while_its_request_waits_costs_nothing(bot: Harness) -> None:
    elsewhere = bot.guild.create_text_channel("elsewhere")
    await bot.ask(faults=HELD)
    await bot.ask(channel=elsewhere)
    bot.env.backend.delete_channel(elsewhere.id)
    await bot.later(minutes=2)
    await bot.release()
    assert await bot.states() == [RunState.SUCCEEDED, RunState.REFUSED]
    assert len(bot.calls) == 1
    letters = [text_of(bot, message) for message in bot.alice.user.dm_channel.history()]
    assert len([letter for letter in letters if GONE in letter]) == 1


@pytest.mark.bot(max_concurrent_runs=1)
async def test_a_permission_taken_away_while_a_request_waits_costs_nothing(bot: Harness) -> None:
    await bot.ask(faults=HELD)
    await bot.ask()
    me = bot.app.bot.user
    assert me is not None
    denied = Overwrite(target_id=me.id, type=1, deny=ATTACH_FILES)
    await bot.later(minutes=2)
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
    assert told.startswith("This can't start any more, so I ended the request. The rule says: I can't reach")
    assert await server.states() == [RunState.REFUSED]
    assert "It can't start any more, so it has ended. The rule says: I can't reach" in server.verdict
    assert buttons_of(server, server.card) == {}
    assert len([letter for letter in server.letters() if GONE in letter]) == 1
    assert server.calls == []
    assert [line.action for line in await audit_log(server.app.store)][-1] == "outcome"


@pytest.mark.bot(max_concurrent_runs=1)
async def test_a_server_about_which_discord_does_not_answer_is_asked_about_again(bot: Harness) -> None:
    await bot.ask(faults=HELD)
    asked = await bot.ask()
    await bot.later(minutes=2)
    unavailable(bot)
    await bot.release()
    for _ in range(8):  # more often than a queue call is repeated
        await bot.later(minutes=1)
    shown = text_of(bot, asked.response)
    assert "### Not started yet: Picture" in shown
    assert "Discord doesn't answer me right now. I'll ask again <t:" in shown
    bot.env.backend.faults.clear()
    await bot.later(minutes=1)
    assert await bot.states() == [RunState.SUCCEEDED] * 2


async def test_a_request_that_did_not_wait_asks_nothing_about_its_channel(bot: Harness) -> None:
    guild = bot.app.bot.get_guild(bot.guild.id)
    assert guild is not None
    guild.unavailable = True  # the cache can't answer
    await bot.ask()
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


# roles and servers


async def test_a_role_taken_away_while_a_request_awaits_approval(server: ModeratedServer) -> None:
    artists = server.guild.create_role("artists")
    art = server.guild.add_member(server.env.create_user("art"), roles=[artists])
    approval = {"mode": "everybody", "review_channel_id": server.review.id}
    await set_rules(server, approval=approval, deployment_roles={"default": [artists.id]})
    await server.ask(art)
    await server.ask(art)
    first, second = server.cards()
    await server.click(first, "Approve", server.mona)
    server.env.backend.remove_member_role(server.guild.id, art.id, artists.id)
    told = refusal(server, await server.click(second, "Approve", server.mona))
    assert "The rule says: Your roles can't use this." in told
    assert await server.states() == [RunState.SUCCEEDED, RunState.REFUSED]
    assert len(server.calls) == 1


@pytest.mark.bot(max_concurrent_runs=1)
async def test_a_deployment_closed_to_a_role_while_a_request_waits(bot: Harness) -> None:
    await bot.ask(bot.bob, faults=HELD)
    asked = await bot.ask()
    staff = bot.guild.create_role("staff")
    await set_rules(bot, deployment_roles={"default": [staff.id]})
    await bot.release()
    assert (await bot.states())[1] is RunState.REFUSED
    shown = text_of(bot, asked.response)
    assert "Not started: Picture" in shown
    assert "Your roles can't use this." in shown
    assert len(bot.calls) == 1


@pytest.mark.bot(max_concurrent_runs=1)
async def test_a_server_that_the_operator_no_longer_allows(bot: Harness) -> None:
    await bot.ask(faults=HELD)
    await bot.ask()
    await bot.restart(allowed_guild_ids=[5])
    await bot.release()
    assert await bot.states() == [RunState.SUCCEEDED, RunState.REFUSED]
    assert any("Its operator can allow it." in shown for shown in texts(bot))
    assert pinged(bot).count(bot.alice.id) == 1  # the refusal edits the status message


@pytest.mark.bot(rules=NO_APPROVAL, max_concurrent_runs=1)
async def test_a_block_while_a_request_waits_for_tomorrow(server: ModeratedServer, mona: MemberActor) -> None:
    await server.ask(faults=HELD)
    asked = await server.ask()
    await set_rules(server, budgets={"person": {"runs_a_day": 1}})
    await server.release()
    await mona.slash(server.channel, "block", user=server.alice, reason="spam")
    await server.play()
    assert (await server.states())[1] is RunState.REFUSED
    assert "A moderator ended this request before it started." in text_of(server, asked.response)
    await server.later(days=1)
    assert len(server.calls) == 1
