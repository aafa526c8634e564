"""What is refused before the queue call: one sentence to the person alone, and nothing spent."""

from __future__ import annotations

from typing import Any

import discord
import pytest

from demo.fake_comfydeploy.deployments import PICTURE_ID
from tests.discord.forged import call, complete, strings
from tests.discord.rendered import refusal
from tests.harness import HELD, Harness

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


async def test_a_gpu_that_is_not_offered(bot: Harness) -> None:
    told = refusal(bot, await call(bot, bot.alice, "generate", strings(prompt="a fox", gpu="RTX4090")))
    assert "RTX4090" in told
    assert "A100-80GB" in told
    await assert_nothing_happened(bot)


@pytest.mark.bot(deployments=MANY)
@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("number29=10", "`number29` is 10; the largest is 9."),
        ("number29=0", "`number29` is 0; the smallest is 1."),
        ("number29=red", "`number29` needs a whole number, not “red”."),
        ("colour=red", "There is no option `colour`"),
        ("number29=1, number29=2", "`number29` was given twice."),
        ("nonsense", "I can't read `more`"),
    ],
)
async def test_more_is_checked_like_any_option(bot: Harness, more: str, said: str) -> None:
    asked = await bot.alice.slash(bot.channel, "generate", prompt="a fox", more=more)
    assert said in refusal(bot, asked)
    await assert_nothing_happened(bot)


@pytest.mark.bot(deployments=MANY)
async def test_more_reaches_comfydeploy(bot: Harness) -> None:
    await bot.ask(more="number29=7, NUMBER28=2")
    (call,) = bot.calls
    assert call.body["inputs"]["number29"] == 7
    assert call.body["inputs"]["number28"] == 2


async def test_a_file_of_the_wrong_type(bot: Harness) -> None:
    asked = await bot.alice.slash(bot.channel, "generate", prompt="a fox", image=("notes.txt", b"hello"))
    told = refusal(bot, asked)
    assert "`image`" in told
    assert "notes.txt" in told
    await assert_nothing_happened(bot)


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
        (["embed_links"], "Embed Links"),
        (["attach_files"], "Attach Files"),
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


@pytest.mark.bot(allowed_guild_ids=(1,))
async def test_a_server_that_the_operator_does_not_allow(bot: Harness) -> None:
    told = refusal(bot, await bot.alice.slash(bot.channel, "generate", prompt="a fox"))
    assert told == "This bot doesn't generate on this server. Its operator can allow it."
    await assert_nothing_happened(bot)


@pytest.mark.bot(daily_gpu_seconds=60)
async def test_the_days_gpu_seconds_are_used_up(bot: Harness) -> None:
    await bot.ask(faults=HELD)
    told = refusal(bot, await bot.bob.slash(bot.channel, "generate", prompt="an owl"))
    assert told.startswith("Today's GPU time is used up.")
    await bot.play()
    assert len(bot.calls) == 1
    await bot.later(days=1)
    asked = await bot.bob.slash(bot.channel, "generate", prompt="an owl")
    assert not asked.ephemeral


async def test_the_database_is_away(bot: Harness) -> None:
    await bot.app.store.close()
    with bot.database_away():
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


async def test_an_answer_of_unknown_fate_is_asked_about_and_withdrawn_if_nobody_saw_it(bot: Harness) -> None:
    bot.env.inject_error("POST", "/interactions/*", status=503)
    asked = await bot.ask()
    assert not asked.acknowledged
    assert len(await bot.runs()) == 1
    assert bot.calls == []
    await bot.later(seconds=6)
    await assert_nothing_happened(bot)


async def test_autocomplete_of_a_command_that_is_gone_offers_nothing(bot: Harness) -> None:
    result = await complete(bot, bot.alice, "gone", old_option="x")
    assert result.autocomplete_choices == []
    assert result.response is None
    assert [type(error) for error in bot.env.errors] == [discord.app_commands.CommandNotFound]
