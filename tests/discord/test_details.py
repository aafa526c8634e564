"""Details: everything about a run, and a command that gives the same."""

from __future__ import annotations

from pathlib import Path

from tests.discord.seen import press, text_of
from tests.stage import stage


async def test_details_show_every_input_and_a_command_to_copy(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await s.alice.slash(s.channel, "generate", prompt="a *red* fox", seed=7, style="ink", gpu="L4")
        await s.play()
        await s.restart()
        shown = await s.bob.click(s.messages()[0], label="Details")
        assert shown.ephemeral
        text = text_of(s, shown.response)
        run = await s.run()
        for part in ("a \\*red\\* fox", "**style** ink", "**seed** 7", "asked for: L4", "queued:", "ended:"):
            assert part in text
        assert run.key in text
        line = "/generate prompt:a *red* fox seed:7 style:ink gpu:L4"
        assert f"```\n{line}\n```" in text


async def test_a_long_prompt_is_whole_in_a_file(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        prompt = "a fox, " * 700 + "the end"
        await s.alice.slash(s.channel, "generate", prompt=prompt)
        await s.play()
        shown = await s.alice.click(s.messages()[0], label="Details")
        (file,) = shown.response.attachments
        assert prompt in (await file.read()).decode()
        assert "The file has all of it" in text_of(s, shown.response)


async def test_a_run_of_another_channel_is_not_told(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        elsewhere = s.guild.create_text_channel("elsewhere")
        await s.alice.slash(elsewhere, "generate", prompt="a secret fox")
        await s.play()
        run = await s.run()
        await s.bob.slash(s.channel, "generate", prompt="a dog")
        await s.play()
        refused = await press(s, s.bob, s.messages()[0], f"run:{run.key}:details")
        assert refused.ephemeral
        assert refused.response.content == "I don't know this request any more."
