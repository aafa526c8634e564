"""`/help`: one deployment whole, many by choice."""

from __future__ import annotations

import pytest

from tests.discord.deployments import TWO
from tests.discord.rendered import text_of
from tests.harness import Harness


async def test_help_tells_the_only_deployments_options_with_limits(bot: Harness) -> None:
    shown = await bot.alice.slash(bot.channel, "help")
    assert shown.ephemeral
    text = text_of(bot, shown.response)
    for part in (
        "`/generate`",
        "**width**",
        "from 256 to 1536",
        "default 768",
        "watercolour",
        "Press Edit",
    ):
        assert part in text


@pytest.mark.bot(deployments=TWO)
async def test_help_of_several_turns_to_each(bot: Harness) -> None:
    shown = await bot.alice.slash(bot.channel, "help")
    assert "/generate video" in text_of(bot, shown.response)
    await bot.restart()
    await bot.alice.select(shown.response.message, ["picture"])
    assert "from 256 to 1536" in text_of(bot, shown.response)
