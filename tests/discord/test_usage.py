"""`/usage`: what is used, what is left and when it returns, for oneself and for moderators."""

from __future__ import annotations

from typing import Any

import pytest
from simcord import MemberActor

from bot.domain.settings.rules_and_defaults import Budget, Budgets, RoleBudget
from tests.discord.actors import member, moderator, moment, read
from tests.discord.forged import call, user_option
from tests.discord.moderated_server import midnight, set_rules
from tests.discord.rendered import pinged, refusal, text_of
from tests.harness import HELD, Harness

BUDGETS = Budgets(
    person=Budget(at_once=2, waiting=5, runs_a_day=4, gpu_seconds_a_day=600),
    server=Budget(at_once=9, waiting=None, runs_a_day=50, gpu_seconds_a_day=None),
)


async def lines(bot: Harness, actor: Any, /, **options: Any) -> list[str]:
    return (await read(bot, actor, "usage", **options)).splitlines()


async def test_one_sees_what_is_used_what_is_left_and_when_it_returns(bot: Harness) -> None:
    await set_rules(bot, budgets=BUDGETS)
    assert (await lines(bot, bot.alice))[:5] == [
        "### Your usage today",
        "▱▱▱▱▱▱▱▱▱▱ Runs: 0 of 4, 4 left",
        "▱▱▱▱▱▱▱▱▱▱ GPU seconds: 0 of 600, 600 left",
        "▱▱▱▱▱▱▱▱▱▱ Running: 0 of 2 at once",
        "▱▱▱▱▱▱▱▱▱▱ Waiting: 0 of 5",
    ]
    await bot.ask(faults=HELD)
    await bot.bob.slash(bot.channel, "generate", prompt="a hare")
    await bot.restart()
    assert await lines(bot, bot.alice) == [
        "### Your usage today",
        "▰▰▱▱▱▱▱▱▱▱ Runs: 1 of 4, 3 left",
        "▰▱▱▱▱▱▱▱▱▱ GPU seconds: 60 of 600, 540 left",
        "▰▰▰▰▰▱▱▱▱▱ Running: 1 of 2 at once",
        "▱▱▱▱▱▱▱▱▱▱ Waiting: 0 of 5",
        f"-# Resets {midnight(bot)}. The GPU seconds of unfinished runs are estimates.",
    ]
    assert "▰▰▱▱▱▱▱▱▱▱ Waiting: 1 of 5" in await lines(bot, bot.bob)
    assert pinged(bot) == []


async def test_no_limit_is_told_as_none(bot: Harness) -> None:
    role = bot.guild.create_role("patrons")
    await set_rules(bot, budgets=Budgets(person=BUDGETS.person, roles={role.id: RoleBudget(unlimited=True)}))
    assert (await lines(bot, member(bot, "pat", role)))[1:5] == [
        "Runs: 0",
        "GPU seconds: 0",
        "Running: 0",
        "Waiting: 0",
    ]


@pytest.mark.bot(allow_direct_messages=True)
async def test_directly_one_is_told_the_limits_that_hold_there(bot: Harness) -> None:
    for _ in range(10):
        await bot.alice.user.slash("generate", prompt="a fox")
        bot.clock.move(seconds=6)
    refused = await bot.alice.user.slash("generate", prompt="a fox")
    assert refusal(bot, refused).startswith("You already have 10 requests waiting.")
    shown = text_of(bot, (await bot.alice.user.slash("usage")).response).splitlines()
    assert shown[3:5] == ["▱▱▱▱▱▱▱▱▱▱ Running: 0 of 3 at once", "▰▰▰▰▰▰▰▰▰▰ Waiting: 10 of 10"]


async def test_a_moderator_sees_others_and_the_server_and_a_stranger_does_not(bot: Harness) -> None:
    await set_rules(bot, budgets=BUDGETS)
    mona = moderator(bot)
    for person in (bot.alice, bot.bob):
        await person.slash(bot.channel, "generate", prompt="a fox")
    await bot.play()
    seen = await lines(bot, mona, person=bot.bob)
    assert seen[:2] == [f"### Usage of <@{bot.bob.id}> today", "▰▰▱▱▱▱▱▱▱▱ Runs: 1 of 4, 3 left"]
    assert seen[5:7] == ["### The whole server today", "▱▱▱▱▱▱▱▱▱▱ Runs: 2 of 50, 48 left"]
    assert "### The whole server today" not in await lines(bot, bot.alice)
    assert (await lines(bot, bot.alice, person=bot.alice))[0] == "### Your usage today"
    refused = await bot.alice.slash(bot.channel, "usage", person=bot.bob)
    assert refusal(bot, refused) == "Only this server's moderators can do that."


async def test_a_block_is_shown_and_a_former_member_can_be_looked_up(bot: Harness, mona: MemberActor) -> None:
    await mona.slash(bot.channel, "block", user=bot.bob, reason="spam", duration="day")
    told = f"Blocked on this server until {moment(bot, days=1)}: spam"
    assert told in await lines(bot, bot.bob)
    result = await call(bot, mona, "usage", *user_option(7, option="person"))
    assert text_of(bot, result.response).startswith("### Usage of <@7> today\nRuns: 0")
