"""`/privacy` exports and erases a user's data, and a worker deletes expired data."""

from __future__ import annotations

import json
from typing import Any

import pytest
from simcord import MemberActor

from bot.domain.runs import RunState
from demo.fake_comfydeploy.deployments import CAPTION_ID
from demo.fake_comfydeploy.faults import Faults
from tests.discord.actors import delete, erase_data, exported, open_details, read
from tests.discord.deployments import described
from tests.discord.forged import own_answer, press
from tests.discord.moderated_server import set_rules
from tests.discord.presets import share
from tests.discord.rendered import buttons_of, filled, pinged, refusal, text_of, texts
from tests.discord.settings_panel import Panel
from tests.harness import HELD, Harness

ERASED = "The data of this request was deleted, so it can't be repeated. Please start a new one."


async def asked_to_delete(bot: Harness, person: Any) -> Any:
    result = await person.slash(bot.channel, "privacy delete")
    assert result.ephemeral
    assert list(buttons_of(bot, result.response)) == ["Delete my data"]
    return result.response


async def test_the_export_holds_ones_own_requests_and_nobody_elses(bot: Harness, mona: MemberActor) -> None:
    await bot.ask(prompt="a lighthouse")
    await bot.ask(bot.bob, prompt="a secret fox")
    await mona.slash(bot.channel, "block", user=bot.alice, reason="too many lighthouses")
    held = await exported(bot, bot.alice)
    assert [run["prompt"] for run in held["run"]] == ["a lighthouse"]
    assert held["run"][0]["inputs"]["prompt"] == "a lighthouse"
    assert [block["reason"] for block in held["block"]] == ["too many lighthouses"]
    assert ("block", "a moderator") in [(line["action"], line["by"]) for line in held["audit"]]
    for hidden in ("a secret fox", str(bot.bob.id), str(mona.id), "interaction_token"):
        assert hidden not in json.dumps(held)


async def test_deletion_asks_first_and_then_takes_prompts_inputs_and_outputs(bot: Harness) -> None:
    await bot.ask(prompt="a lighthouse")
    await bot.ask(bot.bob)
    message = await asked_to_delete(bot, bot.alice)
    assert "It can't be undone" in message.content
    assert all(run.request.prompt for run in await bot.runs())
    await bot.restart()
    await bot.alice.click(message, label="Delete my data")
    assert message.content.startswith("Deleted the contents of 1 request.")
    assert buttons_of(bot, message) == {}
    found = {run.request.requester_id: run for run in await bot.runs()}
    mine, theirs = found[bot.alice.id], found[bot.bob.id]
    assert mine.state is RunState.SUCCEEDED
    assert (mine.request.prompt, dict(mine.inputs), mine.outputs) == (None, {}, ())
    assert (mine.request.requester_id, mine.request.guild_id) == (bot.alice.id, bot.guild.id)
    assert theirs.request.prompt == "a fox"
    held = await exported(bot, bot.alice)
    assert "a lighthouse" not in json.dumps(held)
    assert held["run"][0]["state"] == "succeeded"
    assert held["run"][0]["erased_at"] == bot.clock().isoformat()
    assert "privacy" in [line["action"] for line in held["audit"]]
    listed = await read(bot, bot.alice, "runs")
    assert "Done: **Picture**" in listed
    assert "lighthouse" not in listed
    assert (len(texts(bot)), set(pinged(bot))) == (2, {bot.alice.id, bot.bob.id})


async def test_results_and_their_copies_stay_until_delete_under_one_of_them(bot: Harness) -> None:
    gallery = bot.guild.create_text_channel("gallery")
    await bot.env.settle()
    await set_rules(bot, gallery_channel_id=gallery.id)
    await bot.ask(count=2)
    (batch,) = bot.messages()
    for number, label in ((1, "Post"), (2, "Share")):
        one = await bot.alice.click(batch, label=str(number))
        pressed = await bot.alice.click(one.response.message, label=label)
        if label == "Share":
            await bot.alice.submit_modal(pressed, {"prompt": True})
        await bot.play()
    message = await asked_to_delete(bot, bot.alice)
    assert "Messages in Discord stay, including what you posted or shared." in message.content
    await bot.alice.click(message, label="Delete my data")
    await bot.play()
    assert all(run.request.prompt is None for run in await bot.runs())
    assert (len(bot.messages()), len(bot.messages(gallery))) == (2, 1)
    await bot.restart()
    await delete(bot, batch)
    assert (bot.messages(), bot.messages(gallery)) == ([], [])


