"""On joining a server nothing is said there; the commands are there, and answer who asks."""

from __future__ import annotations

from pathlib import Path

from tests.discord.seen import requests_to, text_of
from tests.stage import stage


async def test_on_joining_a_server_nothing_is_posted_anywhere(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        before = len(requests_to(s, "POST", "/channels/")) + len(requests_to(s, "POST", "/users/"))
        new = s.env.create_guild("Somewhere else")
        channel = new.create_text_channel("general")
        owner = new.add_member(s.env.create_user("olga"))
        await s.env.settle()
        await s.later(hours=1)
        assert channel.history(viewer=owner) == []
        assert owner.user.dm_channel.history() == []
        assert len(requests_to(s, "POST", "/channels/")) + len(requests_to(s, "POST", "/users/")) == before
        shown = await owner.slash(channel, "help")
        assert shown.ephemeral
        assert "`/generate`" in text_of(s, shown.response)
