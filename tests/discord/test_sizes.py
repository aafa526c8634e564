"""Sizes: one choice in Discord, two numbers at ComfyDeploy; what older requests used still applies."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from tests.discord.actors import open_details, owner, submit
from tests.discord.deployments import ONE
from tests.discord.moderated_server import ModeratedServer
from tests.discord.rendered import RADIO_GROUP, fields, filled, text_of
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
    assert "**size:** tall" in text
    assert "width" not in text
    assert "```\n/generate prompt:a fox seed:7 size:Tall 1:2 · 512 × 1024\n```" in text
    form = await bot.alice.click(message, label="Edit")
    assert list(fields(form.modal)) == ["prompt", "negative", "size", "seed", "style"]
    assert fields(form.modal)["size"]["type"] == RADIO_GROUP
    assert filled(form.modal)["size"] == "tall"
    await bot.restart()
    await submit(bot, form, filled(form.modal) | {"size": "square"})
    assert sides(bot) == (512, 512)


@pytest.mark.bot(deployments=ONE)
async def test_a_size_from_before_is_kept_by_again_shown_and_left_in_the_form(bot: Harness) -> None:
    message = await bot.made(width=640, height=384)
    await bot.restart(deployments=SIZED)
    details = await open_details(message, bot.alice)
    text = text_of(bot, details.response)
    assert "**size:** 640 × 384" in text
    assert "size:\n```" in text
    await bot.click(message, "Again")
    assert sides(bot) == (640, 384)
    form = await bot.alice.click(message, label="Edit")
    options = [option["label"] for option in fields(form.modal)["size"]["options"]]
    assert options == ["Square 1:1 · 512 × 512", "Tall 1:2 · 512 × 1024", "640 × 384"]
    await bot.restart()
    await submit(bot, form, filled(form.modal) | {"prompt": "a wolf"})
    assert sides(bot) == (640, 384)


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
    assert "size: tall" in text_of(bot, listed.response)
    await bot.restart(deployments=ONE)
    await bot.click(message, "Again")
    assert sides(bot) == (512, 1024)
    await bot.ask(prompt="an owl", preset="tall")
    assert sides(bot) == (512, 1024)


async def test_moderators_read_the_choice(server: ModeratedServer) -> None:
    await server.ask(size="tall")
    card = text_of(server, server.card)
    assert "tall" in card
    assert "512" not in card


async def test_a_size_that_comfydeploy_does_not_take_is_told_by_start_and_reload(
    bot: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    sentence = "deployment 'picture': size 'huge' is left out: width doesn't take it"
    bot.runner.write_deployments(f"{ONE}sizes.choices = {{ square = [512, 512], huge = [4096, 512] }}\n")
    done = await owner(bot).slash(bot.channel, "reload")
    assert sentence in str(done.response.content)
    with caplog.at_level(logging.WARNING):
        caplog.clear()
        await bot.restart()
    assert sentence in caplog.text
    await bot.ask(size="square")
    assert sides(bot) == (512, 512)
