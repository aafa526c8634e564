"""ComfyDeploy's refusals: each has its sentence, one outcome and Try again, and nothing leaks."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from aiohttp import web

from bot.domain.runs import RunState
from demo.fake_comfydeploy.catalogue import all_deployments
from demo.fake_comfydeploy.deployments import PICTURE_ID, REJECTS_ID
from demo.fake_comfydeploy.faults import Faults
from demo.fake_comfydeploy.server import FakeComfyDeploy
from tests.discord.outages import UNREACHABLE, endure
from tests.discord.rendered import buttons_of, one_failure, one_result, pinged, text_of
from tests.harness import QUICK, Harness
from tests.serving import serving

DESCRIBED = f"""
[deployments.own]
deployment_id = "{PICTURE_ID}"
gpus = ["L4", "RTX4090"]
[deployments.own.inputs.prompt]
kind = "text"
"""
EVERY_DEPLOYMENT = {"deployments": all_deployments()}


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (401, "ComfyDeploy didn't accept the bot's API key."),
        (403, "the account is out of credits or suspended."),
        (404, "ComfyDeploy doesn't know this deployment any more."),
        (400, "The machine didn't accept the workflow."),
    ],
)
async def test_a_refusal_is_told_where_it_was_asked(bot: Harness, status: int, sentence: str) -> None:
    await bot.ask(faults=Faults(queue_status=status))
    assert sentence in await one_failure(bot, RunState.REFUSED)
    await bot.later(hours=1)
    assert len(bot.calls) == 1


@pytest.mark.parametrize("status", [400, 403, 404, 409, 422])
@pytest.mark.parametrize("webhooks", [True, False])
async def test_a_run_that_starts_although_its_call_was_refused_is_shown(
    bot: Harness, status: int, webhooks: bool
) -> None:
    """Without `webhooks`, only the first webhook arrives, and the success is found by polling."""
    await bot.ask(faults=Faults(queue_status=status, queue_starts=1, hold_at="running"))
    refused = await one_failure(bot, RunState.REFUSED)
    assert "No GPU time was used" in refused
    (run,) = bot.comfydeploy.runs
    run.own_faults = Faults(webhook_drop=not webhooks)
    await bot.release()
    await bot.later(minutes=10)
    await one_result(bot)
    assert pinged(bot) == [bot.alice.id]


@pytest.mark.parametrize("status", [401, 429])
async def test_a_refusal_by_the_machine_is_not_blamed_on_the_key(bot: Harness, status: int) -> None:
    await bot.ask(faults=Faults(machine_status=status))
    text = await one_failure(bot, RunState.REFUSED)
    assert "The machine behind this deployment refused the request" in text
    assert "machine.internal" not in text
    await bot.later(hours=1)
    assert len(bot.calls) == 1


@pytest.mark.bot(deployments=DESCRIBED.replace(PICTURE_ID, REJECTS_ID), comfydeploy=EVERY_DEPLOYMENT)
async def test_the_400_explains_the_failed_webhook_that_came_first(bot: Harness) -> None:
    await bot.ask()
    assert "The machine didn't accept the workflow." in await one_failure(bot, RunState.REFUSED)
    await bot.later(hours=1)
    assert len(bot.messages()) == 1


@pytest.mark.bot(deployments=DESCRIBED)
async def test_a_422_names_the_option(bot: Harness) -> None:
    await bot.ask(gpu="RTX4090")
    assert "ComfyDeploy didn't accept these inputs: gpu." in await one_failure(bot, RunState.REFUSED)


async def test_a_429_is_asked_again_and_shows_one_outcome(bot: Harness) -> None:
    bot.comfydeploy.next_faults(Faults(queue_status=429), Faults(queue_status=429))
    await bot.ask()
    assert (await bot.run()).state is RunState.WAITING
    await bot.later(minutes=3, times=2)
    assert [call.status for call in bot.calls] == [429, 429, 200]
    (message,) = bot.messages()
    assert len(message.attachments) == 1
    assert pinged(bot) == [bot.alice.id]


async def test_a_429_that_lasts_costs_time_and_is_told_meanwhile_and_after_a_week(bot: Harness) -> None:
    bot.comfydeploy.faults = Faults(queue_status=429)
    asked = await bot.ask()
    await bot.later(minutes=3, times=10)
    assert "### Not started yet: Picture" in text_of(bot, asked.response)
    assert "ComfyDeploy is too busy right now. I'll start this once" in text_of(bot, asked.response)
    await bot.later(days=6)
    assert await bot.states() == [RunState.WAITING]
    await bot.later(days=1)
    assert "ComfyDeploy is too busy right now." in await one_failure(bot, RunState.REFUSED)


async def test_in_an_outage_one_run_at_a_time_is_tried_and_all_start_afterwards(bot: Harness) -> None:
    bot.comfydeploy.faults = Faults(queue_status=429)
    asked = [await bot.ask(actor) for actor in (bot.alice, bot.bob, bot.alice, bot.bob)]
    assert len(bot.calls) == 1
    for number in range(2, 8):
        await bot.later(seconds=10)
        assert len(bot.calls) == number
    for answer in asked:
        assert "ComfyDeploy is too busy right now." in text_of(bot, answer.response)
    bot.comfydeploy.faults = Faults()
    await bot.later(seconds=10)
    assert await bot.states() == [RunState.SUCCEEDED] * 4
    assert len(bot.calls) == 7 + 4


async def test_an_outage_with_5xx_ends_one_run_as_unconfirmed_and_the_others_start_afterwards(
    bot: Harness,
) -> None:
    bot.comfydeploy.faults = UNREACHABLE
    for actor in (bot.alice, bot.bob, bot.alice):
        asked = await bot.ask(actor)
    await endure(bot, timedelta(hours=3), 30)
    assert await bot.states() == [RunState.UNCONFIRMED, RunState.WAITING, RunState.WAITING]
    assert "ComfyDeploy doesn't answer right now." in text_of(bot, asked.response)
    bot.comfydeploy.faults = Faults()
    await bot.later(minutes=2, times=2)
    assert await bot.states() == [RunState.UNCONFIRMED, RunState.SUCCEEDED, RunState.SUCCEEDED]
    assert len(bot.calls) == 3


async def test_a_request_that_waits_for_comfydeploy_can_be_cancelled(bot: Harness) -> None:
    bot.comfydeploy.faults = Faults(queue_status=429)
    asked = await bot.ask()
    await bot.later(minutes=5)
    await bot.click(asked.response, "Cancel")
    await bot.later(minutes=5)
    assert await bot.states() == [RunState.CANCELLED]
    assert len(bot.calls) == 2


async def test_a_5xx_proves_nothing_and_is_not_asked_again(bot: Harness) -> None:
    await bot.ask(faults=Faults(queue_status=502))
    assert "The machine behind this deployment failed" in await one_failure(bot, RunState.UNCONFIRMED)
    await bot.later(hours=2)
    assert len(bot.calls) == 1


async def test_a_5xx_while_comfydeploy_is_away_is_not_blamed_on_the_machine(bot: Harness) -> None:
    bot.comfydeploy.faults = UNREACHABLE
    await bot.ask()
    assert "ComfyDeploy had a problem (error 503)" in await one_failure(bot, RunState.UNCONFIRMED)
    bot.comfydeploy.faults = Faults()
    await bot.later(hours=2)
    assert len(bot.calls) == 1


async def test_a_lost_reply_is_told_after_the_grace_time(bot: Harness) -> None:
    await bot.ask(faults=Faults(queue_drop=True, queue_starts=0))
    assert (await bot.run()).state is RunState.SUBMITTING
    await bot.later(seconds=200)
    assert "ComfyDeploy didn't confirm the run." in await one_failure(bot, RunState.UNCONFIRMED)
    assert pinged(bot) == [bot.alice.id]
    assert len(bot.calls) == 1


async def test_a_lost_reply_is_not_given_up_during_an_outage(bot: Harness) -> None:
    bot.comfydeploy.faults = Faults(deployment_status=503, get_status=503)
    await bot.ask(faults=Faults(queue_drop=True, queue_starts=0))
    await bot.later(minutes=10, times=6)
    assert (await bot.run()).state is RunState.SUBMITTING
    bot.comfydeploy.faults = Faults()
    await bot.later(minutes=10, times=2)
    assert "ComfyDeploy didn't confirm the run." in await one_failure(bot, RunState.UNCONFIRMED)


async def test_requests_for_a_broken_machine_are_tried_one_at_a_time_and_told_so(bot: Harness) -> None:
    bot.comfydeploy.faults = Faults(queue_status=500)
    asked = [await bot.ask(actor) for actor in (bot.alice, bot.bob) * 2]
    assert len(bot.calls) == 1
    await bot.later(seconds=5, times=2)
    assert len(bot.calls) == 3
    assert await bot.states() == [RunState.UNCONFIRMED] * 3 + [RunState.WAITING]
    shown = text_of(bot, asked[3].response)
    assert "### Not started yet: Picture" in shown
    assert "This deployment's machine doesn't answer. I'll start this once it does." in shown
    bot.comfydeploy.faults = Faults()
    await bot.later(seconds=10)
    assert (await bot.states())[3] is RunState.SUCCEEDED


async def test_comfydeploy_is_down_and_comes_back(bot: Harness) -> None:
    port = urlsplit(bot.comfydeploy.url).port
    await bot.comfydeploy.__aexit__(None, None, None)
    asked = await bot.ask()
    await bot.later(seconds=3)
    assert list(buttons_of(bot, asked.response)) == ["Cancel"]
    async with FakeComfyDeploy(port=port, **QUICK) as bot.comfydeploy:
        await bot.later(minutes=3)
        (message,) = bot.messages()
        assert len(message.attachments) == 1
        assert len(bot.calls) == 1


async def test_comfydeploy_stays_down(bot: Harness) -> None:
    await bot.comfydeploy.__aexit__(None, None, None)
    asked = await bot.ask()
    await bot.later(hours=1, times=10)
    assert "ComfyDeploy doesn't answer right now. I'll start this once" in text_of(bot, asked.response)
    await bot.restart()
    await bot.later(days=7, times=2)
    assert "I can't reach ComfyDeploy right now. Nothing was started" in await one_failure(
        bot, RunState.REFUSED
    )


@pytest.mark.bot(deployments=DESCRIBED)
@pytest.mark.parametrize(
    ("status", "sentence", "state"),
    [
        (200, "ComfyDeploy's answer was unreadable", RunState.UNCONFIRMED),
        (308, "ComfyDeploy's address in the bot's settings is wrong", RunState.REFUSED),
    ],
)
async def test_an_answer_that_is_none(bot: Harness, status: int, sentence: str, state: RunState) -> None:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(status=status, text="<html>", headers={"Location": "http://127.0.0.1:1/"})

    async with serving(answer) as url:
        await bot.restart(comfydeploy_api_url=f"{url}/api")
        await bot.ask()
        assert sentence in await one_failure(bot, state)
