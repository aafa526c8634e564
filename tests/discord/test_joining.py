"""On joining a server nothing is said there; the commands are there, and answer who asks."""

from __future__ import annotations

from tests.discord.rendered import requests_to, text_of
from tests.harness import Harness


async def test_on_joining_a_server_nothing_is_posted_anywhere(bot: Harness) -> None:
    before = len(requests_to(bot, "POST", "/channels/")) + len(requests_to(bot, "POST", "/users/"))
    new = bot.env.create_guild("Somewhere else")
    channel = new.create_text_channel("general")
    owner = new.add_member(bot.env.create_user("olga"))
    await bot.env.settle()
    await bot.later(hours=1)
    assert channel.history(viewer=owner) == []
    assert owner.user.dm_channel.history() == []
    assert len(requests_to(bot, "POST", "/channels/")) + len(requests_to(bot, "POST", "/users/")) == before
    shown = await owner.slash(channel, "help")
    assert shown.ephemeral
    assert "</generate:" in text_of(bot, shown.response)
