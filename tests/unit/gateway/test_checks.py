"""Which buttons work on which messages, and what counts against its user's allowance."""

from __future__ import annotations

import pytest

from bot.domain.messages.records import CARDS, Kind
from bot.gateway.checks import may_be_on
from bot.ui import custom_ids as ids
from tests.unit.ui.test_custom_ids import KEY


def test_each_button_is_on_the_messages_that_have_it() -> None:
    def on(kind: Kind) -> set[str]:
        return {action for action in ids.Action if may_be_on(ids.RunId(KEY, action), kind)}

    review = {"approve", "reject", "block", "details"}
    report = {"clear", "block", "dismiss"}
    assert on(Kind.REVIEW) == review
    assert on(Kind.REPORT) == report
    assert on(Kind.PICTURES) == {"show", "veil", "hide", "block"}
    others = set(ids.Action) - {"approve", "reject", "block", "dismiss", "show", "veil", "hide"}
    assert all(on(kind) == others for kind in set(Kind) - CARDS)
    assert not may_be_on(ids.DraftId(KEY), Kind.REVIEW)


A = ids.Action
FREE = {
    *(A.CANCEL, A.APPROVE, A.REJECT, A.BLOCK, A.DISMISS, A.SHOW, A.VEIL, A.HIDE, A.REPORT),
    *(A.EDIT, A.DETAILS, A.USE, A.SAVE, A.MORE, A.MORE_OF_ALL),
}


def test_a_button_counts_unless_it_shows_or_ends_something() -> None:
    assert {action for action in ids.Action if not ids.RunId("k" * 16, action).writes(form=False)} == FREE


@pytest.mark.parametrize(
    ("id", "pressed", "sent"),
    [
        (ids.RunId("k", A.SHARE), True, True),
        (ids.SaveId("k"), False, True),
        (ids.RunId("k", A.BLOCK), False, True),
        (ids.RunId("k", A.REJECT), False, False),
        (ids.SettingId("home", "tidy"), True, True),
        (ids.SettingId("home", "open"), False, True),
    ],
    ids=str,
)
def test_a_form_counts_when_it_is_sent(id: ids.CustomId, pressed: bool, sent: bool) -> None:
    assert (id.writes(form=False), id.writes(form=True)) == (pressed, sent)
