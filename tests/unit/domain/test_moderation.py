"""What a stored run says about itself, what is left to decide about it, and who may delete."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot.domain.moderation import check_shown, check_undecided, may_delete
from bot.domain.runs import REQUESTER_BLOCKED, Run, is_told_elsewhere
from bot.domain.runs import RunState as S
from tests.unit.domain.policy_cases import NOW, PERSON, actor, place, refused
from tests.unit.factories import made_run

MONA, RITA, CHANNEL, GALLERY = 21, 22, 2, 9
WAITS = made_run(S.AWAITING_APPROVAL, requester_id=PERSON.id)
EXPIRED, FAILED, DELETED = made_run(S.EXPIRED), made_run(S.FAILED), made_run(deleted_at=NOW)


def test_a_run_outside_servers_counts_for_its_requester() -> None:
    assert [made_run(guild_id=server, requester_id=7).server for server in (8, None)] == [8, 7]


@pytest.mark.parametrize(("seconds", "usable"), [(21, True), (20, False), (None, False)])
def test_a_token_is_used_until_shortly_before_its_end(seconds: float | None, usable: bool) -> None:
    end = None if seconds is None else NOW + timedelta(seconds=seconds)
    run = made_run(S.RUNNING, interaction_token="hush", interaction_expires_at=end)
    assert run.interaction_token_at(NOW) == ("hush" if usable else None)


@pytest.mark.parametrize(
    ("run", "can_be_cancelled"),
    [
        (made_run(S.WAITING), True),
        (made_run(S.RUNNING, cancel_requested_at=NOW), False),
        (made_run(S.RUNNING, status_note="not_cancellable"), False),
        (made_run(S.SUCCEEDED), False),
    ],
)
def test_a_run_can_be_cancelled_once_until_it_ends(run: Run, can_be_cancelled: bool) -> None:
    assert run.is_cancellable is can_be_cancelled


@pytest.mark.parametrize(
    ("code", "quiet", "elsewhere"),
    [(REQUESTER_BLOCKED, True, True), (REQUESTER_BLOCKED, False, False), ("rejected", True, False)],
)
def test_a_block_is_told_once_for_all_requests(code: str, quiet: bool, elsewhere: bool) -> None:
    run = made_run(S.CANCELLED, failure_code=code, failure_params={"quiet": quiet})
    assert is_told_elsewhere(run) is elsewhere


@pytest.mark.parametrize(
    ("moderator", "batch", "code", "params"),
    [
        (MONA, [WAITS, WAITS], None, {}),
        (PERSON.id, [WAITS], "own_request", {}),
        (MONA, [replace(WAITS, state=S.WAITING, decided_by=RITA)], "already_decided", {"person": RITA}),
        (MONA, [WAITS, EXPIRED], "review_over", {}),
    ],
)
def test_a_request_is_decided_once_and_not_by_its_requester(
    moderator: int, batch: list[Run], code: str | None, params: dict[str, Any]
) -> None:
    found = refused(check_undecided, moderator, *batch)
    assert (found and (found.code, found.params)) == (code and (code, params))


@pytest.mark.parametrize(
    ("batch", "code"),
    [([FAILED, DELETED, made_run()], None), ([FAILED, DELETED], "already_deleted"), ([FAILED], "no_result")],
)
def test_something_of_a_batch_has_to_be_shown(batch: list[Run], code: str | None) -> None:
    found = refused(check_shown, *batch)
    assert (found and found.code) == code


@pytest.mark.parametrize(
    ("person", "moderated", "channel", "private", "allowed"),
    [
        (PERSON.id, None, None, True, True),
        (MONA, None, None, False, False),
        (MONA, GALLERY, GALLERY, False, True),
        (MONA, CHANNEL, GALLERY, False, False),
        (MONA, CHANNEL, None, True, False),
    ],
)
def test_the_requester_and_who_manages_the_messages_channel_may_delete(
    person: int, moderated: int | None, channel: int | None, private: bool, allowed: bool
) -> None:
    run = made_run(requester_id=PERSON.id, channel_id=CHANNEL, private=private)
    here = place(channel_id=moderated or CHANNEL)
    user = actor(replace(PERSON, id=person), here, manages_messages=moderated is not None)
    assert may_delete(run, user, channel) is allowed
