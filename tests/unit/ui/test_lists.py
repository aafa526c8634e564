"""The lists fit into a message whatever stands in them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from discord.ui.view import BaseView

from bot.deployments.input_text import displayed_inputs
from bot.domain.records import PAGE_SIZE
from bot.domain.requests import Holder
from bot.domain.runs import (
    Direction,
    HistoryPage,
    Run,
    RunCursor,
    RunFilter,
    RunListEntry,
    RunsPage,
    RunState,
)
from bot.ui.custom_ids import RunListAction, RunsId
from bot.ui.lists import presets_layout, queue_layout, runs_layout
from tests.unit.factories import made_preset, made_run
from tests.unit.ui.messages import components, options, text

AT = datetime(2026, 5, 4, 12, 30, 15, 123456, tzinfo=UTC)
WORST = "*_`~<@[" * 1000


def run(**changes: Any) -> Run:
    """As long as anything in it may be."""
    worst = {
        "state": RunState.AWAITING_APPROVAL,
        "key": "k" * 20,
        "created_at": AT,
        "requester_id": (1 << 63) - 1,
        "guild_id": (1 << 63) - 1,
        "channel_id": (1 << 63) - 2,
        "status_message_id": (1 << 63) - 3,
        "prompt": WORST,
    }
    return made_run(**{**worst, **changes})


def custom_ids(layout: BaseView) -> list[str]:
    return [part["custom_id"] for part in components(layout) if "custom_id" in part]


@pytest.mark.parametrize("here", [None, 7])
def test_what_was_kept_elsewhere_fits_and_is_not_offered(here: int | None) -> None:
    entries = [RunListEntry([run(key=f"key{number}")], True, None) for number in range(PAGE_SIZE)]
    layout = runs_layout(HistoryPage(entries), RunsPage(), lambda _: WORST, here=here)
    assert len(text(layout)) <= 4000
    assert text(layout).count("use `/runs` [where you asked](https://discord.com/channels/") == PAGE_SIZE
    assert not [
        custom_id for custom_id in custom_ids(layout) if custom_id.startswith(f"runs:{RunListAction.POST}:")
    ]


@pytest.mark.parametrize("wanted", RunFilter)
def test_every_page_of_runs_fits_into_a_message(wanted: RunFilter) -> None:
    entries = [RunListEntry([run(key=f"key{number}")], True, None) for number in range(PAGE_SIZE)]
    place = RunsPage(wanted, Direction.NEWER, RunCursor(AT, "k" * 20))
    cursor = RunCursor(AT, "k" * 20)
    layout = runs_layout(HistoryPage(entries, cursor, cursor), place, lambda _: WORST, here=(1 << 63) - 1)
    assert len(text(layout)) <= 4000
    ids = custom_ids(layout)
    assert len(ids) == len(set(ids)) == 4
    assert all(len(custom_id) <= 100 and RunsId.read(custom_id) for custom_id in ids)
    assert len(options(layout)) == 2 * PAGE_SIZE
    assert all(len(option["label"]) <= 100 for option in options(layout))


def test_a_run_that_is_being_cancelled_says_so_and_is_not_offered_again() -> None:
    entry = RunListEntry([run(state=RunState.RUNNING, cancel_requested_at=AT)], False, None)
    layout = runs_layout(HistoryPage([entry]), RunsPage(), lambda name: name, here=1)
    assert "Cancelling: **flux**" in text(layout)
    assert options(layout) == []


def test_the_queue_shows_ones_own_prompt_and_nobody_elses() -> None:
    found = [run(requester_id=1, prompt="a fox"), run(requester_id=2, prompt="a secret")]
    shown = text(queue_layout(found, 0, more=False, viewer_id=1, title=lambda name: name))
    assert "a fox" in shown
    assert "a secret" not in shown
    assert "<@1>" in shown
    assert "<@2>" in shown


@pytest.mark.parametrize(
    ("state", "position", "told"),
    [
        (RunState.WAITING, 1, "next in the queue"),
        (RunState.WAITING, 3, "number 3 in the queue"),
        (RunState.QUEUED, 1, "next in the queue"),
        (RunState.QUEUED, 3, "number 3 in the queue"),
    ],
)
def test_a_place_in_a_queue_is_told_from_one_on(state: RunState, position: int, told: str) -> None:
    found = [run(state=state, queue_position=position)]
    assert told in text(queue_layout(found, 0, more=False, viewer_id=1, title=lambda name: name))


def test_a_full_page_of_the_queue_fits_and_goes_on_counting() -> None:
    found = [run(state=RunState.WAITING, queue_position=10**6) for _ in range(PAGE_SIZE)]
    layout = queue_layout(found, 3, more=True, viewer_id=(1 << 63) - 1, title=lambda _: WORST)
    assert len(text(layout)) <= 4000
    assert "\n31. " in text(layout)


def test_a_full_page_of_presets_fits() -> None:
    one = made_preset("*" * 32, holder=Holder.SERVER, inputs={"style": WORST}, gpu="A10G", created_by=None)
    layout = presets_layout(
        [one] * PAGE_SIZE,
        1,
        more=True,
        title=lambda _: WORST,
        inputs=lambda preset: displayed_inputs(None, preset.inputs),
        default=one,
    )
    assert len(text(layout)) <= 4000
