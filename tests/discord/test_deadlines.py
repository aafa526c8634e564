"""Runs that never end or end too late: the verdict comes in time, and a late result replaces it."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from pydantic import SecretStr

from bot.domain.runs import RunState
from demo.fake_comfydeploy import api
from demo.fake_comfydeploy.deployments import picture
from demo.fake_comfydeploy.faults import Faults
from demo.fake_comfydeploy.runs import Output
from tests.discord.deliveries import Note, at_a_note, delivery_states
from tests.discord.files import end_with, pictures
from tests.discord.moderated_server import ModeratedServer
from tests.discord.rendered import (
    RESULT_BUTTONS,
    buttons_of,
    one_failure,
    one_result,
    pinged,
    requests_to,
    text_of,
    texts,
)
from tests.harness import HELD, Harness

IMPATIENT = {"deployments": [replace(picture(), run_timeout=300)]}
LATE_APPROVAL = {"approval": {"hours": 72}}
DEADLINE = pytest.mark.bot(run_deadline_seconds=600)


@DEADLINE
async def test_a_run_past_its_deadline_is_told_and_cancelled_once(bot: Harness) -> None:
    await bot.ask(faults=HELD)
    await bot.later(minutes=5)
    assert (await bot.run()).state is RunState.RUNNING
    await bot.later(minutes=5, times=4)
    told = await one_failure(bot, RunState.TIMED_OUT)
    assert "so I stopped it" in told
    assert "after all" not in told
    assert pinged(bot) == [bot.alice.id]
    assert [call.run_id for call in bot.comfydeploy.call_log.cancel_calls] == bot.calls[0].run_ids


@DEADLINE
@pytest.mark.parametrize("webhooks", [True, False])
async def test_a_success_after_the_deadline_replaces_the_verdict(bot: Harness, webhooks: bool) -> None:
    if not webhooks:
        await bot.restart(public_url=None)
    await bot.ask(faults=Faults(hold_at="running", success_after_cancel=webhooks, cancel_supported=False))
    await bot.later(minutes=5, times=4)
    assert "so I stopped waiting" in texts(bot)[0]
    await bot.release()
    await bot.later(hours=1, times=3)
    (message,) = bot.messages()
    assert list(buttons_of(bot, message)) == RESULT_BUTTONS
    assert (await bot.run()).state is RunState.SUCCEEDED
    assert len(bot.calls) == 1


async def shown_at_each_post(bot: Harness) -> list[list[int]]:
    """Return a list to which each post adds the numbers of files in the channel's messages before it."""
    http = bot.app.bot.http
    before = http.request
    shown: list[list[int]] = []

    async def request(route: Any, **kwargs: Any) -> Any:
        if route.method == "POST" and route.path.endswith("/messages"):
            shown.append([len(message.attachments) for message in bot.messages()])
        return await before(route, **kwargs)

    http.request = request  # type: ignore[method-assign]
    return shown


@DEADLINE
@pytest.mark.parametrize("note", ["an attempt", "the end"])
async def test_a_success_while_a_late_part_is_posted_replaces_it(bot: Harness, note: Note) -> None:
    """The cancellation's report has one of two pictures, and the success arrives during or after its post."""
    await bot.ask(faults=Faults(hold_at="queued", webhook_drop=True, cancel_supported=False))
    await bot.later(minutes=5, times=4)
    assert "so I stopped waiting" in texts(bot)[0]
    await end_with(bot, pictures(1), "cancelled")
    shown = await shown_at_each_post(bot)
    with at_a_note(bot, note, partial(end_with, bot, pictures(2))):
        await bot.play()
    assert shown == [[0], [1]]
    (message,) = bot.messages()
    assert len(message.attachments) == 2
    assert (await bot.run()).state is RunState.SUCCEEDED
    assert "pending" not in await delivery_states(bot)
    posts = requests_to(bot, "POST", f"/channels/{bot.channel.id}/messages")
    # Discord answers a nonce of the last minutes with the message that it was sent with.
    assert len({each.json["nonce"] for each in posts}) == len(posts) == 3


@DEADLINE
async def test_a_cancellation_that_comfydeploy_refuses_ends_at_the_deadline(bot: Harness) -> None:
    asked = await bot.ask(faults=HELD)
    await bot.restart(comfydeploy_api_key=SecretStr("a key that was revoked"))
    await bot.click(asked.response.message, "Cancel")
    assert (await bot.run()).state is RunState.RUNNING
    await bot.later(minutes=5, times=4)
    assert "so I stopped waiting" in await one_failure(bot, RunState.TIMED_OUT)


