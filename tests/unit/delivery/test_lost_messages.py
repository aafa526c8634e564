"""The search for a message whose id was lost tells a run's messages from moderators' cards about it."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import discord
import pytest

from bot.delivery.posting import is_about, is_message_of
from bot.deployments.input_text import ShownInputs
from bot.domain.runs import RunState
from bot.ui.message_parts import FileKind, OutgoingMessage, PreparedOutputs
from bot.ui.moderation import decided_card, report_card, review_card
from bot.ui.results import withheld_message
from bot.ui.shares import share_messages
from tests.unit.ui.messages import ASKED, KEY, file, outcome, run

# A run that took a file and made twelve, so that its messages and its cards have files of the same names.
TOOK = PreparedOutputs(files=(file(1),))
MADE = PreparedOutputs(files=tuple(file(number) for number in range(1, 13)))
SONG = PreparedOutputs(files=(file(1, FileKind.AUDIO, "wav"),))
INPUTS = ShownInputs((("prompt", "a fox"),), ())
DONE = run(RunState.SUCCEEDED, decided_by=5, decided_at=ASKED, review_channel_id=9)
WAITING = run(RunState.AWAITING_APPROVAL, review_channel_id=9)
UNDECIDED = review_card(WAITING, "Flux", INPUTS, TOOK)
# An edit that sends no files keeps those of the message.
DECIDED = OutgoingMessage(layout=decided_card(DONE, "Flux", INPUTS).layout, files=UNDECIDED.files)
CARDS: Mapping[str, OutgoingMessage] = {
    "undecided": UNDECIDED,
    "decided": DECIDED,
    "report": report_card(DONE, "Flux", [7], None, TOOK),
}
SHOWN: Mapping[str, OutgoingMessage] = {
    **{f"result {number}": each for number, each in enumerate(outcome(DONE, MADE))},
    **{f"share {number}": each for number, each in enumerate(share_messages(DONE, "Flux", MADE, None))},
    "song": outcome(DONE, SONG)[0],
    "shared song": share_messages(DONE, "Flux", SONG, None)[0],
    "files alone": OutgoingMessage(files=TOOK.files),
    "withheld": withheld_message(DONE, postable=True),
}


def posted(message: OutgoingMessage) -> discord.Message:
    """Return what Discord gives back of a message, as far as it is compared."""
    view = message.layout or message.view
    parts: dict[str, Any] = {
        "components": [*view.children] if view is not None else [],
        "content": message.content or "",
        "attachments": [SimpleNamespace(filename=file.filename) for file in message.files],
    }
    return cast(discord.Message, SimpleNamespace(**parts))


@pytest.mark.parametrize("card", CARDS)
@pytest.mark.parametrize("shown", SHOWN)
def test_neither_is_taken_for_the_other(card: str, shown: str) -> None:
    assert not is_message_of(posted(CARDS[card]), KEY, SHOWN[shown])
    if card != "decided":  # no attempt posts it: it is an edit
        assert not is_message_of(posted(SHOWN[shown]), KEY, CARDS[card])


@pytest.mark.parametrize("name", [*SHOWN, "undecided", "report"])
def test_each_is_found_as_itself(name: str) -> None:
    message = {**CARDS, **SHOWN}[name]
    assert is_message_of(posted(message), KEY, message)


def test_a_search_for_all_messages_about_a_run_leaves_the_cards_out() -> None:
    assert [name for name, each in SHOWN.items() if not is_about(posted(each), KEY)] == []
    assert [name for name, each in CARDS.items() if is_about(posted(each), KEY)] == []
    assert not any(is_about(posted(each), "another") for each in SHOWN.values())
