"""Buttons that a moderator forges on another server reach no run of this one."""

from __future__ import annotations

from typing import Any

import pytest

from tests.discord.actors import member
from tests.discord.forged import own_answer, press
from tests.discord.moderated_server import NO_APPROVAL, ModeratedServer
from tests.discord.rendered import refusal
from tests.sampling import every_nth

UNKNOWN = "This request no longer exists."


async def boss_elsewhere(server: ModeratedServer) -> tuple[Any, Any]:
    """Return an administrator of another server, and an answer of the bot's there."""
    other = server.env.create_guild("another server")
    server.channel = other.create_text_channel("mine")
    eve = member(server, "eve", guild=other, administrator=True)
    await server.env.settle()
    return eve, await own_answer(server, eve)


@pytest.mark.bot(rules=NO_APPROVAL)
@pytest.mark.parametrize(
    "action", every_nth(["delete", "clear", "discard", "report", "block", "dismiss", "edit", "details"], 2)
)
async def test_a_result_there_is_out_of_reach(server: ModeratedServer, action: str) -> None:
    await server.ask(count=2)
    key = (await server.runs())[0].key
    eve, own = await boss_elsewhere(server)
    before = await server.audit()
    assert refusal(server, await press(server, eve, own, f"run:{key}:{action}")) == UNKNOWN
    await server.play()
    assert await server.audit() == before
    assert [run.deleted_at for run in await server.runs()] == [None] * 2


@pytest.mark.parametrize(
    "action", every_nth(["approve", "reject", "cancel", "block", "delete", "details"], 2)
)
async def test_what_waits_there_is_out_of_reach(server: ModeratedServer, action: str) -> None:
    await server.ask()
    (waiting,) = await server.runs()
    eve, own = await boss_elsewhere(server)
    refused = await press(server, eve, own, f"run:{waiting.key}:{action}")
    assert refusal(server, refused) == UNKNOWN
    await server.play()
    assert waiting in await server.runs()
