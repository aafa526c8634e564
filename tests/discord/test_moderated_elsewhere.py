"""A moderator's power ends at their server: buttons forged there reach no run of another."""

from __future__ import annotations

from typing import Any

import discord
import pytest

from tests.contract.store.rows import audit_log
from tests.discord.forged import press
from tests.discord.moderated_server import NO_APPROVAL, ModeratedServer
from tests.discord.rendered import refusal
from tests.sampling import every_nth

UNKNOWN = "This request no longer exists."


async def boss_elsewhere(server: ModeratedServer) -> tuple[Any, Any]:
    """Who may do everything on another server, and a message of the bot's there."""
    other = server.env.create_guild("another server")
    server.channel = other.create_text_channel("mine")
    role = other.create_role("boss", permissions=discord.Permissions.all())
    eve = other.add_member(server.env.create_user("eve"), roles=[role])
    await server.env.settle()
    await eve.slash(server.channel, "generate", prompt="an owl")
    await server.play()
    (own,) = server.channel.history(viewer=eve)
    return eve, own


@pytest.mark.bot(rules=NO_APPROVAL)
@pytest.mark.parametrize(
    "action", every_nth(["delete", "clear", "report", "dismiss", "block", "details", "edit", "pick"], 2)
)
async def test_what_stands_there_is_out_of_reach(server: ModeratedServer, action: str) -> None:
    await server.ask(count=2)
    key = (await server.runs())[0].key
    eve, own = await boss_elsewhere(server)
    before = await audit_log(server.app.store)
    assert refusal(server, await press(server, eve, own, f"run:{key}:{action}")) == UNKNOWN
    await server.play()
    assert await audit_log(server.app.store) == before
    assert [run.deleted_at for run in await server.runs()] == [None] * 3


@pytest.mark.parametrize(
    "action", every_nth(["approve", "reject", "block", "cancel", "details", "delete"], 2)
)
async def test_what_waits_there_is_out_of_reach(server: ModeratedServer, action: str) -> None:
    await server.ask()
    (waiting,) = await server.runs()
    eve, own = await boss_elsewhere(server)
    refused = await press(server, eve, own, f"run:{waiting.key}:{action}")
    assert refusal(server, refused) == UNKNOWN
    await server.play()
    assert waiting in await server.runs()
