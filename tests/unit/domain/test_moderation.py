"""What is left to decide about a request or a report, and who may delete."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.domain.errors import RefusedError
from bot.domain.moderation import (
    check_shown,
    check_undecided,
    may_delete,
)
from bot.domain.requests import Actor, ChannelState
from bot.domain.runs import Run, RunState
from tests.unit.domain.policy_cases import NOW, PERSON, place
from tests.unit.factories import made_run

MONA, RITA, CHANNEL, GALLERY = 21, 22, 2, 9
S = RunState
WAITS = made_run(S.AWAITING_APPROVAL, requester_id=PERSON.id)


@pytest.mark.parametrize(
    ("moderator", "batch", "code", "params"),
    [
        (MONA, [WAITS, WAITS], None, {}),
        (PERSON.id, [WAITS], "own_request", {}),
        (MONA, [replace(WAITS, state=S.WAITING, decided_by=RITA)], "already_decided", {"person": RITA}),
        (MONA, [replace(WAITS, state=S.EXPIRED)], "review_over", {}),
        (PERSON.id, [replace(WAITS, state=S.EXPIRED)], "review_over", {}),
        (MONA, [WAITS, replace(WAITS, state=S.CANCELLED)], "review_over", {}),
    ],
)
def test_a_request_is_decided_once_and_not_by_its_requester(
    moderator: int, batch: list[Run], code: str | None, params: dict[str, Any]
) -> None:
    if code is None:
        check_undecided(moderator, *batch)
        return
    with pytest.raises(RefusedError) as caught:
        check_undecided(moderator, *batch)
    assert (caught.value.code, caught.value.params) == (code, params)


def test_something_of_a_batch_has_to_be_shown() -> None:
    done, failed, deleted = made_run(), made_run(S.FAILED), made_run(deleted_at=NOW)
    check_shown(failed, deleted, done)
    for batch, code in (((failed, deleted), "already_deleted"), ((failed,), "no_result")):
        with pytest.raises(RefusedError, match=f"^{code} "):
            check_shown(*batch)


@pytest.mark.parametrize(
    ("changes", "person", "moderated", "channel", "allowed"),
    [
        ({}, PERSON.id, None, None, True),
        ({"private": True}, PERSON.id, None, None, True),
        ({}, MONA, None, None, False),
        ({}, MONA, CHANNEL, None, True),
        ({}, MONA, GALLERY, None, False),
        ({}, MONA, GALLERY, GALLERY, True),
        ({}, MONA, CHANNEL, GALLERY, False),
        ({"private": True}, MONA, CHANNEL, None, False),
    ],
)
def test_the_requester_and_who_manages_the_messages_channel_may_delete(
    changes: dict[str, Any], person: int, moderated: int | None, channel: int | None, allowed: bool
) -> None:
    run = made_run(requester_id=PERSON.id, channel_id=CHANNEL, **changes)
    actor = Actor(
        person=replace(PERSON, id=person),
        origin=place(channel_id=moderated or CHANNEL),
        channel_ids=frozenset(),
        channel_state=lambda _channel: ChannelState(),
        manages_messages=moderated is not None,
    )
    assert may_delete(run, actor, channel) is allowed
