"""A moderator's power ends at their server: buttons forged there reach no run of another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import discord
import pytest

from tests.contract.store.stored import record
from tests.discord.court import NO_APPROVAL, Court, court
from tests.discord.seen import press, refusal

UNKNOWN = "I don't know this request any more."


async def boss_elsewhere(c: Court) -> tuple[Any, Any]:
    """Who may do everything on another server, and a message of the bot's there."""
    other = c.s.env.create_guild("another server")
    c.s.channel = other.create_text_channel("mine")
    role = other.create_role("boss", permissions=discord.Permissions.all())
    eve = other.add_member(c.s.env.create_user("eve"), roles=[role])
    await c.s.env.settle()
    await eve.slash(c.s.channel, "generate", prompt="an owl")
    await c.s.play()
    (own,) = c.s.channel.history(viewer=eve)
    return eve, own


@pytest.mark.parametrize(
    "action", ["delete", "clear", "report", "dismiss", "block", "details", "edit", "pick"]
)
async def test_what_stands_there_is_out_of_reach(tmp_path: Path, action: str) -> None:
    async with court(tmp_path, rules=NO_APPROVAL) as c:
        await c.ask(count=2)
        key = (await c.s.runs())[0].key
        eve, own = await boss_elsewhere(c)
        before = await record(c.s.app.store)
        assert refusal(c.s, await press(c.s, eve, own, f"run:{key}:{action}")) == UNKNOWN
        await c.s.play()
        assert await record(c.s.app.store) == before
        assert [run.deleted_at for run in await c.s.runs()] == [None] * 3


@pytest.mark.parametrize("action", ["approve", "reject", "block", "cancel", "details"])
async def test_what_waits_there_is_out_of_reach(tmp_path: Path, action: str) -> None:
    async with court(tmp_path) as c:
        await c.ask()
        (waiting,) = await c.s.runs()
        eve, own = await boss_elsewhere(c)
        refused = await press(c.s, eve, own, f"run:{waiting.key}:{action}")
        assert refusal(c.s, refused) == UNKNOWN
        await c.s.play()
        assert waiting in await c.s.runs()
