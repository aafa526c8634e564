"""Sizes: one choice in Discord, two numbers at ComfyDeploy; what older requests used still applies."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from tests.discord.actors import open_details, owner
from tests.discord.deployments import ONE
from tests.discord.files import png
from tests.discord.moderated_server import ModeratedServer
from tests.discord.rendered import RADIO_GROUP, fields, filled, refusal, text_of
from tests.harness import Harness

CHOICES = "sizes.choices = { square = [512, 512], tall = [512, 1024] }\n"
SIZED = f"{ONE}{CHOICES}"
pytestmark = pytest.mark.bot(deployments=SIZED)


def sides(bot: Harness) -> tuple[Any, Any]:
    """Return the width and height of the last queue call."""
    inputs = bot.calls[-1].body["inputs"]
    assert "size" not in inputs
    return inputs.get("width"), inputs.get("height")


async def test_a_size_is_one_choice_from_the_command_to_details(bot: Harness) -> None:
    message = await bot.made(size="tall", seed=7)
    assert sides(bot) == (512, 1024)
    run = await bot.run()
    assert (run.inputs["width"], run.inputs["height"]) == (512, 1024)
    await bot.restart()
    details = await open_details(message, bot.bob)
    text = text_of(bot, details.response)
    assert "**size** tall" in text
    assert "width" not in text
    assert "```\n/generate prompt:a fox seed:7 size:tall\n```" in text
    form = await bot.alice.click(message, label="Edit")
    assert list(fields(form.modal)) == ["prompt", "negative", "size", "seed", "style"]
    assert fields(form.modal)["size"]["type"] == RADIO_GROUP
    assert filled(form.modal)["size"] == "tall"
    await bot.restart()
    await bot.alice.submit_modal(form, filled(form.modal) | {"size": "square"})
    await bot.play()
    assert sides(bot) == (512, 512)


async def test_without_a_choice_comfydeploys_defaults_hold(bot: Harness) -> None:
    message = await bot.made()
    assert sides(bot) == (None, None)
    details = await open_details(message, bot.alice)
    assert "**size**" not in text_of(bot, details.response)


@pytest.mark.bot(deployments=f'{SIZED}sizes.default = "tall"\nsizes.option = "format"\n')
async def test_the_default_and_the_options_name_are_the_operators(bot: Harness) -> None:
    await bot.ask()
    assert sides(bot) == (512, 1024)
    await bot.ask(format="square")
    assert sides(bot) == (512, 512)


async def test_each_run_of_a_batch_has_the_size(bot: Harness) -> None:
    await bot.ask(size="tall", count=2, seed=7)
    inputs = [call.body["inputs"] for call in bot.calls]
    assert [(each["width"], each["height"]) for each in inputs] == [(512, 1024)] * 2
    assert sorted(each["seed"] for each in inputs) == [7, 8]


@pytest.mark.bot(deployments=ONE)
async def test_a_size_from_before_is_kept_by_again_shown_and_left_in_the_form(bot: Harness) -> None:
    message = await bot.made(width=640, height=384)
    await bot.restart(deployments=SIZED)
    details = await open_details(message, bot.alice)
    text = text_of(bot, details.response)
    assert "**size** 640 × 384" in text
    assert "size:\n```" in text
    await bot.click(message, "Again")
    assert sides(bot) == (640, 384)
    form = await bot.alice.click(message, label="Edit")
    options = [option["label"] for option in fields(form.modal)["size"]["options"]]
    assert options == ["square", "tall", "640 × 384"]
    await bot.restart()
    await bot.alice.submit_modal(form, filled(form.modal) | {"prompt": "a wolf"})
    await bot.play()
    assert sides(bot) == (640, 384)


@pytest.mark.bot(deployments=ONE)
async def test_a_size_from_before_that_the_inputs_no_longer_take_is_named(bot: Harness) -> None:
    message = await bot.made(width=640, height=384)
    await bot.restart(deployments=f"{SIZED}inputs.height.min = 512\n")
    form = await bot.alice.click(message, label="Edit")
    (about,) = [label["description"] for label in form.modal["components"] if label["label"] == "size"]
    assert about == "“640 × 384” isn't offered any more. Choose another."
    again = await bot.alice.click(message, label="Again")
    await bot.play()
    assert sides(bot) == (None, None)
    (told,) = again.followups
    assert told.content == "This deployment has changed, and these inputs were left out: `size`."


@pytest.mark.bot(deployments=ONE)
async def test_a_preset_from_before_still_applies(bot: Harness) -> None:
    await bot.ask(width=640, height=384)
    await bot.alice.slash(bot.channel, "preset save", name="wide")
    await bot.restart(deployments=SIZED)
    await bot.ask(prompt="an owl", preset="wide")
    assert sides(bot) == (640, 384)
    used = await bot.alice.slash(bot.channel, "preset use", name="wide")
    await bot.play()
    assert sides(bot) == (640, 384)
    assert not used.followups
    await bot.ask(prompt="an owl", preset="wide", size="tall")
    assert sides(bot) == (512, 1024)


async def test_requests_and_presets_outlive_sizes(bot: Harness) -> None:
    message = await bot.made(size="tall")
    await bot.alice.slash(bot.channel, "preset save", name="tall")
    listed = await bot.alice.slash(bot.channel, "preset list")
    assert "size=tall" in text_of(bot, listed.response)
    await bot.restart(deployments=ONE)
    await bot.click(message, "Again")
    assert sides(bot) == (512, 1024)
    await bot.ask(prompt="an owl", preset="tall")
    assert sides(bot) == (512, 1024)


async def test_use_as_input_offers_sizes(bot: Harness) -> None:
    message = await bot.bob.send(bot.channel, "look", attachments=[("cat.png", png())])
    form = await bot.alice.context_menu(bot.channel, "Use as input", message)
    assert list(fields(form.modal)) == ["prompt", "negative", "seed", "size", "style"]
    await bot.alice.submit_modal(form, filled(form.modal) | {"prompt": "a lion", "size": ["tall"]})
    await bot.play()
    assert sides(bot) == (512, 1024)


async def test_moderators_read_the_choice(server: ModeratedServer) -> None:
    await server.ask(size="tall")
    card = text_of(server, server.card)
    assert "tall" in card
    assert "512" not in card


async def test_a_size_that_comfydeploy_does_not_take_is_told_by_start_and_reload(
    bot: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    sentence = "deployment 'picture': size 'huge' is left out: width 4096 is above maximum 1536"
    bot.runner.write_deployments(f"{ONE}sizes.choices = {{ square = [512, 512], huge = [4096, 512] }}\n")
    done = await owner(bot).slash(bot.channel, "reload")
    assert sentence in str(done.response.content)
    with caplog.at_level(logging.WARNING):
        caplog.clear()
        await bot.restart()
    assert sentence in caplog.text
    await bot.ask(size="square")
    assert sides(bot) == (512, 512)


async def test_sizes_with_mistakes_change_nothing_at_reload(bot: Harness) -> None:
    bot.runner.write_deployments(f"{ONE}sizes.choices = {{ square = [512, 512], quadrat = [512, 512] }}\n")
    done = await owner(bot).slash(bot.channel, "reload")
    assert "choices 'square' and 'quadrat' have the same size" in refusal(bot, done)
    await bot.ask(size="tall")
    assert sides(bot) == (512, 1024)
