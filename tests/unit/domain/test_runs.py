"""What a stored run says about itself: its token, its server, and where its end is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bot.domain.runs import REQUESTER_BLOCKED, Run, is_told_elsewhere
from bot.domain.runs import RunState as S
from tests.unit.factories import made_run

NOW = datetime(2026, 3, 14, 15, 9, 26, tzinfo=UTC)


@pytest.mark.parametrize(("seconds", "usable"), [(21, True), (20, False), (None, False)])
def test_a_token_is_used_until_shortly_before_its_end(seconds: float | None, usable: bool) -> None:
    end = None if seconds is None else NOW + timedelta(seconds=seconds)
    run = made_run(S.RUNNING, interaction_token="hush", interaction_expires_at=end)
    assert run.interaction_token_at(NOW) == ("hush" if usable else None)


def test_a_run_outside_servers_counts_for_its_requester() -> None:
    servers = [made_run(guild_id=guild_id, requester_id=7).server for guild_id in (8, None)]
    assert servers == [8, 7]


def test_a_block_is_told_once_for_all_requests() -> None:
    told = made_run(S.CANCELLED, failure_code=REQUESTER_BLOCKED)
    quiet, other = (
        made_run(S.CANCELLED, failure_code=code, failure_params={"quiet": True})
        for code in (REQUESTER_BLOCKED, "rejected")
    )
    assert [is_told_elsewhere(run) for run in (told, quiet, other)] == [False, True, False]


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (made_run(S.WAITING), True),
        (made_run(S.RUNNING, cancel_requested_at=NOW), False),
        (made_run(S.RUNNING, status_note="not_cancellable"), False),
        (made_run(S.RUNNING, status_note="another"), True),
        (made_run(S.SUCCEEDED), False),
    ],
)
def test_a_run_can_be_cancelled_once_until_it_ends(run: Run, expected: bool) -> None:
    assert run.is_cancellable is expected
