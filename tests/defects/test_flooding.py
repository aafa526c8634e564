"""A person makes at most ten rows or cards a minute, and is never kept from cancelling or deleting."""

from __future__ import annotations

import pytest
import simcord

from tests.defects.seen import given, own_record, recorded
from tests.discord.actors import report
from tests.discord.moderated_server import NO_APPROVAL, ModeratedServer
from tests.discord.rendered import buttons_of, refusal, text_of
from tests.harness import HELD, Harness

A_MINUTES_WORTH = 10


async def ask_and_cancel(server: ModeratedServer) -> None:
    """Let Alice send a request and, unless it is refused, cancel it."""
    asked = await server.ask()
    told = refusal(server, asked)
    if "Cancel" not in buttons_of(server, asked.response):
        assert told
    else:
        await server.click(asked.response.message, "Cancel")
        assert "Cancelled" in text_of(server, asked.response)
        assert "Cancel" not in buttons_of(server, asked.response)


async def test_requests_and_cancellations_make_at_most_ten_cards_a_minute(server: ModeratedServer) -> None:
    with given():
        for _ in range(40):
            await ask_and_cancel(server)
        assert "The requester cancelled it." in server.verdict
        await server.ask(server.bob)
        assert "Approve" in buttons_of(server, server.card)
    assert len(server.cards()) <= A_MINUTES_WORTH + 1
    written = await recorded(server, server.mona)
    assert written.count("Request") + written.count("Refused at once") <= A_MINUTES_WORTH + 1
    await server.later(minutes=1)
    before = len(server.cards())
    await server.ask()
    assert len(server.cards()) == before + 1


@pytest.mark.bot(rules=NO_APPROVAL)
async def test_reports_make_at_most_ten_cards_a_minute(server: ModeratedServer) -> None:
    made = []
    for _ in range(12):
        made.append(await server.made())
        await server.later(seconds=30)
    with given():
        for message in made:
            assert refusal(server, await report(message, server.bob))
        await server.play()
        assert f"Reported by <@{server.bob.id}>" in server.verdict
    assert len(server.cards()) <= A_MINUTES_WORTH
    await server.later(minutes=1)
    before = len(server.cards())
    assert refusal(server, await report(made[-1], server.bob))
    await server.play()
    assert len(server.cards()) == before + 1


async def test_deleting_ones_data_again_is_never_refused_and_writes_no_row(bot: Harness) -> None:
    with given():
        await bot.ask()
        for _ in range(25):
            asked = await bot.alice.slash(bot.channel, "privacy delete")
            done = await bot.alice.click(asked.response, label="Delete my data")
            assert str(done.response.content).startswith("Deleted the contents of ")
        written = [line["action"] for line in await own_record(bot, bot.alice)]
        assert "request" in written
    assert written.count("privacy") == 1


async def test_pressing_cancel_again_is_never_refused_and_writes_no_row(
    bot: Harness, mona: simcord.MemberActor
) -> None:
    asked = await bot.ask(faults=HELD)
    with given():
        for _ in range(25):
            pressed = await bot.alice.click(asked.response.message, label="Cancel")
            assert not pressed.ephemeral
        await bot.play()
        assert "Cancelled" in text_of(bot, asked.response)
        written = await recorded(bot, mona)
        assert "Request" in written
    assert written.count("Cancellation") == 1
