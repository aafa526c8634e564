"""ComfyDeploy repeats, reorders, loses and retries its webhooks, and the requester sees one result."""

from __future__ import annotations

import re
from typing import Any

import pytest

from bot.domain.runs import RunState
from demo.fake_comfydeploy.deployments import CLASSIC_ID
from demo.fake_comfydeploy.faults import Faults
from tests.discord.actors import open_details
from tests.discord.rendered import assert_nothing_leaked, one_failure, one_result, pinged, text_of
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
        ("failed", RunState.FAILED, "This one didn't work: the machine ran out of memory."),
        ("timeout", RunState.TIMED_OUT, "The run took too long, and ComfyDeploy stopped it."),
        ("cancelled", RunState.CANCELLED, "The run was cancelled at ComfyDeploy, not by me."),
    ],
)
async def test_a_failure_is_told_with_its_sentence(
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


async def told_durations(bot: Harness) -> list[list[str]]:
    """Return the durations in the channel's only message, and in its Details."""
    (message,) = bot.messages()
    details = await open_details(message, bot.alice)
    shown = (text_of(bot, message), text_of(bot, details.response))
    return [re.findall(r"\b(\d+) s\b", text.lower()) for text in shown]


@pytest.mark.parametrize("failing", [Faults(), Faults(ends_as="timeout")], ids=["success", "timeout"])
async def test_after_a_missed_end_the_service_tells_how_long_it_took(bot: Harness, failing: Faults) -> None:
    held = {"silent_end": True, "hold_at": "running"}
    await bot.ask(faults=failing.model_copy(update=held))
    await bot.later(seconds=6.3)
    await bot.release()
    await bot.later(seconds=62)
    await bot.later(minutes=2)
    assert await told_durations(bot) == [["6"], ["6"]]


@pytest.mark.parametrize("failing", [Faults(), Faults(ends_as="timeout")], ids=["success", "timeout"])
async def test_after_a_missed_start_no_wrong_duration_is_told(bot: Harness, failing: Faults) -> None:
    await bot.ask(faults=Faults(webhook_drop=True, hold_at="running"))
    await bot.later(seconds=28.7)
    (run,) = bot.comfydeploy.runs
    run.own_faults = failing
    await bot.release()
    told, _ = await told_durations(bot)
    assert told in ([], ["29"])
    await bot.later(seconds=5)
    assert (await told_durations(bot))[1] == ["29"]


async def test_a_run_whose_webhooks_all_arrive_tells_how_long_it_took(bot: Harness) -> None:
    await bot.ask(faults=Faults(hold_at="running"))
    await bot.later(seconds=7.2)
    await bot.release()
    assert (await told_durations(bot))[0] == ["7"]


@pytest.mark.bot(comfydeploy_deployment_id=CLASSIC_ID)
async def test_a_duration_that_nobody_tells_is_measured_if_no_webhook_is_missed(
    bot: Harness,
) -> None:
    for told, missed in ((["8"], False), ([], True)):
        await bot.ask(faults=Faults(hold_at="running", silent_end=missed))
        await bot.later(seconds=8)
        await bot.release()
        await bot.later(minutes=2, times=3)
        shown = text_of(bot, bot.messages()[-1]).lower()
        assert re.findall(r"\b(\d+) s\b", shown) == told
