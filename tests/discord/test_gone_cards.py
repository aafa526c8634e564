"""Moderators' cards about requests that the store does not hold any more."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.store.tables import runs
from tests.discord.court import NO_APPROVAL, Court, court
from tests.discord.seen import buttons_of


async def forget(c: Court) -> None:
    """The run goes as the retention takes it, or a request whose answer never arrived."""
    async with c.s.app.store.database.write() as connection:
        await connection.execute(runs.delete())


@pytest.mark.parametrize("label", ["Approve", "Reject", "Block"])
async def test_a_card_whose_request_is_gone_loses_its_buttons_when_pressed(
    tmp_path: Path, label: str
) -> None:
    async with court(tmp_path) as c:
        await c.ask()
        await forget(c)
        await c.s.restart()
        await c.decide(label)
        assert c.verdict == "I don't know this request any more, so there is nothing to decide."
        assert buttons_of(c.s, c.card) == {}


@pytest.mark.parametrize("form", ["Reject", "Block"])
async def test_a_form_opened_before_the_request_went_closes_the_card(tmp_path: Path, form: str) -> None:
    async with court(tmp_path) as c:
        await c.ask()
        shown = await c.mona.click(c.card, label=form)
        await forget(c)
        await c.mona.submit_modal(shown, {"reason": "no"})
        assert "nothing to decide" in c.verdict
        assert buttons_of(c.s, c.card) == {}


@pytest.mark.parametrize("label", ["Delete", "Block", "Dismiss"])
async def test_a_report_about_a_result_that_is_gone_loses_buttons_and_pictures(
    tmp_path: Path, label: str
) -> None:
    async with court(tmp_path, rules=NO_APPROVAL) as c:
        await c.ask()
        await c.s.bob.click(c.s.messages()[0], label="Report")
        await c.s.play()
        await forget(c)
        await c.decide(label)
        assert "nothing to decide" in c.verdict
        assert buttons_of(c.s, c.card) == {}
        assert c.card.attachments == []
