"""Refusals before the queue call: one sentence that only the requester sees, and nothing is spent."""

from __future__ import annotations

from typing import Any

import discord
import pytest

from demo.fake_comfydeploy.deployments import PICTURE_ID
from tests.discord.forged import complete
from tests.discord.rendered import refusal
from tests.harness import Harness

PNG = b"\x89PNG\r\n\x1a\n"
_NUMBER = """
[deployments.many.inputs.number{:02}]
kind = "integer"
min = 1
max = 9
default = 3
required = false
"""
MANY = f"""
[deployments.many]
deployment_id = "{PICTURE_ID}"
[deployments.many.inputs.prompt]
kind = "text"
""" + "".join(_NUMBER.format(at) for at in range(30))


async def assert_nothing_happened(bot: Harness) -> None:
    await bot.play()
    assert bot.calls == []
    assert await bot.runs() == []
    assert bot.messages() == []


@pytest.mark.bot(deployments=MANY)
async def test_more_reaches_comfydeploy(bot: Harness) -> None:
    await bot.ask(more="number29=7, NUMBER28=2")
    (call,) = bot.calls
    assert call.body["inputs"]["number29"] == 7
    assert call.body["inputs"]["number28"] == 2
    refused = await bot.ask(more="number29=10")
    assert "`number29` is 10, but must be at most 9." in refusal(bot, refused)
    assert len(bot.calls) == 1


async def test_a_picture_goes_on_as_its_address(bot: Harness) -> None:
    asked = await bot.alice.slash(bot.channel, "generate", prompt="a fox", image=("start.png", PNG))
    assert not asked.ephemeral
    await bot.play()
    (call,) = bot.calls
    assert call.body["inputs"]["image"].startswith("https://cdn.simcord.invalid/")


@pytest.mark.parametrize(
    ("denied", "names"),
    [
        (["send_messages"], "Send Messages"),
        (["read_message_history"], "Read Message History"),
        (["attach_files", "embed_links"], "Embed Links, Attach Files"),
    ],
    ids=lambda given: "+".join(given) if isinstance(given, list) else "",
)
async def test_missing_permissions_are_named_at_once(bot: Harness, denied: list[str], names: str) -> None:
    overwrite: Any = discord.PermissionOverwrite(**dict.fromkeys(denied, False))
    closed = bot.guild.create_text_channel("closed", overwrites={bot.env.bot.user: overwrite})
    told = refusal(bot, await bot.alice.slash(closed, "generate", prompt="a fox"))
    assert f"I need: {names}." in told
    await assert_nothing_happened(bot)


async def test_the_database_is_away(bot: Harness) -> None:
    async with bot.database_away():
        told = refusal(bot, await bot.alice.slash(bot.channel, "generate", prompt="a fox"))
        assert told.startswith("I can't reach my database right now")
        assert bot.calls == []
    await assert_nothing_happened(bot)
    asked = await bot.alice.slash(bot.channel, "generate", prompt="a fox")
    assert not asked.ephemeral


async def test_an_answer_that_discord_refuses_starts_nothing(bot: Harness) -> None:
    bot.env.inject_error("POST", "/interactions/*", status=404, code=10062)
    result = await bot.alice.slash(bot.channel, "generate", prompt="a fox")
    assert result.response is None
    assert bot.env.errors == []
    await bot.later(minutes=1)
    await assert_nothing_happened(bot)


async def test_autocomplete_of_a_command_that_is_gone_offers_nothing(bot: Harness) -> None:
    result = await complete(bot, bot.alice, "gone", old_option="x")
    assert result.autocomplete_choices == []
    assert result.response is None
    assert [type(error) for error in bot.env.errors] == [discord.app_commands.CommandNotFound]
