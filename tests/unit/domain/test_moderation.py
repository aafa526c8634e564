"""What is left to decide about a request or a report, and who may delete."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.domain.moderation import check_shown, check_undecided, may_delete
from bot.domain.runs import Run, RunState
from tests.unit.domain.policy_cases import NOW, PERSON, actor, place, refused
from tests.unit.factories import made_run

MONA, RITA, CHANNEL, GALLERY = 21, 22, 2, 9
S = RunState
WAITS = made_run(S.AWAITING_APPROVAL, requester_id=PERSON.id)
EXPIRED, FAILED, DELETED = made_run(S.EXPIRED), made_run(S.FAILED), made_run(deleted_at=NOW)


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
        (MONA, CHANNEL, None, False, True),
        (MONA, GALLERY, None, False, False),
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
