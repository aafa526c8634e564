"""Outputs are shown whatever the final status, and the message says how the run ended."""

from __future__ import annotations

from typing import Any

import pytest
from simcord import MemberActor

from bot.domain.runs import RunState
from demo.fake_comfydeploy import api
from demo.fake_comfydeploy.deployments import CLASSIC_TEXT_ID, VARIATIONS_ID
from demo.fake_comfydeploy.faults import Faults
from demo.fake_comfydeploy.runs import Output, Run
from tests.discord.actors import delete, open_details, press_behind, press_delete, read
from tests.discord.batches import ask, files, open_one
from tests.discord.deliveries import end_runs
from tests.discord.deployments import ADULT
from tests.discord.files import png
from tests.discord.moderated_server import ModeratedServer, mark_adult
from tests.discord.rendered import (
    RESULT_BUTTONS,
    buttons_of,
    galleries_of,
    one_result,
    pinged,
    text_of,
    texts,
)
from tests.harness import HELD, Harness

MADE_BEFORE = "This is what was made before it "
# How a run of two pictures ends, its state, and what the message says.
ENDS = [
    ("failed", RunState.FAILED, "This one didn't work: the ", "failed."),
    ("timeout", RunState.TIMED_OUT, "The run took too long, and ComfyDeploy stopped it.", "timed out."),
    ("cancelled", RunState.CANCELLED, "The run was cancelled at ComfyDeploy, not by me.", "was cancelled."),
]


async def only_result(bot: Harness, pictures: int, state: RunState) -> str:
    """Check that one message shows so many pictures as the result of the only run; return its text."""
    message = await one_result(bot, pictures, state)
    assert galleries_of(bot, message) == [pictures]
    return text_of(bot, message)


@pytest.mark.bot(comfydeploy_deployment_id=VARIATIONS_ID)
@pytest.mark.parametrize("end", ENDS, ids=[end[0] for end in ENDS])
async def test_the_pictures_made_before_the_end_are_shown(bot: Harness, end: Any) -> None:
    ends_as, state, reason, how = end
    if ends_as == "failed":
        await bot.restart(public_url=None)
    await bot.ask(faults=Faults(ends_as=ends_as, made=2))
    await bot.later(minutes=2)
    shown = await only_result(bot, 2, state)
    assert "**Partly done: Variations**" in shown
    assert reason in shown
    assert MADE_BEFORE + how in shown


@pytest.mark.bot(comfydeploy_deployment_id=VARIATIONS_ID)
async def test_moderators_find_partial_results_in_the_audit_log(bot: Harness, mona: MemberActor) -> None:
    # The webhook tells only that the run failed; its outputs come with the answer of the poll after it.
    await bot.ask(faults=Faults(ends_as="failed", made=2))
    await bot.later(minutes=2)
    await bot.ask(faults=Faults(ends_as="failed", made=0))
    await bot.later(minutes=2)
    partial = f"**Variations** for <@{bot.alice.id}> · Partly done"
    failed = f"**Variations** for <@{bot.alice.id}> · Failed"
    log = await read(bot, mona, "audit", outcome="partial")
    assert partial in log
    assert failed not in log
    log = await read(bot, mona, "audit", outcome="failed")
    assert partial not in log
    assert failed in log


@pytest.mark.parametrize("webhooks", [True, False])
async def test_a_timeout_that_made_everything_is_a_success(bot: Harness, webhooks: bool) -> None:
    if not webhooks:
        await bot.restart(public_url=None)
    await bot.ask(faults=Faults(ends_as="timeout", made=9))
    await bot.later(minutes=2)
    assert "took too long" not in await only_result(bot, 1, RunState.SUCCEEDED)


async def test_a_gpu_session_that_ended_after_the_last_node_is_a_success(bot: Harness) -> None:
    await bot.ask(faults=Faults(ends_as="cancelled", made=9))
    assert "cancelled" not in await only_result(bot, 1, RunState.SUCCEEDED)


async def test_outputs_that_get_run_has_only_later_replace_the_failure(bot: Harness) -> None:
    await bot.ask(faults=Faults(ends_as="failed", made=1, get_status=500))
    assert "Failed: " in texts(bot)[0]
    (run,) = bot.comfydeploy.runs
    run.own_faults = Faults(ends_as="failed", made=1)
    await bot.later(minutes=1)
    (message,) = bot.messages()
    assert "**Partly done: Picture**" in text_of(bot, message)
    assert galleries_of(bot, message) == [1]
    outcomes = [line for line in await bot.audit() if line.action == "outcome"]
    assert [line.outcome for line in outcomes] == ["partial"]


FAILING = Faults(ends_as="failed", made=1)


