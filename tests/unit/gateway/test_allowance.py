"""Which commands, buttons and forms count against their user's allowance."""

from __future__ import annotations

import pytest

from bot.ui.custom_ids import Action, CustomId, RunId, SaveId, SettingId

A = Action
FREE = {
    *(A.CANCEL, A.APPROVE, A.REJECT, A.BLOCK, A.DISMISS, A.SHOW, A.VEIL, A.HIDE, A.REPORT),
    *(A.EDIT, A.DETAILS, A.USE, A.SAVE, A.MORE, A.MORE_OF_ALL),
}


def test_a_button_counts_unless_it_shows_or_ends_something() -> None:
    assert {action for action in Action if not RunId("k" * 16, action).writes(form=False)} == FREE


@pytest.mark.parametrize(
    ("id", "pressed", "sent"),
    [
        (RunId("k", Action.SHARE), True, True),
        (SaveId("k"), False, True),
        (RunId("k", Action.BLOCK), False, True),
        (RunId("k", Action.REJECT), False, False),
        (SettingId("home", "tidy"), True, True),
        (SettingId("home", "open"), False, True),
    ],
    ids=str,
)
def test_a_form_counts_when_it_is_sent(id: CustomId, pressed: bool, sent: bool) -> None:
    assert (id.writes(form=False), id.writes(form=True)) == (pressed, sent)
