"""`/pause` and `/resume`: for the bot's owner only, told to everybody, kept over a restart."""

from __future__ import annotations

from pathlib import Path

import discord

from bot.runs import RunState
from bot.store.notes import NoteStore
from bot.store.pause import PAUSE_NOTE
from tests.discord.crowd import call, owner
from tests.discord.seen import pinged, refusal
from tests.stage import stage


async def test_while_paused_everybody_is_refused_with_the_reason_until_the_owner_resumes(
    tmp_path: Path,
) -> None:
    async with stage(tmp_path) as s:
        olga = owner(s)
        done = await olga.slash(s.channel, "pause", reason="moving the machines")
        assert done.ephemeral
        assert "Requests under way go on" in done.response.content
        await s.restart()
        s.app.bot.owner_id = olga.id
        for person in (s.alice, olga):
            refused = await person.slash(s.channel, "generate", prompt="a fox")
            assert refusal(s, refused) == "Generating is paused for the moment: moving the machines"
        assert await s.runs() == []
        assert (await olga.slash(s.channel, "resume")).response.content == "I take on requests again."
        await s.alice.slash(s.channel, "generate", prompt="a fox")
        await s.play()
        assert (await s.run()).state is RunState.SUCCEEDED
        refused = await olga.slash(s.channel, "resume")
        assert refusal(s, refused) == "The bot isn't paused."


async def test_a_request_under_way_goes_on(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await s.alice.slash(s.channel, "generate", prompt="a fox")
        await owner(s).slash(s.channel, "pause", reason="moving")
        await s.play()
        assert (await s.run()).state is RunState.SUCCEEDED


async def test_the_servers_admin_is_not_the_bots_owner(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        role = s.guild.create_role("admin", permissions=discord.Permissions(administrator=True))
        admin = s.guild.add_member(s.env.create_user("adam"), roles=[role])
        assert not {"pause", "resume"} & set(s.bob.available_commands(s.channel))
        reason = [{"name": "reason", "type": 3, "value": "because"}]
        for person in (admin, s.bob):
            for name, options in (("pause", reason), ("resume", [])):
                refused = await call(s, person, name, options)
                assert refusal(s, refused) == "Only the bot's owner can do that."
        assert await NoteStore(s.app.store.database).get(PAUSE_NOTE) is None


async def test_the_reason_pings_nobody(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        await owner(s).slash(s.channel, "pause", reason="@everyone go away")
        refused = await s.alice.slash(s.channel, "generate", prompt="a fox")
        assert refusal(s, refused).endswith("\\@everyone go away")
        assert pinged(s) == []
