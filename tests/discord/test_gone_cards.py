"""Moderators' cards about requests that the store does not hold any more."""

from __future__ import annotations

import pytest

from bot.database.tables import runs
from tests.discord.actors import report
from tests.discord.moderated_server import NO_APPROVAL, ModeratedServer
from tests.discord.rendered import buttons_of


async def forget(server: ModeratedServer) -> None:
    """Delete the run, as retention does, or as if the request had never been answered."""
    async with server.app.store.database.write() as connection:
        await connection.execute(runs.delete())


@pytest.mark.parametrize("label", ["Approve", "Reject", "Block"])
async def test_a_press_closes_the_card_of_a_deleted_request(server: ModeratedServer, label: str) -> None:
    await server.ask()
    await forget(server)
    await server.restart()
    await server.decide(label)
    assert server.verdict == "This request no longer exists, so there is nothing to decide."
    assert buttons_of(server, server.card) == {}


@pytest.mark.parametrize("form", ["Reject", "Block"])
async def test_a_form_closes_the_card_of_a_deleted_request(server: ModeratedServer, form: str) -> None:
    await server.ask()
    shown = await server.mona.click(server.card, label=form)
    await forget(server)
    await server.mona.submit_modal(shown, {"reason": "no"})
    assert "nothing to decide" in server.verdict
    assert buttons_of(server, server.card) == {}


@pytest.mark.bot(rules=NO_APPROVAL)
@pytest.mark.parametrize("label", ["Delete", "Block", "Dismiss"])
async def test_a_press_closes_the_report_of_a_deleted_result(server: ModeratedServer, label: str) -> None:
    await server.ask()
    await report(server.messages()[0], server.bob)
    await server.play()
    await forget(server)
    await server.decide(label)
    assert "nothing to decide" in server.verdict
    assert buttons_of(server, server.card) == {}
    assert server.card.attachments == []
