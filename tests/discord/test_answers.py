"""Requests of unknown answer: Discord is asked what the requester sees before anything starts."""

from __future__ import annotations

from typing import Any

import discord
import pytest

from bot.domain.runs import RunState
from bot.strings import say
from tests.discord.rendered import texts
from tests.harness import Harness

ANSWERS = "/webhooks/*/messages/@original"


async def unanswered(bot: Harness) -> None:
    """Let Alice ask, and lose the answer on its way to Discord."""
    bot.env.inject_error("POST", "/interactions/*", status=503)
    await bot.alice.slash(bot.channel, "generate", prompt="a fox")


@pytest.mark.parametrize("status", [503, 401, 403], ids=["outage", "reset token", "Cloudflare"])
async def test_an_unanswered_request_is_withdrawn_once_discord_can_be_asked(
    bot: Harness, status: int
) -> None:
    await unanswered(bot)
    bot.env.inject_error("GET", ANSWERS, status=status, times=None)
    await bot.later(seconds=6, times=20)
    assert await bot.states() == [RunState.WAITING]
    bot.env.backend.faults.clear()
    await bot.later(minutes=3)
    assert await bot.runs() == []
    assert bot.messages() == []
    assert bot.calls == []


@pytest.mark.parametrize(("status", "code"), [(503, 0), (401, 50027)], ids=["outage", "token"])
async def test_a_request_of_unknown_answer_is_refused_visibly(bot: Harness, status: int, code: int) -> None:
    await unanswered(bot)
    bot.env.inject_error("GET", ANSWERS, status=status, code=code, times=None)
    await bot.later(minutes=8, times=3)
    assert await bot.states() == [RunState.REFUSED]
    (told,) = texts(bot)
    assert say("answer_lost") in told
    assert bot.calls == []


async def test_a_request_whose_requester_was_told_something_else_is_refused_visibly(
    bot: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error between accepting a request and showing its status is told instead of the status."""
    send = discord.InteractionResponse.send_message

    async def fails(self: Any, *args: Any, **kwargs: Any) -> Any:
        monkeypatch.setattr(discord.InteractionResponse, "send_message", send)
        raise ValueError("a fault of the bot's")

    monkeypatch.setattr(discord.InteractionResponse, "send_message", fails)
    asked = await bot.alice.slash(bot.channel, "generate", prompt="a fox")
    assert asked.ephemeral
    assert len(bot.env.errors) == 1
    await bot.later(minutes=3)
    assert await bot.states() == [RunState.REFUSED]
    (told,) = texts(bot)
    assert say("answer_lost") in told
    assert bot.calls == []


async def test_the_answer_of_a_request_that_ended_before_it_is_removed(
    bot: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request was cancelled by `/runs`, and its outcome couldn't be an edit of the answer."""
    send = discord.InteractionResponse.send_message

    async def late(self: Any, *args: Any, **kwargs: Any) -> Any:
        await bot.app.bot.services.runs.cancel((await bot.run()).key, bot.alice.id)
        await bot.app.workers["show"].drain()
        return await send(self, *args, **kwargs)

    for method in ("PATCH", "DELETE"):
        bot.env.inject_error(method, "/webhooks/*", status=404, code=10015, times=1)
    monkeypatch.setattr(discord.InteractionResponse, "send_message", late)
    await bot.alice.slash(bot.channel, "generate", prompt="a fox")
    await bot.later(minutes=20)
    (told,) = texts(bot)
    assert "### Cancelled: Picture" in told
    assert bot.calls == []
