"""Play requests from the command to the outcome, by people who repeat failed actions, and check them.

While a life is played, one reply of the database may get lost, at any step.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from enum import Enum, auto
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, select

from bot.database.rows import WITH_REQUEST
from bot.database.tables import requests, runs
from bot.domain.errors import BotError, StoreUnavailable
from bot.domain.runs import FINAL, Run, RunState
from bot.strings import say
from tests.commits.proxy import PostgresProxy, proxy_of
from tests.databases import Database, PostgresServer
from tests.discord.moderated_server import ModeratedServer, moderate, set_rules
from tests.discord.rendered import buttons_of, text_of
from tests.harness import HELD, Harness, running_bot

Life = Callable[[ModeratedServer], Awaitable[None]]


class Told(Enum):
    """The content of an answer to an action: done, not done, perhaps done; or no answer."""

    YES = auto()
    NO = auto()
    MAYBE = auto()
    NOTHING = auto()


_MAYBE = {say("request_unknown"), say("commit_unknown")}


def told(bot: Harness, result: Any) -> Told:
    """Return what an answer says, and check that every error is a `BotError`, which has a sentence."""
    for error in bot.env.errors:
        assert isinstance(getattr(error, "original", error), BotError), error
    if not result.acknowledged:
        return Told.NOTHING
    # After the first answer, an error is a follow-up.
    answers = [*result.followups, *([result.response] if result.response is not None else [])]
    content = text_of(bot, answers[0]) if answers else ""
    if content in _MAYBE:
        return Told.MAYBE
    return Told.NO if content == say("store_unavailable") else Told.YES


async def play(bot: Harness) -> None:
    """Run the workers until they are idle, and restart them if one lost the database."""
    while True:
        try:
            return await bot.play()
        except StoreUnavailable:
            continue


async def settled(bot: Harness) -> None:
    """Let leases and grace times expire until all work is done, and then once more."""
    done = False
    for seconds in (0, 6, 70, 180, 70, 300, 600):
        bot.clock.move(seconds=seconds)
        await bot.env.advance_time(seconds)
        await play(bot)
        if done:
            return
        done = not await bot.app.app.store.messages.pending() and not await unfinished(bot)


async def unfinished(bot: Harness) -> int:
    """Count the runs that haven't ended."""

    def work(connection: Connection) -> Any:
        query = select(func.count()).select_from(runs).where(runs.c.state.not_in(FINAL))
        return connection.scalar(query) or 0

    return await bot.app.app.store.database.read(work)


async def stored_keys(bot: Harness) -> set[str]:
    return await bot.app.app.store.database.read(
        lambda connection: set((connection.execute(select(runs.c.key))).scalars())
    )


async def newest(bot: Harness, before: set[str]) -> Run | None:
    """Return the run whose key isn't in `before`, if there is one."""
    found = await stored_keys(bot) - before
    assert len(found) <= 1
    return await bot.app.app.store.runs.get(found.pop()) if found else None


@asynccontextmanager
async def one_request(bot: ModeratedServer) -> AsyncIterator[dict[str, Any]]:
    """Check after the block that a request has exactly one outcome and its requester was told the truth.

    The block sets `told`, the first answer, and `states`, the allowed final states, in the yielded dict.
    """
    keys, calls = await stored_keys(bot), len(bot.calls)
    shown, letters = {message.id for message in bot.messages()}, len(bot.letters())
    seen: dict[str, Any] = {"states": {RunState.SUCCEEDED}, "told": Told.YES}
    yield seen
    await settled(bot)
    run = await newest(bot, keys)
    made = len(bot.calls) - calls
    messages = [message for message in bot.messages() if message.id not in shown]
    if run is None:
        # The request wasn't stored, so it cost nothing, and nobody was told that it starts.
        assert seen["told"] is not Told.YES
        assert made == 0
        # The deferred answer may have become one of these sentences.
        assert {text_of(bot, message) for message in messages} <= {*_MAYBE, say("store_unavailable")}
        return
    assert seen["told"] in (Told.YES, Told.MAYBE)
    assert run.state in seen["states"], (run.state, run.failure_code)
    assert made == (run.state in (RunState.SUCCEEDED, RunState.UNCONFIRMED) or run.submissions > 0)
    # A rejection is sent as a direct message.
    assert len(messages) + len(bot.letters()) - letters == 1
    assert not any("Cancel" in buttons_of(bot, message) for message in messages)
    assert await bot.app.app.store.messages.pending() == 0


async def generated(bot: ModeratedServer) -> None:
    """Send a request as Alice, and wait for its picture."""
    async with one_request(bot) as seen:
        seen["told"] = told(bot, await bot.alice.slash(bot.channel, "generate", prompt="a fox"))


