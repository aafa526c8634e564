"""What a run made is shown whatever its end is called, and the message says how it ended."""

from __future__ import annotations

import json

import aiohttp
import pytest

from bot.domain.runs import RunState
from demo.fake_comfydeploy.deployments import CLASSIC_TEXT_ID, VARIATIONS_ID
from demo.fake_comfydeploy.faults import Faults
from demo.fake_comfydeploy.runs import Output, Run
from tests.contract.store.rows import audit_log
from tests.discord.actors import open_details
from tests.discord.batches import ask, files, open_one
from tests.discord.deployments import ADULT
from tests.discord.moderated_server import mark_adult
from tests.discord.rendered import RESULT_BUTTONS, buttons_of, galleries_of, pinged, text_of, texts
from tests.harness import HELD, Harness

MADE_BEFORE = "This is what was made before it "
ENDS = [
    ("failed", "The run failed on the machine", "failed."),
    ("timeout", "The run took too long, and ComfyDeploy stopped it.", "timed out."),
    ("cancelled", "The run was cancelled at ComfyDeploy, not by me.", "was cancelled."),
]


async def only_result(bot: Harness, pictures: int) -> str:
    """Assert that the one message shows so many pictures with a result's buttons; return its text."""
    (message,) = bot.messages()
    assert galleries_of(bot, message) == [pictures]
    assert len(message.attachments) == pictures
    assert {"Again", "Edit", "More", "Delete"} <= set(buttons_of(bot, message))
    assert pinged(bot) == [bot.alice.id]
    assert len(bot.calls) == 1
    return text_of(bot, message)


@pytest.mark.bot(comfydeploy_deployment_id=VARIATIONS_ID)
@pytest.mark.parametrize(("ends_as", "reason", "how"), ENDS)
@pytest.mark.parametrize("webhooks", [True, False])
async def test_the_pictures_made_before_the_end_are_shown(
    bot: Harness, ends_as: str, reason: str, how: str, webhooks: bool
) -> None:
    if not webhooks:
        await bot.restart(public_url=None)
    await bot.ask(faults=Faults.model_validate({"ends_as": ends_as, "made": 2}))
    await bot.later(minutes=2)
    shown = await only_result(bot, pictures=2)
    assert "**Partly done: Variations**" in shown
    assert reason in shown
    assert MADE_BEFORE + how in shown


@pytest.mark.parametrize("webhooks", [True, False])
async def test_a_timeout_that_made_everything_is_a_success(bot: Harness, webhooks: bool) -> None:
    if not webhooks:
        await bot.restart(public_url=None)
    await bot.ask(faults=Faults(ends_as="timeout", made=9))
    await bot.later(minutes=2)
    assert "took too long" not in await only_result(bot, pictures=1)
    assert (await bot.run()).state is RunState.SUCCEEDED


async def test_a_gpu_session_that_ended_after_the_last_node_is_a_success(bot: Harness) -> None:
    await bot.ask(faults=Faults(ends_as="cancelled", made=9))
    assert "cancelled" not in await only_result(bot, pictures=1)
    assert (await bot.run()).state is RunState.SUCCEEDED


async def test_a_failure_after_the_last_node_says_that_it_failed(bot: Harness) -> None:
    await bot.ask(faults=Faults(ends_as="failed", made=9))
    assert f"{MADE_BEFORE}failed." in await only_result(bot, pictures=1)
    assert (await bot.run()).state is RunState.FAILED


async def test_get_run_that_answers_errors_does_not_hold_up_the_outcome(bot: Harness) -> None:
    await bot.ask(faults=Faults(ends_as="failed", get_status=500))
    (message,) = bot.messages()
    assert "The run failed on the machine" in text_of(bot, message)
    assert list(buttons_of(bot, message)) == ["Try again", "Edit", "Details", "Delete"]


async def test_outputs_that_get_run_has_only_later_replace_the_failure(bot: Harness) -> None:
    await bot.ask(faults=Faults(ends_as="failed", made=1, get_status=500))
    assert "That didn't work" in texts(bot)[0]
    (run,) = bot.comfydeploy.runs
    run.own_faults = Faults(ends_as="failed", made=1)
    await bot.later(minutes=1)
    (message,) = bot.messages()
    assert "**Partly done: Picture**" in text_of(bot, message)
    assert galleries_of(bot, message) == [1]
    outcomes = [line for line in await audit_log(bot.app.store) if line.action == "outcome"]
    assert [line.outcome for line in outcomes] == ["failed"]


async def test_a_late_report_with_outputs_replaces_the_failure(bot: Harness) -> None:
    await bot.ask(faults=Faults(ends_as="failed"))
    await bot.later(minutes=10)
    assert "That didn't work" in texts(bot)[0]
    (call,) = bot.calls
    item = {"url": any_picture(bot), "type": "output", "filename": "late.png"}
    event = {"event_type": "run.updated", "run_id": call.run_ids[0], "status": "failed", "progress": 0.5}
    async with aiohttp.ClientSession() as session:
        body = json.dumps(event | {"outputs": [{"data": {"images": [item]}}]})
        for _ in range(2):
            assert (await session.post(call.webhook, data=body)).status == 204
    await bot.play()
    (message,) = bot.messages()
    assert "**Partly done: Picture**" in text_of(bot, message)
    assert len(message.attachments) == 1


