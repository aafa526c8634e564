"""What a person sees while a run is on its way."""

from __future__ import annotations

import pytest

from bot.messages.run import status_part
from bot.runs import FINAL, RunState
from bot.words import SENTENCES
from tests.unit.messages import ASKED, KEY, assert_within_limits, buttons, run, text

STATUS = {
    RunState.WAITING: "Waiting for a free place: Flux",
    RunState.AWAITING_APPROVAL: "Waiting for approval: Flux",
    RunState.SUBMITTING: "Starting: Flux",
    RunState.QUEUED: "In the queue: Flux",
    RunState.RUNNING: "Generating: Flux",
    RunState.UPLOADING: "Finishing up: Flux",
}


@pytest.mark.parametrize("state", STATUS)
def test_a_status_says_the_phase_the_prompt_and_since_when(state: RunState) -> None:
    part = status_part(run(state, queue_position=2), "Flux")
    assert text(part).splitlines()[:2] == [f"### {STATUS[state]}", "> a lighthouse"]
    assert f"<t:{int(ASKED.timestamp())}:R>" in text(part)
    assert part.mention is None
    assert buttons(part) == [("Cancel", f"run:{KEY}:cancel")]
    assert_within_limits(part)


def test_every_state_that_is_not_final_has_a_status() -> None:
    assert set(STATUS) == set(RunState) - FINAL


def test_progress_is_shown_as_the_service_said_it() -> None:
    shown = text(status_part(run(RunState.RUNNING, progress=0.5, live_status="Executing KSampler"), "Flux"))
    assert "▰▰▰▰▰▰▱▱▱▱▱▱ 50% · Executing KSampler" in shown
    assert "%" not in text(status_part(run(RunState.RUNNING), "Flux"))


@pytest.mark.parametrize(
    ("state", "position", "words"),
    [
        (RunState.WAITING, 1, "Next in the queue"),
        (RunState.WAITING, 2, "Number 2 in the queue"),
        (RunState.QUEUED, 0, "Next in the queue"),
        (RunState.QUEUED, 1, "Number 2 in the queue"),
    ],
)
def test_both_queues_are_counted_from_one(state: RunState, position: int, words: str) -> None:
    assert words in text(status_part(run(state, queue_position=position), "Flux"))


def test_a_position_is_not_shown_once_it_runs() -> None:
    assert "queue" not in text(status_part(run(RunState.RUNNING, queue_position=3), "Flux"))


def test_a_wish_to_cancel_is_shown_and_the_button_goes() -> None:
    part = status_part(run(RunState.RUNNING, cancel_requested_at=ASKED), "Flux")
    assert text(part).startswith("### Cancelling: Flux")
    assert buttons(part) == []


def test_a_machine_that_cannot_stop_says_so_and_the_button_goes() -> None:
    part = status_part(run(RunState.RUNNING, note="not_cancellable"), "Flux")
    assert SENTENCES["not_cancellable"] in text(part)
    assert buttons(part) == []