async def fail_in_an_outage(bot: Harness, deployment_status: int) -> Run:
    """Let a run fail with a picture while neither it nor a deployment can be read; return the run."""
    await bot.ask(faults=FAILING.model_copy(update={"hold_at": "running"}))
    (run,) = bot.comfydeploy.runs
    run.own_faults = FAILING.model_copy(update={"get_status": 503})
    bot.comfydeploy.faults = Faults(deployment_status=deployment_status)
    await bot.release()
    return run


@pytest.mark.parametrize("hours", [1, 30])
async def test_the_outputs_of_a_failure_are_fetched_after_an_outage_of_any_length(
    bot: Harness, hours: int
) -> None:
    run = await fail_in_an_outage(bot, 503)
    await bot.later(hours=hours / 10, times=10)
    assert "Failed: " not in texts(bot)[0]
    run.own_faults, bot.comfydeploy.faults = FAILING, Faults()
    await bot.later(minutes=10)
    (message,) = bot.messages()
    assert "**Partly done: Picture**" in text_of(bot, message)


async def test_an_outage_that_ends_between_two_calls_is_no_reason_to_give_up(
    bot: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = api.failure

    def ends(status: int) -> Any:
        (run,) = bot.comfydeploy.runs
        run.own_faults = FAILING
        return answer(status)

    await bot.ask(faults=FAILING.model_copy(update={"hold_at": "running", "get_status": 503}))
    monkeypatch.setattr(api, "failure", ends)
    await bot.release()
    (message,) = bot.messages()
    assert "**Partly done: Picture**" in text_of(bot, message)


async def test_get_run_may_recover_after_the_other_calls(bot: Harness) -> None:
    run = await fail_in_an_outage(bot, 503)
    await bot.later(minutes=6, times=10)
    bot.comfydeploy.faults = Faults()
    await bot.later(minutes=6)
    run.own_faults = FAILING
    await bot.later(minutes=10, times=10)
    (message,) = bot.messages()
    assert "**Partly done: Picture**" in text_of(bot, message)


async def test_an_outage_that_another_run_met_delays_no_outputs(bot: Harness) -> None:
    failing = Faults(ends_as="failed", made=1, outputs_missing=True)
    bot.comfydeploy.faults = Faults(deployment_status=503)
    await bot.ask(faults=failing.model_copy(update={"get_status": 503}))
    bot.comfydeploy.faults = Faults()
    await bot.ask(bot.bob, faults=failing)
    await bot.later(seconds=10)
    # Alice's outcome may be posted before or after Bob's.
    (told,) = [text for text in texts(bot) if str(bot.bob.id) in text]
    assert "**Partly done: Picture**" in told
    assert pinged(bot).count(bot.bob.id) == 1


async def test_outputs_that_get_run_cannot_read_are_given_up_after_a_few_polls(
    bot: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    await bot.ask(faults=Faults(ends_as="failed", made=1, get_status=500))
    await bot.later(hours=1, times=10)
    polls = caplog.text.count("can't get the run's state")
    assert polls
    await bot.later(hours=1, times=10)
    assert caplog.text.count("can't get the run's state") == polls


@pytest.mark.bot(rules={"approval": {"hours": 72}})
async def test_the_outputs_of_a_failure_are_fetched_a_day_after_the_request(server: ModeratedServer) -> None:
    await server.ask(faults=Faults(ends_as="failed", made=1, outputs_missing=True))
    await server.later(hours=25)
    await server.decide("Approve")
    await server.later(minutes=1)
    (message,) = server.messages()
    assert "**Partly done: Picture**" in text_of(server, message)


def add_output(bot: Harness) -> None:
    """Let the held run have one picture more in GET /run."""
    bot.comfydeploy.world.bucket.put("outputs/late.png", png(), "image/png")
    (run,) = bot.comfydeploy.runs
    item = {"url": "outputs/late.png", "type": "output", "filename": f"{len(run.outputs)}.png"}
    made = Output(data={"images": [item]}, node_meta={"node_id": "9"}, created_at=bot.comfydeploy.world.now())
    run.outputs.append(made)


@pytest.mark.bot(comfydeploy_deployment_id=VARIATIONS_ID)
async def test_the_pictures_of_a_cancelled_run_are_a_message_of_their_own(bot: Harness) -> None:
    asked = await bot.ask(faults=HELD)
    add_output(bot)
    await bot.click(asked.response.message, "Cancel")
    (message,) = bot.messages()
    shown = text_of(bot, message)
    assert "You cancelled this request." in shown
    assert f"{MADE_BEFORE}was cancelled." in shown
    assert galleries_of(bot, message) == [1]
    assert (await bot.run()).state is RunState.CANCELLED


async def test_one_of_a_batch_that_failed_after_its_picture_shows_it(bot: Harness) -> None:
    await ask(bot, Faults(), Faults(ends_as="failed", made=1), count=2)
    (message,) = bot.messages()
    shown = text_of(bot, message)
    assert "**Picture ×2**" in shown
    assert "**2** This one didn't work" in shown
    assert f"{MADE_BEFORE}failed." in shown
    assert files(message) == await bot.keys()
    one = await open_one(bot, bot.alice, 2)
    assert "Post" in buttons_of(bot, one.response)
    assert list(buttons_of(bot, one.response))[-2:] == ["Details", "Delete"]
    assert MADE_BEFORE in text_of(bot, one.response)


async def test_a_part_can_be_deleted_and_repeated_and_is_listed(bot: Harness) -> None:
    message = await bot.made(faults=Faults(ends_as="failed", made=1))
    assert "Partly done" in await read(bot, bot.alice, "runs", state="done")
    details = await open_details(message, bot.alice)
    assert "-# Partly done" in text_of(bot, details.response)
    assert list(buttons_of(bot, message)) == RESULT_BUTTONS
    used = await press_behind(bot, message, "Use as input", bot.alice)
    assert used.modal is not None
    await bot.click(message, "Again")
    assert (await bot.states()) == ["failed", "succeeded"]
    await delete(bot, message)
    assert [len(each.attachments) for each in bot.messages()] == [1]
    assert "Partly done" not in texts(bot)[0]


@pytest.mark.bot(deployments=ADULT)
async def test_an_age_restricted_part_is_withheld_like_a_result(bot: Harness) -> None:
    mark_adult(bot, bot.channel)
    await bot.ask(faults=Faults(ends_as="failed", made=1, hold_at="running"))
    mark_adult(bot, bot.channel, marked=False)
    await bot.release()
    (message,) = bot.messages()
    assert not message.attachments
    assert "age-restricted" in text_of(bot, message)


@pytest.mark.bot(comfydeploy_deployment_id=CLASSIC_TEXT_ID)
async def test_a_text_that_never_ends_is_shown_soon_and_frees_its_slots(bot: Harness) -> None:
    for actor in (bot.alice, bot.bob, bot.alice):
        await bot.ask(actor)
    assert await bot.states() == ["running", "running", "waiting"]  # the deployment takes two at once
    await bot.later(seconds=6)
    assert (await bot.states())[:2] == ["running", "running"]
    await bot.later(seconds=61)
    await bot.later(seconds=3)
    assert (await bot.states())[:2] == ["succeeded", "succeeded"]
    assert len(bot.calls) == 3
    assert sum("after the words" in text for text in texts(bot)) == 2
    await bot.later(minutes=1, times=2)
    assert await bot.states() == ["succeeded"] * 3
    assert len(bot.messages()) == 3
    await bot.later(hours=3)
    assert len(bot.messages()) == 3


async def test_a_run_that_still_changes_after_its_last_node_is_not_cut_off(bot: Harness) -> None:
    await bot.ask(faults=Faults(never_ends=True))
    for _ in range(3):
        await bot.later(minutes=2)
        add_output(bot)
        assert (await bot.run()).state is RunState.RUNNING
    assert not bot.comfydeploy.call_log.cancel_calls


@pytest.mark.bot(run_deadline_seconds=600)
async def test_outputs_at_the_deadline_are_shown(bot: Harness) -> None:
    await bot.ask(faults=HELD)
    add_output(bot)
    await bot.later(minutes=5, times=3)
    shown = await only_result(bot, 1, RunState.TIMED_OUT)
    assert "The run took too long, so I stopped it." in shown
    assert f"{MADE_BEFORE}timed out." in shown
    await bot.later(hours=3)
    assert len(bot.messages()) == 1


@pytest.mark.parametrize("moderated", [False, True])
@pytest.mark.parametrize("first", ["deletion", "success"])
@pytest.mark.bot(run_deadline_seconds=600)
async def test_a_success_after_the_deletion_of_its_part_is_not_shown(
    bot: Harness, mona: MemberActor, first: str, moderated: bool
) -> None:
    await bot.ask(faults=Faults(hold_at="running", cancel_supported=False))
    add_output(bot)
    await bot.later(minutes=5, times=3)
    (message,) = bot.messages()
    told = pinged(bot)
    if first == "success":
        await end_runs(bot)
        await bot.app.workers["check"].drain()
    await press_delete(bot, message, (mona if moderated else bot.alice))
    if first == "deletion":
        await bot.play()
        await bot.release()
    await bot.later(minutes=10)
    assert (await bot.run()).state is RunState.SUCCEEDED
    assert bot.messages() == []
    assert pinged(bot) == told
