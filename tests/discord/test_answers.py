"""A request is stored only once Discord shows its deferred answer, which then becomes the status message."""

from __future__ import annotations

from typing import Any

import discord
import pytest

from bot.domain.errors import RequestUnknown, StoreUnavailable
from bot.domain.runs import RunState
from bot.services import generation, moderation
from bot.strings import say
from tests.discord.rendered import refusal, requests_to, text_of, texts
from tests.harness import HELD, Harness

CALLBACK, ANSWER = "/interactions/*", "/webhooks/*/messages/@original"
REQUESTS, NOTE = "bot.store.requests.RequestStore", "bot.store.messages.MessageStore.answered"


async def ask(bot: Harness, **options: Any) -> Any:
    return await bot.alice.slash(bot.channel, "generate", prompt="a fox", **options)


async def test_nothing_is_stored_if_discord_refuses_the_deferral(bot: Harness) -> None:
    bot.env.inject_error("POST", CALLBACK, status=404, code=10062)
    assert not (await ask(bot)).acknowledged
    await bot.play()
    assert await bot.runs() == []
    assert bot.calls == []


async def test_nothing_is_stored_if_the_deferral_never_reached_discord(bot: Harness) -> None:
    bot.env.inject_error("POST", CALLBACK, status=503)
    await ask(bot)
    await bot.later(minutes=3)
    assert (await bot.runs(), bot.messages(), bot.calls) == ([], [], [])


async def test_a_deferral_whose_reply_is_lost_is_looked_up(
    bot: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    defer = discord.InteractionResponse.defer

    async def loses(self: Any, **kwargs: Any) -> Any:
        await defer(self, **kwargs)
        raise ConnectionResetError

    monkeypatch.setattr(discord.InteractionResponse, "defer", loses)
    await ask(bot)
    await bot.play()
    assert await bot.states() == [RunState.SUCCEEDED]
    assert len(texts(bot)) == 1


async def test_an_interaction_that_another_process_answered_starts_nothing(
    bot: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def answered(self: Any, **kwargs: Any) -> Any:
        await self.send_message("by another process")
        await discord.InteractionResponse(self._parent).send_message("again")

    monkeypatch.setattr(discord.InteractionResponse, "defer", answered)
    await ask(bot)
    await bot.play()
    assert await bot.runs() == []
    assert texts(bot) == ["by another process"]


@pytest.mark.parametrize("change", [False, True], ids=["waiting", "changed"])
async def test_the_status_worker_shows_what_the_acceptor_could_not(bot: Harness, *, change: bool) -> None:
    bot.env.inject_error("PATCH", ANSWER, status=500)
    if change:
        bot.comfydeploy.next_faults(HELD)
    asked = await ask(bot)
    assert text_of(bot, asked.response) == ""
    if change:
        await bot.play()
    await bot.later(seconds=15)
    if change:
        assert "Starting the machine" in text_of(bot, asked.response)
        assert (await bot.run()).request.answer_id == asked.response.id
        await bot.release()
    assert await bot.states() == [RunState.SUCCEEDED]
    assert len(bot.messages()) == 1


async def test_an_answer_whose_id_was_not_stored_is_edited_again(
    bot: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: Any) -> None:
        raise StoreUnavailable

    with monkeypatch.context() as patched:
        patched.setattr(NOTE, fails)
        asked = await bot.ask(faults=HELD)
    await bot.later(seconds=61)
    assert (await bot.run()).request.answer_id == asked.response.id
    await bot.release()
    assert len(bot.messages()) == 1


@pytest.mark.parametrize("error", [StoreUnavailable, RequestUnknown])
async def test_a_database_that_goes_away_after_the_deferral_is_told_until_discord_listens(
    bot: Harness, monkeypatch: pytest.MonkeyPatch, error: type[StoreUnavailable]
) -> None:
    async def fails(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(f"{REQUESTS}.accept", fails)
    monkeypatch.setattr("bot.gateway.client._INSIST_PAUSE", 0)
    bot.env.inject_error("PATCH", ANSWER, status=503, times=12)
    asked = await ask(bot)
    assert len(bot.env.errors) == 1
    assert text_of(bot, asked.response) == say(error.code)
    assert len(requests_to(bot, "PATCH", "@original")) > 1


async def test_a_refusal_after_a_public_deferral_is_private(
    bot: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = generation.check_files

    async def pauses(*args: Any) -> None:
        await check(*args)
        await moderation.pause(bot.app.bot.app, 1, "a reason")

    monkeypatch.setattr(generation, "check_files", pauses)
    asked = await ask(bot)
    assert not asked.ephemeral
    assert "a reason" in refusal(bot, asked)
    assert (await bot.runs(), texts(bot)) == ([], ["I've answered this privately."])
    assert [line.action for line in await bot.audit()][-1] == "refusal"