async def test_a_request_under_way_is_left_and_named_and_still_posts_its_result(bot: Harness) -> None:
    await bot.ask(faults=HELD, prompt="a lighthouse")
    message = await asked_to_delete(bot, bot.alice)
    await bot.alice.click(message, label="Delete my data")
    assert message.content.startswith("Deleted the contents of 0 requests.")
    assert "aren't finished or posted yet:\n- Picture: a lighthouse\n" in message.content
    assert (await bot.run()).request.prompt == "a lighthouse"


async def test_again_on_an_emptied_request_gets_a_sentence_and_costs_nothing(bot: Harness) -> None:
    await bot.ask(prompt="a lighthouse")
    result = bot.messages()[-1]
    form = await bot.alice.click(result, label="Edit")
    await bot.alice.click(await asked_to_delete(bot, bot.alice), label="Delete my data")
    refused = await bot.alice.click(result, label="Again")
    assert refusal(bot, refused) == ERASED
    assert refusal(bot, await bot.alice.submit_modal(form, filled(form.modal))) == ERASED
    await bot.play()
    assert len(bot.calls) == 1


@pytest.mark.bot(
    deployments=f"{described(caption=CAPTION_ID)}inputs.prompt.required = false\ninputs.seed.hidden = true\n"
)
async def test_a_request_without_inputs_can_be_repeated_until_its_data_is_deleted(bot: Harness) -> None:
    """A request may need no inputs, so their absence doesn't mean that they were deleted."""
    await bot.alice.slash(bot.channel, "generate")
    await bot.play()
    (message,) = bot.messages()
    assert (await bot.run()).inputs == {}
    assert "```\n/generate\n```" in text_of(bot, (await open_details(message, bot.alice)).response)
    saved = await bot.alice.slash(bot.channel, "preset save", name="plain")
    assert refusal(bot, saved).startswith("Saved as **plain**")
    assert (await bot.alice.click(message, label="Edit")).modal is not None
    await bot.click(message, "Again")
    assert [call.body["inputs"] for call in bot.calls] == [{}, {}]
    await erase_data(bot)
    for label in ("Again", "Edit"):
        assert refusal(bot, await bot.click(message, label)) == ERASED
    assert "/generate" not in text_of(bot, (await open_details(message, bot.alice)).response)
    assert len(bot.calls) == 2


async def test_nobody_deletes_for_another_and_forged_buttons_change_nothing(bot: Harness) -> None:
    await bot.ask(prompt="a lighthouse")
    refused = await press(bot, bot.bob, await own_answer(bot, bot.bob), f"erase:{bot.alice.id}")
    assert refusal(bot, refused) == "Only the requester can use this."
    assert (await bot.run()).request.prompt == "a lighthouse"


async def test_the_worker_removes_what_is_older_than_the_server_keeps(bot: Harness) -> None:
    await set_rules(bot, retention_days=7)
    await bot.ask(prompt="a lighthouse")
    await bot.later(days=1, times=7)
    assert len(await bot.runs()) == 1
    await bot.later(hours=1)
    assert await bot.runs() == []
    assert (await exported(bot, bot.alice))["audit"] == []


async def test_deletion_leaves_a_channels_default_without_a_name(bot: Harness, panel: Panel) -> None:
    await share(bot, default_in=[bot.channel], by=bot.alice)
    channel = bot.channel.id
    defaults = (await exported(bot, bot.alice))["channel default"]
    assert [(one["channel_id"], one["name"]) for one in defaults] == [(str(channel), "noir")]
    await erase_data(bot)
    await panel.open()
    assert f"Default presets: noir in <#{channel}>" in panel.text
    assert f"<@{bot.alice.id}>" not in await read(bot, bot.bob, "preset list")


async def test_outputs_that_are_found_after_the_deletion_are_not_shown(bot: Harness) -> None:
    await bot.ask(faults=Faults(ends_as="failed", made=1, get_status=500))
    await bot.later(seconds=20)
    assert "Failed: " in texts(bot)[0]
    await erase_data(bot)
    (run,) = bot.comfydeploy.runs
    run.own_faults = Faults(ends_as="failed", made=1)
    await bot.later(minutes=1, times=3)
    assert (await bot.run()).outputs == ()
    (message,) = bot.messages()
    assert not message.attachments
