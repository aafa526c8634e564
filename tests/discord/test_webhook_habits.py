"""ComfyDeploy repeats, reorders, loses and retries its webhooks, and the requester sees one result."""

from __future__ import annotations

from typing import Any

import pytest

from bot.domain.runs import RunState
from demo.fake_comfydeploy.faults import Faults
from tests.discord.rendered import assert_nothing_leaked, one_failure, one_result, pinged
from tests.harness import Harness
from tests.sampling import every_nth


async def one_result_after_a_while(bot: Harness) -> None:
    await bot.play()
    await bot.later(minutes=2, times=4)
    await one_result(bot)
    assert_nothing_leaked(bot)


@pytest.mark.parametrize(
    "faults",
    every_nth(
        [
            Faults(webhook_reorder=True, webhook_duplicate=True),
            Faults(webhook_get_only=True),
            Faults(webhook_before_reply=True),
            Faults(other_dialect=True),
            Faults(outputs_missing=True),
            Faults(silent_end=True),
            Faults(webhook_drop=True),
            Faults(queue_drop=True, queue_starts=1),
            Faults(webhook_before_reply=True, queue_status=500, queue_starts=1),
        ],
        2,
    ),
    ids=lambda faults: "+".join(faults.model_dump(exclude_defaults=True)) or "none",
)
async def test_one_result_with(bot: Harness, faults: Faults) -> None:
    bot.comfydeploy.next_faults(faults)
    await bot.alice.slash(bot.channel, "generate", prompt="a fox")
    await one_result_after_a_while(bot)


@pytest.mark.bot(webhooks=False)
@pytest.mark.parametrize("faults", [Faults(), Faults(other_dialect=True), Faults(outputs_missing=True)])
async def test_without_a_public_url_results_are_polled(bot: Harness, faults: Faults) -> None:
    bot.comfydeploy.next_faults(faults)
    await bot.alice.slash(bot.channel, "generate", prompt="a fox")
    await one_result_after_a_while(bot)
    assert bot.calls[0].webhook is None
    assert not bot.comfydeploy.call_log.webhook_attempts


async def test_a_machine_that_started_it_three_times_shows_one_result(bot: Harness) -> None:
    await bot.ask(faults=Faults(queue_status=500, queue_starts=3))
    await bot.later(minutes=2)
    assert len(bot.calls[0].run_ids) == 3
    (message,) = bot.messages()
    assert len(message.attachments) == 1
    run = await bot.run()
    assert run.state is RunState.SUCCEEDED
    assert run.run_id in bot.calls[0].run_ids
    assert set(pinged(bot)) == {bot.alice.id}


@pytest.mark.parametrize(
    ("ends_as", "state", "sentence"),
    [
        ("failed", RunState.FAILED, "The run failed on the machine: “RuntimeError: CUDA out of memory."),
        ("timeout", RunState.TIMED_OUT, "The run took too long, and ComfyDeploy stopped it."),
        ("cancelled", RunState.CANCELLED, "The run was cancelled at ComfyDeploy, not by me."),
    ],
)
async def test_a_failure_is_told_with_its_reason(
    bot: Harness, ends_as: Any, state: RunState, sentence: str
) -> None:
    await bot.ask(faults=Faults(ends_as=ends_as))
    await bot.later(minutes=2)
    assert sentence in await one_failure(bot, state)
    assert pinged(bot) == [bot.alice.id]


@pytest.mark.bot(webhooks=False)
async def test_get_run_that_answers_errors_is_asked_again(bot: Harness) -> None:
    bot.comfydeploy.faults = Faults(get_status=500)
    await bot.ask()
    await bot.later(minutes=1)
    assert (await bot.run()).state is RunState.QUEUED
    bot.comfydeploy.faults = Faults()
    await one_result_after_a_while(bot)
