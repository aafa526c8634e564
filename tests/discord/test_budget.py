"""Budgets as requesters see them: runs at once, waiting and a day, and GPU seconds."""

from __future__ import annotations

import asyncio

import pytest

from bot.domain.errors import RefusedError
from bot.domain.runs import RunState
from demo.fake_comfydeploy.deployments import PICTURE_ID, VARIATIONS_ID
from tests.discord.deployments import described
from tests.discord.forged import call, strings
from tests.discord.moderated_server import midnight, set_rules
from tests.discord.rendered import refusal, text_of
from tests.harness import HELD, Harness


@pytest.mark.bot(deployments=described(picture=PICTURE_ID, variations=VARIATIONS_ID))
async def test_three_run_ten_more_wait_with_their_place_and_the_next_is_refused(bot: Harness) -> None:
    bot.comfydeploy.next_faults(*[HELD] * 20)
    names = ("generate picture", "generate variations")
    answers = []
    for number in range(13):
        answers.append(await bot.ask(command=names[number % 2]))
        bot.clock.move(seconds=6)
    assert len(bot.calls) == 3
    assert (await bot.states()).count(RunState.WAITING) == 10
    await bot.later(seconds=30)
    assert "### Up next: " in text_of(bot, answers[3].response)
    assert "Number 5 in the queue" in text_of(bot, answers[12].response)
    told = "You already have 10 requests waiting. Please let one finish, or cancel one."
    assert refusal(bot, await bot.ask(command=names[0])) == told
    await bot.restart()
    assert refusal(bot, await bot.ask(command=names[1])) == told
    assert not (await bot.ask(bot.bob, command=names[1])).ephemeral
    assert len(bot.calls) == 4
    await bot.click(answers[12].response.message, "Cancel")
    assert not (await bot.ask(command=names[0])).ephemeral


async def test_seconds_are_set_aside_and_then_settled_with_what_it_really_took(bot: Harness) -> None:
    await set_rules(bot, budgets={"person": {"gpu_seconds_a_day": 100}, "gpu_weights": {"H100": 1.5}})
    bot.comfydeploy.next_faults(HELD)
    await bot.ask(gpu="H100")
    refused = refusal(bot, await bot.ask())
    assert refused == (
        f"This needs about 60 GPU seconds, and you have 10 of 100 left today. Resets {midnight(bot)}."
    )
    await bot.release()
    await bot.later(seconds=10)
    run = await bot.run()
    assert run.gpu_used is not None
    assert run.run_duration is not None
    assert run.charged == pytest.approx(run.run_duration * 1.5)
    assert not (await bot.ask()).ephemeral


async def test_requests_at_once_never_pass_a_budget(bot: Harness) -> None:
    await set_rules(bot, budgets={"person": {"runs_a_day": 2}})
    await asyncio.gather(*(call(bot, bot.alice, "generate", strings(prompt=f"fox {n}")) for n in range(8)))
    await bot.env.settle()
    told = [getattr(error, "original", error) for error in bot.env.errors]
    assert all(isinstance(error, RefusedError) and error.code == "budget_runs" for error in told)
    assert sum(line.action == "refusal" for line in await bot.audit()) == 6
    await bot.play()
    assert await bot.states() == [RunState.SUCCEEDED] * 2
    assert len(bot.calls) == 2
