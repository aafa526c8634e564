"""Details: everything about a run, and a command that gives the same."""

from __future__ import annotations

from tests.discord.forged import press
from tests.discord.rendered import refusal, text_of
from tests.harness import Harness


async def test_details_show_every_input_and_a_command_to_copy(bot: Harness) -> None:
    await bot.ask(prompt="a *red* fox", seed=7, style="ink", gpu="L4")
    await bot.restart()
    shown = await bot.bob.click(bot.messages()[0], label="Details")
    assert shown.ephemeral
    text = text_of(bot, shown.response)
    run = await bot.run()
    for part in ("a \\*red\\* fox", "**style** ink", "**seed** 7", "asked for: L4", "queued:", "ended:"):
        assert part in text
    assert run.key in text
    line = "/generate prompt:a *red* fox seed:7 style:ink gpu:L4"
    assert f"```\n{line}\n```" in text


async def test_a_long_prompt_is_whole_in_a_file(bot: Harness) -> None:
    prompt = "a fox, " * 700 + "the end"
    await bot.ask(prompt=prompt)
    shown = await bot.alice.click(bot.messages()[0], label="Details")
    (file,) = shown.response.attachments
    assert prompt in (await file.read()).decode()
    assert "The file has all of it" in text_of(bot, shown.response)


async def test_a_run_of_another_channel_is_not_told(bot: Harness) -> None:
    elsewhere = bot.guild.create_text_channel("elsewhere")
    await bot.ask(channel=elsewhere, prompt="a secret fox")
    run = await bot.run()
    await bot.ask(bot.bob, prompt="a dog")
    refused = await press(bot, bot.bob, bot.messages()[0], f"run:{run.key}:details")
    assert refusal(bot, refused) == "This request no longer exists."