@pytest.mark.bot(comfydeploy=IMPATIENT)
async def test_the_deployments_run_timeout_sets_the_deadline(bot: Harness) -> None:
    await bot.ask(faults=HELD)
    await bot.later(minutes=6)
    assert (await bot.run()).state is RunState.RUNNING  # the machine may still report its own timeout
    await bot.later(minutes=5)
    assert "so I stopped it" in await one_failure(bot, RunState.TIMED_OUT)


@pytest.mark.parametrize("webhooks", [True, False])
async def test_the_cancelled_webhook_does_not_hide_the_bots_own_deadline(
    bot: Harness, webhooks: bool
) -> None:
    """The webhook that the bot's own cancel call causes arrives before that call is answered."""
    if not webhooks:
        await bot.restart(public_url=None)
    for _ in range(2):
        await bot.ask(faults=HELD)
    await bot.later(minutes=30, times=3)
    assert await bot.states() == ["timed_out"] * 2
    assert ["so I stopped it" in text for text in texts(bot)] == [True, True]


@DEADLINE
@pytest.mark.parametrize("webhooks", [True, False])
async def test_a_run_that_never_ends_but_has_outputs_is_shown(bot: Harness, webhooks: bool) -> None:
    if not webhooks:
        await bot.restart(public_url=None)
    await bot.ask(faults=Faults(never_ends=True))
    await bot.later(minutes=2, times=4)
    await one_result(bot)
    # Its machine goes on costing until it is told to stop.
    assert len(bot.comfydeploy.call_log.cancel_calls) == 1


@DEADLINE
async def test_a_run_that_alone_gets_no_answer_is_given_up_at_its_deadline(bot: Harness) -> None:
    await bot.ask(faults=Faults(hold_at="running", get_status=503))
    await bot.later(minutes=5, times=4)
    assert (await bot.run()).state is RunState.TIMED_OUT


@DEADLINE
@pytest.mark.parametrize("in_strings", [True, False])
async def test_only_a_report_with_too_many_values_is_unreadable(bot: Harness, in_strings: bool) -> None:
    """As JSON in a text output, keypoints may have any number of brackets."""
    await bot.ask(faults=HELD)
    keypoints: list[Any] = [[1]] * 101_000
    made = [json.dumps(keypoints)] if in_strings else keypoints
    (run,) = bot.comfydeploy.runs
    now = bot.comfydeploy.world.now()
    run.outputs.append(Output(data={"text": made}, node_meta={"node_id": "8"}, created_at=now))
    await bot.release()
    await bot.later(minutes=5, times=3)
    if not in_strings:
        assert "I can't read ComfyDeploy's reports about this run" in texts(bot)[0]
        run.outputs.pop(0)
        await bot.later(hours=1)
    assert (await bot.run()).state is RunState.SUCCEEDED
    assert sum(len(message.attachments) for message in bot.messages()) == 1 + in_strings