async def cancelled(bot: ModeratedServer) -> None:
    """Send a request as Alice, and cancel it while it is running."""
    bot.comfydeploy.next_faults(HELD)
    async with one_request(bot) as seen:
        seen["states"] = {RunState.CANCELLED}
        asked = await bot.alice.slash(bot.channel, "generate", prompt="a fox")
        seen["told"] = told(bot, asked)
        if seen["told"] is Told.YES:
            await play(bot)
            await repeated(bot, lambda: bot.alice.click(asked.response.message, label="Cancel"))
            # ComfyDeploy holds the run, so only the cancellation can end it.


async def approved(bot: ModeratedServer) -> None:
    """Send a request as Alice, and approve it as Mona."""
    await _moderated(bot, _approve, RunState.SUCCEEDED)


async def rejected(bot: ModeratedServer) -> None:
    """Send a request as Alice, and reject it as Mona."""
    await _moderated(bot, _reject, RunState.REJECTED)


async def _moderated(
    bot: ModeratedServer, decide: Callable[[ModeratedServer, Any], Awaitable[Any]], end: RunState
) -> None:
    cards, letters = len(bot.cards()), len(bot.letters())
    async with one_request(bot) as seen:
        seen["states"] = {end}
        asked = await bot.alice.slash(bot.channel, "generate", prompt="a fox")
        seen["told"] = told(bot, asked)
        if seen["told"] is not Told.YES:
            return
        await until_card(bot, cards)
        card = bot.card
        await repeated(bot, lambda: decide(bot, card))
    assert len(bot.cards()) == cards + 1
    assert buttons_of(bot, bot.card) == {}
    assert len(bot.letters()) == letters + (end is RunState.REJECTED)


async def until_card(bot: ModeratedServer, cards: int) -> None:
    """Let time pass until the review card appears; after a lost reply, a lease must expire first."""
    for _ in range(5):
        await play(bot)
        if len(bot.cards()) > cards:
            return
        bot.clock.move(seconds=70)
        await bot.env.advance_time(70)
    raise AssertionError("there is no card")


async def _approve(bot: ModeratedServer, card: Any) -> Any:
    return await bot.mona.click(card, label="Approve")


async def _reject(bot: ModeratedServer, card: Any) -> Any:
    shown = await bot.mona.click(card, label="Reject")
    if shown.modal is None:
        return shown
    return await bot.mona.submit_modal(shown, {"reason": "no"})


async def repeated(bot: ModeratedServer, act: Callable[[], Awaitable[Any]]) -> None:
    """Repeat an action while its answer says that it failed, and check that it changed nothing then."""
    for _ in range(3):
        before = await decisions(bot)
        answer = told(bot, await act())
        if answer is Told.YES:
            return
        # Only one step is lost, so the bot can always find out whether the action was stored.
        assert answer is Told.NO
        assert await decisions(bot) == before
    raise AssertionError("it never worked")


async def decisions(bot: Harness) -> list[Any]:
    """Return the deciding and cancelling people of all unfinished runs."""
    query = (
        select(runs.c.key, requests.c.decided_by, runs.c.cancelled_by)
        .select_from(WITH_REQUEST)
        .where(runs.c.state.not_in(FINAL))
    )
    return await bot.app.app.store.database.read(
        lambda connection: list((connection.execute(query.order_by(runs.c.key))).all())
    )


LIVES: dict[str, Life] = {
    "generated": generated,
    "cancelled": cancelled,
    "approved": approved,
    "rejected": rejected,
}
MODERATED = frozenset({"approved", "rejected"})


@asynccontextmanager
async def bot_behind_proxy(
    postgres: PostgresServer, folder: Path, life: str = "generated"
) -> AsyncIterator[tuple[ModeratedServer, PostgresProxy]]:
    """Run the bot in an offline Discord, with PostgreSQL behind a proxy and the rules of a life."""
    url = await postgres.new_database()
    async with proxy_of(url) as (proxy, behind), running_bot(folder, database_url=behind) as bot:
        bot.runner.database = Database(behind, direct=url)
        server = await moderate(bot)
        if life not in MODERATED:
            await set_rules(server)
        yield server, proxy
    postgres.give_back(url)


def committed_paths(proxy: PostgresProxy, since: int) -> list[tuple[str, ...]]:
    """Return the distinct paths to the steps of all transactions committed from index `since` on."""
    paths: dict[tuple[str, ...], None] = {}
    for transaction in proxy.transactions[since:]:
        if transaction.committed:
            for index in range(len(transaction.statements)):
                paths[transaction.path(index)] = None
    return list(paths)