def any_picture(bot: Harness) -> str:
    """Store a picture at the fake ComfyDeploy, and return its URL."""
    content = bytes.fromhex(
        "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8ffff3f0005"
        "fe02fea7359d840000000049454e44ae426082"
    )
    bot.comfydeploy.world.bucket.put("outputs/late.png", content, "image/png")
    return bot.comfydeploy.world.bucket.link("outputs/late.png")


@pytest.mark.bot(comfydeploy_deployment_id=VARIATIONS_ID)
async def test_what_a_cancelled_run_had_made_is_a_message_of_its_own(bot: Harness) -> None:
    asked = await bot.ask(faults=HELD)
    (run,) = bot.comfydeploy.runs
    make_one(bot, run)
    await bot.click(asked.response.message, "Cancel")
    (message,) = bot.messages()
    shown = text_of(bot, message)
    assert "Cancelled, as you asked." in shown
    assert f"{MADE_BEFORE}was cancelled." in shown
    assert galleries_of(bot, message) == [1]
    assert (await bot.run()).state is RunState.CANCELLED


def make_one(bot: Harness, run: Run) -> None:
    """Let a held run have one picture in GET /run."""
    any_picture(bot)
    item = {"url": "outputs/late.png", "type": "output", "filename": "late.png"}
    made = Output(data={"images": [item]}, node_meta={"node_id": "9"}, created_at=bot.comfydeploy.world.now())
    run.outputs.append(made)


@pytest.mark.bot(run_deadline_seconds=600)
async def test_what_a_run_had_made_at_the_deadline_is_shown(bot: Harness) -> None:
    await bot.ask(faults=HELD)
    (run,) = bot.comfydeploy.runs
    make_one(bot, run)
    await bot.later(minutes=5, times=3)
    shown = await only_result(bot, pictures=1)
    assert "The run took too long, so I stopped it." in shown
    assert f"{MADE_BEFORE}timed out." in shown
    assert (await bot.run()).state is RunState.TIMED_OUT
    await bot.later(hours=3)
    assert len(bot.messages()) == 1


async def test_one_of_a_batch_that_failed_after_its_picture_shows_it(bot: Harness) -> None:
    await ask(bot, Faults(), Faults(ends_as="failed", made=1), count=2)
    (message,) = bot.messages()
    shown = text_of(bot, message)
    assert "**Picture ×2**" in shown
    assert "**2** The run failed on the machine" in shown
    assert f"{MADE_BEFORE}failed." in shown
    assert files(message) == await bot.keys()
    one = await open_one(bot, bot.alice, 2)
    assert "Post" in buttons_of(bot, one.response)
    more = await bot.alice.click(one.response.message, label="More")
    assert list(buttons_of(bot, more.response)) == ["Details", "Delete"]
    assert MADE_BEFORE in text_of(bot, one.response)


async def test_a_part_can_be_deleted_and_repeated_and_is_listed(bot: Harness) -> None:
    await bot.ask(faults=Faults(ends_as="failed", made=1))
    (message,) = bot.messages()
    listed = await bot.alice.slash(bot.channel, "runs", state="done")
    assert "Partly done" in text_of(bot, listed.response)
    details = await open_details(message, bot.alice)
    assert "state: Partly done" in text_of(bot, details.response)
    assert list(buttons_of(bot, message)) == RESULT_BUTTONS
    used = await bot.alice.click(message, label="Use as input")
    assert used.modal is not None
    await bot.click(message, "Again")
    assert (await bot.states()) == ["failed", "succeeded"]
    await bot.click(message, "Delete")
    assert [len(each.attachments) for each in bot.messages()] == [1]
    assert "Partly done" not in texts(bot)[0]


async def test_a_part_counts_as_a_run_of_the_day_and_a_failure_does_not(bot: Harness) -> None:
    await bot.ask(faults=Faults(ends_as="failed"))
    await bot.ask(faults=Faults(ends_as="failed", made=1))
    usage = await bot.app.store.usage.today(bot.guild.id, bot.alice.id, bot.clock())
    assert usage.person.runs == 1


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


@pytest.mark.bot(webhooks=False)
async def test_pictures_that_never_end_are_shown_without_webhooks_too(bot: Harness) -> None:
    await bot.ask(faults=Faults(never_ends=True))
    await bot.later(minutes=1, times=6)
    await only_result(bot, pictures=1)
    assert (await bot.run()).state is RunState.SUCCEEDED
    # Its machine goes on costing until it is told to stop.
    assert len(bot.comfydeploy.call_log.cancel_calls) == 1


async def test_a_run_that_still_changes_after_its_last_node_is_not_cut_off(bot: Harness) -> None:
    await bot.ask(faults=Faults(never_ends=True))
    (run,) = bot.comfydeploy.runs
    for _ in range(3):
        await bot.later(minutes=2)
        make_one(bot, run)
        assert (await bot.run()).state is RunState.RUNNING
        run.outputs[-1].data["images"][0]["filename"] = f"{len(run.outputs)}.png"
    assert not bot.comfydeploy.call_log.cancel_calls
