"""Edit: a form with what was asked for, refused values brought back, restarts between."""

from __future__ import annotations

import pytest

from demo.fake_comfydeploy.deployments import FAILS_ID, PICTURE_ID, SLOW_ID
from tests.discord.deployments import ONE
from tests.discord.rendered import buttons_of, fields, text_of
from tests.harness import Harness


async def test_an_edit_changes_what_was_typed_and_keeps_the_rest(bot: Harness) -> None:
    message = await bot.made(seed=7, style="ink", gpu="L4")
    form = await bot.alice.click(message, label="Edit")
    shown = fields(form.modal)
    assert list(shown) == ["prompt", "negative", "seed", "width", "gpu"]
    assert (shown["prompt"]["value"], shown["seed"]["value"]) == ("a fox", "7")
    assert [each["value"] for each in shown["gpu"]["options"] if each.get("default")] == ["L4"]
    await bot.restart()
    sent = await bot.alice.submit_modal(form, {"prompt": "a wolf", "seed": "7", "gpu": ["T4"]})
    assert not sent.ephemeral
    await bot.play()
    first, second = (call.body for call in bot.calls)
    assert second["inputs"] == first["inputs"] | {"prompt": "a wolf"}
    assert second["gpu"] == "T4"
    parent, child = await bot.runs()
    assert (child.parent_key, child.prompt) == (parent.key, "a wolf")


async def test_anybody_may_edit_and_it_becomes_their_own(bot: Harness) -> None:
    message = await bot.made()
    form = await bot.bob.click(message, label="Edit")
    await bot.bob.submit_modal(form, {"prompt": "a dog"})
    await bot.play()
    assert [run.requester_id for run in await bot.runs()] == [bot.alice.id, bot.bob.id]


async def test_a_value_out_of_range_is_told_and_nothing_typed_is_lost(bot: Harness) -> None:
    message = await bot.made()
    form = await bot.alice.click(message, label="Edit")
    refused = await bot.alice.submit_modal(form, {"prompt": "a wolf", "width": "99999"})
    assert refused.ephemeral
    assert text_of(bot, refused.response) == "`width` is 99999; the largest is 1536."
    again = await bot.alice.click(refused.response.message, label="Edit again")
    shown = fields(again.modal)
    assert (shown["prompt"]["value"], shown["width"]["value"]) == ("a wolf", "99999")
    await bot.alice.submit_modal(again, {"prompt": "a wolf", "width": "512"})
    await bot.play()
    assert bot.calls[-1].body["inputs"]["width"] == 512
    assert len(bot.calls) == 2


async def test_edit_again_after_a_restart_opens_with_what_is_stored(bot: Harness) -> None:
    message = await bot.made()
    form = await bot.alice.click(message, label="Edit")
    refused = await bot.alice.submit_modal(form, {"prompt": "a wolf", "width": "x"})
    await bot.restart()
    again = await bot.alice.click(refused.response.message, label="Edit again")
    assert fields(again.modal)["prompt"]["value"] == "a fox"


@pytest.mark.bot(comfydeploy_deployment_id=FAILS_ID)
async def test_a_failure_can_be_edited(bot: Harness) -> None:
    message = await bot.made()
    assert list(buttons_of(bot, message)) == ["Try again", "Edit", "Details"]
    form = await bot.alice.click(message, label="Edit")
    await bot.alice.submit_modal(form, {"prompt": "a wolf"})
    await bot.play()
    assert bot.calls[-1].body["inputs"]["prompt"] == "a wolf"


async def test_a_text_too_long_for_a_form_goes_as_a_file(bot: Harness) -> None:
    message = await bot.made(prompt="fox " * 1200)
    form = await bot.alice.click(message, label="Edit")
    assert fields(form.modal)["prompt"]["custom_id"] == "prompt.txt"
    text = "wolf " * 1000 + "the end"
    ready = await bot.alice.submit_modal(form, {"prompt.txt": ("prompt.txt", text.encode())})
    assert len(bot.calls) == 1
    (answer,) = ready.followups or [ready.response]
    await bot.click(answer.message, "Send")
    assert bot.calls[-1].body["inputs"]["prompt"] == text


async def test_a_file_that_is_no_text_is_refused(bot: Harness) -> None:
    message = await bot.made(prompt="fox " * 1200)
    form = await bot.alice.click(message, label="Edit")
    sent = await bot.alice.submit_modal(form, {"prompt.txt": ("a.png", b"\x89PNG\xff\xfe")})
    (answer,) = sent.followups or [sent.response]
    assert "isn't plain text" in text_of(bot, answer)
    assert len(bot.calls) == 1


@pytest.mark.bot(deployments=ONE)
async def test_a_changed_deployment_takes_what_still_fits_and_says_what_not(bot: Harness) -> None:
    message = await bot.made(seed=7, style="ink")
    await bot.restart(deployments=ONE.replace(PICTURE_ID, SLOW_ID))
    form = await bot.alice.click(message, label="Edit")
    sent = await bot.alice.submit_modal(form, {"prompt": "a fox", "seed": "7"})
    await bot.play()
    assert bot.calls[-1].body["inputs"] == {"prompt": "a fox", "seed": 7}
    (told,) = sent.followups
    assert told.ephemeral
    assert "`style`" in told.content
