"""Daily budgets count every run of the day, also one that was deleted since or that wasn't confirmed."""

from __future__ import annotations

from typing import Any

import pytest

from demo.fake_comfydeploy.faults import Faults
from tests.defects.seen import given
from tests.discord.actors import read
from tests.discord.moderated_server import ModeratedServer, midnight, set_rules
from tests.discord.rendered import buttons_of, refusal, text_of
from tests.harness import HELD, Harness

SHORT_RETENTION: dict[str, Any] = {"approval": {"hours": 72}, "retention_days": 1}
TWO_RUNS_A_DAY = {"person": {"runs_a_day": 2}}


async def ask_and_approve(server: ModeratedServer) -> None:
    """Let Alice ask again, approve that if a card appears, and let its run take a minute."""
    cards = len(server.cards())
    refusal(server, await server.ask(faults=HELD))
    if len(server.cards()) > cards:
        await server.decide("Approve")
    await server.later(minutes=1)
    await server.release()
    await server.later(seconds=10)


async def ask_or_be_refused(bot: Harness) -> None:
    answer = await bot.ask()
    if answer.ephemeral:
        refusal(bot, answer)


async def approve_two_of_yesterday(server: ModeratedServer) -> None:
    """Let two requests wait for 25 hours, approve them, and let each run take a minute."""
    for _ in range(2):
        await server.ask()
    await server.later(hours=25)
    server.comfydeploy.faults = HELD
    for card in server.cards():
        await server.click(card, "Approve", server.mona)
    await server.later(minutes=1)
    await server.release()
    server.comfydeploy.faults = Faults()
    await server.later(seconds=10)


@pytest.mark.parametrize(
    "ceiling",
    [
        pytest.param(
            "runs a day", marks=pytest.mark.bot(rules={**SHORT_RETENTION, "budgets": TWO_RUNS_A_DAY})
        ),
        pytest.param("seconds", marks=pytest.mark.bot(rules=SHORT_RETENTION, daily_gpu_seconds=120)),
    ],
)
async def test_a_ceiling_of_two_runs_holds_after_retention_has_deleted_them(
    server: ModeratedServer, ceiling: str
) -> None:
    with given():
        await approve_two_of_yesterday(server)
        assert len(server.calls) == 2
        assert midnight(server) in refusal(server, await server.ask())
        assert len(server.cards()) == len(server.calls) == 2
    await server.later(hours=2)
    for _ in range(2):
        await ask_and_approve(server)
    assert len(server.calls) == 2


@pytest.mark.bot(rules={**SHORT_RETENTION, "budgets": TWO_RUNS_A_DAY})
async def test_usage_shows_the_runs_of_today_after_retention_has_deleted_them(
    server: ModeratedServer,
) -> None:
    with given():
        await approve_two_of_yesterday(server)
        assert "Runs: 2 of 2" in await read(server, server.alice, "usage")
    await server.later(hours=2)
    assert "Runs: 2 of 2" in await read(server, server.alice, "usage")


@pytest.mark.parametrize(
    "unconfirmed", [Faults(queue_drop=True, queue_starts=0), Faults(queue_status=502)], ids=["lost", "502"]
)
@pytest.mark.parametrize(
    "ceiling", ["a person's", pytest.param("the operator's", marks=pytest.mark.bot(daily_gpu_seconds=120))]
)
async def test_runs_that_are_not_confirmed_cost_what_was_reserved(
    bot: Harness, ceiling: str, unconfirmed: Faults
) -> None:
    if ceiling == "a person's":
        await set_rules(bot, budgets={"person": {"gpu_seconds_a_day": 120}})
    bot.comfydeploy.faults = unconfirmed
    with given():
        for _ in range(2):
            await bot.ask()
            await bot.later(seconds=200)
            ended = bot.messages()[-1]
            assert "didn't confirm the run" in text_of(bot, ended)
            assert "Try again" in buttons_of(bot, ended)
        assert len(bot.calls) == 2
    for _ in range(4):
        await ask_or_be_refused(bot)
        await bot.later(seconds=200)
    assert len(bot.calls) == 2
    await bot.later(hours=24)
    await ask_or_be_refused(bot)
    assert len(bot.calls) > 2
