"""Details shows everything about a run, and a command that repeats it."""

from __future__ import annotations

import re
from typing import Any

from demo.fake_comfydeploy.faults import Faults
from tests.discord.actors import erase_data, open_details
from tests.discord.forged import own_answer, press
from tests.discord.moderated_server import set_rules
from tests.discord.rendered import refusal, text_of
from tests.harness import Harness


async def test_details_show_every_input_and_a_command_to_copy(bot: Harness) -> None:
    await bot.ask(prompt="a *red* fox", seed=7, style="ink", gpu="L4")
    await bot.restart()
    shown = await open_details(bot.messages()[0], bot.bob)
    assert shown.ephemeral
    text = text_of(bot, shown.response)
    run = await bot.run()
    for part in (
        "a \\*red\\* fox",
        "**style:** ink",
        "**seed:** 7",
        "GPU requested: L4",
        "queued <t:",
        "ended <t:",
    ):
        assert part in text
    assert run.key in text
    line = "/generate prompt:a *red* fox seed:7 style:ink gpu:L4"
    assert f"```\n{line}\n```" in text


async def test_a_run_of_another_channel_is_not_told(bot: Harness) -> None:
    elsewhere = bot.guild.create_text_channel("elsewhere")
    await bot.ask(channel=elsewhere, prompt="a secret fox")
    run = await bot.run()
    refused = await press(bot, bot.bob, await own_answer(bot, bot.bob), f"run:{run.key}:details")
    assert refusal(bot, refused) == "This request no longer exists."


async def test_after_a_deletion_of_ones_data_there_is_no_command_to_copy(bot: Harness) -> None:
    await bot.ask(prompt="a fox")
    await erase_data(bot)
    text = text_of(bot, (await open_details(bot.messages()[0], bot.alice)).response)
    assert "The inputs were deleted, so no command repeats this." in text
    assert "/generate" not in text


async def test_nodes_are_named_in_details_alone(bot: Harness) -> None:
    asked = await bot.ask(faults=Faults(hold_at="uploading"))
    await bot.later(seconds=3)
    run = await bot.run()
    assert run.live_status is not None
    assert run.live_status not in text_of(bot, asked.response)
    shown = await press(bot, bot.alice, asked.response.message, f"run:{run.key}:details")
    assert f"step {run.live_status}" in text_of(bot, shown.response)


def commands(text: str) -> list[str]:
    """Return the commands to copy."""
    return re.findall(r"```\n(/generate .*)\n```", text)


async def paste(bot: Harness, command: str, actor: Any = None) -> None:
    """Send a copied command, with numbers as a client would send them."""
    pairs = re.findall(r"(\S+?):(.*?)(?= \S+:|\Z)", command.removeprefix("/generate "))
    await bot.ask(actor, **{name: int(value) if value.isdigit() else value for name, value in pairs})


async def details_of(bot: Harness, key: str, actor: Any = None) -> str:
    shown = await press(bot, actor or bot.alice, bot.messages()[-1], f"run:{key}:details")
    return text_of(bot, shown.response)


async def test_a_run_of_a_batch_has_a_command_for_itself(bot: Harness) -> None:
    await bot.ask(count=3)
    batch = await bot.runs()
    (line,) = commands(await details_of(bot, batch[1].key))
    await paste(bot, line)
    *_, repeated = await bot.runs()
    assert (repeated.inputs, repeated.request.count) == (batch[1].inputs, 1)


async def test_the_command_of_a_private_run_is_private(bot: Harness) -> None:
    await set_rules(bot, private_results=True)
    asked = await bot.ask(private=True)
    shown = await press(bot, bot.alice, asked.response.message, f"run:{(await bot.run()).key}:details")
    (line,) = commands(text_of(bot, shown.response))
    assert line.endswith(" private:True")
