"""What a stored run says about itself: its token, its result, and where its end is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.domain.runs import REQUESTER_BLOCKED, Run, is_told_elsewhere
from bot.domain.runs import RunState as S
from bot.domain.transitions import may_have_result
from tests.unit.factories import made_run

NOW = datetime(2026, 3, 14, 15, 9, 26, tzinfo=UTC)


@pytest.mark.parametrize(
    ("token", "seconds", "usable"),
    [
        ("hush", 21, True),
        ("hush", 20, False),  # too close to its end
        ("hush", -1, False),
        ("hush", None, False),
        (None, 900, False),
        (None, None, False),
    ],
)
def test_a_token_is_used_until_shortly_before_its_end(
    token: str | None, seconds: float | None, usable: bool
) -> None:
    end = None if seconds is None else NOW + timedelta(seconds=seconds)
    run = made_run(S.RUNNING, interaction_token=token, interaction_expires_at=end)
    assert run.interaction_token_at(NOW) == ("hush" if usable else None)


@pytest.mark.parametrize(("guild_id", "server"), [(8, 8), (None, 7)])
def test_a_run_outside_servers_counts_for_its_requester(guild_id: int | None, server: int) -> None:
    assert made_run(S.RUNNING, guild_id=guild_id, requester_id=7).server == server


@pytest.mark.parametrize(
    ("state", "partial", "expected"),
    [
        (S.SUCCEEDED, False, True),
        (S.FAILED, True, True),
        (S.RUNNING, False, True),
        (S.WAITING, False, True),
        # A success may still be reported.
        (S.UNCONFIRMED, False, True),
        (S.TIMED_OUT, False, True),
        (S.FAILED, False, False),
        (S.CANCELLED, False, False),
        (S.REJECTED, False, False),
    ],
)
def test_a_run_may_have_a_result_until_it_has_failed(state: S, partial: bool, expected: bool) -> None:
    assert may_have_result(made_run(state, partial=partial)) is expected


@pytest.mark.parametrize(
    ("code", "params", "expected"),
    [
        (REQUESTER_BLOCKED, {"quiet": True}, True),
        (REQUESTER_BLOCKED, {"quiet": False}, False),
        (REQUESTER_BLOCKED, {}, False),
        ("rejected", {"quiet": True}, False),
        (None, {}, False),
    ],
)
def test_a_block_is_told_once_for_all_requests(
    code: str | None, params: dict[str, Any], expected: bool
) -> None:
    run = made_run(S.CANCELLED, failure_code=code, failure_params=params)
    assert is_told_elsewhere(run) is expected


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (made_run(S.RUNNING), True),
        (made_run(S.WAITING), True),
        (made_run(S.RUNNING, cancel_requested_at=NOW), False),
        (made_run(S.RUNNING, status_note="not_cancellable"), False),
        (made_run(S.RUNNING, status_note="another"), True),
        (made_run(S.SUCCEEDED), False),
    ],
)
def test_a_run_can_be_cancelled_once_until_it_ends(run: Run, *, expected: bool) -> None:
    assert run.is_cancellable is expected
