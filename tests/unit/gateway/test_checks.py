"""Which buttons work on which messages."""

from __future__ import annotations

from bot.domain.messages import CARDS, Purpose
from bot.gateway.client import may_be_on
from bot.ui import custom_ids as ids
from tests.unit.ui.test_custom_ids import KEY


def test_each_button_is_on_the_messages_that_have_it() -> None:
    def on(purpose: Purpose) -> set[str]:
        return {action for action in ids.Action if may_be_on(ids.RunId(KEY, action), purpose)}

    assert on(Purpose.REVIEW) == {"approve", "reject", "block", "details"}
    assert on(Purpose.REPORT) == {"clear", "block", "dismiss"}
    assert on(Purpose.PICTURES) == {"show", "veil", "hide", "block"}
    decisions = {"approve", "reject", "block", "clear", "dismiss", "show", "veil", "hide"}
    assert all(on(purpose) == set(ids.Action) - decisions for purpose in set(Purpose) - CARDS)
    assert not may_be_on(ids.DraftId(KEY), Purpose.REVIEW)