@DEADLINE
@pytest.mark.parametrize("status", ["success", "running"])
async def test_a_run_ends_although_get_run_always_answers_about_another(
    bot: Harness, monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    real, another = api.run_for_get, str(uuid.uuid4())
    foreign = {"id": another, "status": status}
    monkeypatch.setattr(api, "run_for_get", lambda *a: {**real(*a), **foreign})
    await bot.ask(faults=Faults(webhook_drop=True))
    await bot.later(minutes=5, times=4)
    assert "I can't read ComfyDeploy's reports about this run" in await one_failure(bot, RunState.TIMED_OUT)
    monkeypatch.setattr(api, "run_for_get", real)
    await bot.later(hours=1)
    assert (await bot.run()).state is RunState.SUCCEEDED


@DEADLINE
async def test_while_comfydeploy_is_away_no_run_is_given_up(bot: Harness) -> None:
    await bot.ask(faults=HELD)
    (run,) = bot.comfydeploy.runs
    run.own_faults = None
    bot.comfydeploy.faults = Faults(get_status=503, deployment_status=503, webhook_drop=True)
    await bot.release()
    await bot.later(hours=8, times=6)
    assert (await bot.run()).state is RunState.RUNNING
    bot.comfydeploy.faults = Faults()
    await bot.later(minutes=10)
    await one_result(bot)
    assert not bot.comfydeploy.call_log.cancel_calls


@DEADLINE
async def test_a_run_of_a_deleted_deployment_whose_state_cannot_be_read_is_given_up(bot: Harness) -> None:
    """For an unknown deployment, ComfyDeploy answers 500, as in an outage."""
    await bot.ask(faults=HELD)
    (run,) = bot.comfydeploy.runs
    run.own_faults = Faults(get_status=500, webhook_drop=True, hold_at="running")
    del bot.comfydeploy.world.deployments[run.deployment.id]
    await bot.later(minutes=10, times=3)
    await one_failure(bot, RunState.TIMED_OUT)


@DEADLINE
async def test_an_outage_uses_up_no_try_to_stop_a_run(bot: Harness) -> None:
    await bot.ask(faults=HELD.model_copy(update={"cancel_supported": False}))
    (run,) = bot.comfydeploy.runs
    await bot.later(minutes=11)
    assert (await bot.run()).state is RunState.TIMED_OUT
    tried = len(bot.comfydeploy.call_log.cancel_calls)
    bot.comfydeploy.world.plan.away = True
    await bot.later(minutes=6, times=10)
    bot.comfydeploy.world.plan.away = False
    run.own_faults = HELD
    await bot.later(minutes=10, times=12)
    assert len(bot.comfydeploy.call_log.cancel_calls) == tried + 1
    assert bot.comfydeploy.call_log.cancel_calls[-1].status == 200


@pytest.mark.parametrize("ends_as", ["success", "failed"])
async def test_only_a_late_success_replaces_the_verdict_after_a_lost_reply(
    bot: Harness, ends_as: Any
) -> None:
    lost = Faults(queue_drop=True, queue_starts=1, hold_at="queued", webhook_drop=True)
    await bot.ask(faults=lost)
    await bot.later(seconds=100)
    assert (await bot.run()).state is RunState.SUBMITTING
    await bot.later(seconds=100)
    assert "ComfyDeploy didn't confirm the run." in texts(bot)[0]
    (run,) = bot.comfydeploy.runs
    run.own_faults = Faults(ends_as=ends_as)
    await bot.release()
    (message,) = bot.messages()
    assert ("ComfyDeploy didn't confirm the run." in text_of(bot, message)) is (ends_as == "failed")
    assert len(message.attachments) == (ends_as == "success")
    assert pinged(bot) == [bot.alice.id] * (1 + (ends_as == "success"))
    assert len(bot.calls) == 1


async def test_a_run_that_never_ends_replaces_the_verdict_after_a_lost_reply(bot: Harness) -> None:
    """Its result was paid for, and it is stopped as it would have been without the verdict."""
    await bot.ask(faults=Faults(queue_drop=True, queue_starts=1, hold_at="queued", webhook_drop=True))
    await bot.later(seconds=100, times=2)
    assert "ComfyDeploy didn't confirm the run." in texts(bot)[0]
    (run,) = bot.comfydeploy.runs
    run.own_faults = Faults(never_ends=True)
    await bot.release()
    await bot.later(minutes=2, times=4)
    (message,) = bot.messages()
    assert len(message.attachments) == 1
    assert (await bot.run()).state is RunState.SUCCEEDED
    assert len(bot.comfydeploy.call_log.cancel_calls) == 1


@pytest.mark.bot(comfydeploy=IMPATIENT)
async def test_time_in_comfydeploys_queue_does_not_count_as_run_time(bot: Harness) -> None:
    await bot.ask(faults=Faults(hold_at="queued"))
    await bot.later(minutes=5, times=4)
    assert (await bot.run()).state is RunState.QUEUED


@pytest.mark.bot(run_deadline_seconds=600, rules=LATE_APPROVAL)
async def test_a_success_is_awaited_for_a_day_after_the_deadline_not_after_the_request(
    server: ModeratedServer,
) -> None:
    await server.ask(faults=Faults(hold_at="running", cancel_supported=False, webhook_drop=True))
    await server.later(hours=25)
    await server.decide("Approve")
    await server.later(minutes=5, times=4)
    assert (await server.run()).state is RunState.TIMED_OUT
    await server.release()
    await server.later(minutes=10)
    assert (await server.run()).state is RunState.SUCCEEDED
