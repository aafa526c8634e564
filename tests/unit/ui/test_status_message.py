"""Shows places in a queue. The snapshots have every other status message whole."""

from __future__ import annotations

import pytest
from discord.ui import Button

from bot.domain.runs import RunState
from bot.ui.status import finishing_message, status_message
from tests.unit.ui.messages import run, text


@pytest.mark.parametrize(
    ("state", "position", "words"),
    [
        (RunState.WAITING, 1, "Next in the queue"),
        (RunState.WAITING, 2, "Number 2 in the queue"),
        (RunState.QUEUED, 1, "Next in the queue"),
        (RunState.QUEUED, 2, "Number 2 in the queue"),
    ],
)
def test_both_queues_are_counted_from_one(state: RunState, position: int, words: str) -> None:
    assert words in text(status_message([run(state, queue_position=position)], "Flux"))


def test_a_position_is_not_shown_once_it_runs() -> None:
    assert "queue" not in text(status_message([run(RunState.RUNNING, queue_position=3)], "Flux"))


def test_an_ended_run_whose_outputs_are_downloaded_can_no_longer_be_cancelled() -> None:
    message = finishing_message([run(RunState.SUCCEEDED, prompt="a fox")], "Flux")
    assert "Finishing up: Flux" in text(message)
    assert "> a fox" in text(message)
    assert message.layout is not None
    assert not any(isinstance(item, Button) for item in message.layout.walk_children())
