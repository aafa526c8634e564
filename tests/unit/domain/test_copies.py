"""Which results may be copied, when a second copy is refused, and which messages belong to a copy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.domain.copies import (
    CopyRequest,
    check_available,
    check_copyable,
    check_first_copy,
    copy_to_delete,
    offers_copy,
)
from bot.domain.messages import Message, MessageRef, Part, Place, Purpose, Rendering, Shows
from bot.domain.requests import PAGE_SIZE
from bot.domain.runs import Output, Run, RunState
from bot.ui.custom_ids import QueueId
from bot.ui.message_parts import pager
from tests.unit.domain.policy_cases import NOW, PERSON, actor, code_of, place, refused
from tests.unit.factories import made_run

GALLERY, HERE, MODERATOR = 9, 2, 77
OUTPUT = Output(kind="images", url="https://outputs.example/a.png")
MADE = made_run(requester_id=PERSON.id, guild_id=7, outputs=(OUTPUT,), count=2)
FIRST, SECOND, OLD = (MessageRef(GALLERY, number) for number in (11, 12, 13))


def test_only_a_public_result_that_is_there_can_be_copied() -> None:
    assert code_of(check_copyable, MADE) is None
    assert code_of(check_copyable, replace(MADE, private=True)) == "copy_private"
    reviewed = replace(MADE, review_channel_id=9)
    assert code_of(check_copyable, reviewed) == "details_hidden"
    assert code_of(check_copyable, replace(reviewed, decided_at=NOW)) is None
    failed = replace(MADE, state=RunState.FAILED)
    assert code_of(check_available, failed) == "no_result"
    assert code_of(check_available, replace(failed, partial=True)) is None
    for changes, code in (({"deleted_at": NOW}, "copy_result_deleted"), ({"outputs": ()}, "copy_file_gone")):
        gone = replace(MADE, **changes)
        assert code_of(check_available, gone) == code_of(check_copyable, gone) == code


def test_a_copy_is_offered_where_the_requester_sees_their_result() -> None:
    assert offers_copy(MADE, actor())
    assert not offers_copy(replace(MADE, deleted_at=NOW), actor())
    assert not offers_copy(MADE, actor(origin=place(8)))
    assert not offers_copy(MADE, actor(replace(PERSON, id=5)))


def part(ref: MessageRef, index: int = 0, of: int = 1) -> Part:
    more = {"shows": Shows.RESULT, "rev": 1, "rendering": Rendering.FILES, "place": Place.CHANNEL}
    return Part(channel_id=ref[0], message_id=ref[1], index=index, of=of, **more)


def message(purpose: Purpose = Purpose.SHARE, *refs: MessageRef, **more: Any) -> Message:
    """Return a message that is shown in full by these messages, by default by one."""
    refs = refs or (FIRST,)
    posted = tuple(part(ref, index, len(refs)) for index, ref in enumerate(refs))
    return Message(**{"request_key": "k", "purpose": purpose, "shown_rev": 1, "posted": posted, **more})


def by_key(*found: Message) -> dict[tuple[Purpose, int], Message]:
    return {(each.purpose, each.number): each for each in found}


OUTCOME = message(Purpose.OUTCOME, MessageRef(HERE, 1))
SHARE, POST = CopyRequest(key="k", shared_to=GALLERY), CopyRequest(key="k")
MOVED = CopyRequest(key="k", shared_to=GALLERY + 1)
MINE, THEIRS = {"deleted_by": PERSON.id}, {"deleted_by": MODERATOR}
NONE: dict[str, Any] = {"posted": ()}
PENDING: dict[str, Any] = {"posted": (), "shown_rev": 0}


@pytest.mark.parametrize(
    ("copy", "found", "code"),
    [
        (SHARE, [OUTCOME, message(Purpose.POST), message(Purpose.LATE)], None),
        (SHARE, [message(Purpose.SHARE, FIRST, SECOND)], "share_there"),
        (SHARE, [message(**NONE)], None),  # it failed
        (SHARE, [message(**PENDING)], "copy_pending"),
        (SHARE, [message(**MINE)], None),
        (SHARE, [message(**MINE, shown_rev=0)], "copy_pending"),
        (SHARE, [message(**PENDING, **THEIRS)], "share_deleted"),
        (MOVED, [message()], None),
        (MOVED, [message(**THEIRS)], "share_deleted"),
        (POST, [message(Purpose.POST)], "post_there"),
        (POST, [message(Purpose.POST, **THEIRS)], "post_deleted"),
        (POST, [message(Purpose.LATE, shown_rev=0)], "post_there"),
        (POST, [message(Purpose.LATE, **PENDING)], "copy_pending"),
        (POST, [message(Purpose.LATE, **NONE), message(Purpose.POST, **MINE)], None),
    ],
)
def test_a_second_copy_is_refused_unless_the_first_failed_or_vanished_without_a_moderator(
    copy: CopyRequest, found: list[Message], code: str | None
) -> None:
    refusal = refused(check_first_copy, MADE, copy, by_key(*found))
    assert (refusal and refusal.code) == code
    url = f"https://discord.com/channels/7/{GALLERY}/11" if code and "_there" in code else None
    assert (refusal and refusal.params.get("url")) == url


def test_a_message_belongs_to_the_copy_that_it_shows() -> None:
    share = message(Purpose.SHARE, FIRST, SECOND, stale=(OLD,))
    late = message(Purpose.LATE, MessageRef(HERE, 5), stale=(MessageRef(HERE, 6),))
    found = by_key(OUTCOME, late, share)
    assert all(copy_to_delete(MADE, ref, found, MODERATOR) is share for ref in (FIRST, SECOND, OLD))
    for number in (1, 5, 6, 99):
        assert code_of(copy_to_delete, MADE, MessageRef(HERE, number), found, MODERATOR) == "already_deleted"


def test_a_copy_is_deleted_until_a_moderator_has_done_so_and_by_its_requester_once() -> None:
    def codes(result: Run = MADE, **changes: Any) -> list[str | None]:
        """Return why its requester, and a moderator, can't delete the copy."""
        people = PERSON.id, MODERATOR + 1
        found = by_key(message(**changes))
        return [code_of(copy_to_delete, result, FIRST, found, each) for each in people]

    assert codes() == [None, None]
    assert codes(**MINE) == ["already_deleted", None]
    # The message was replaced.
    assert codes(posted=(part(SECOND),), stale=(FIRST,)) == ["already_deleted", None]
    assert codes(**THEIRS) == ["already_deleted", "already_deleted"]
    assert codes(replace(MADE, deleted_at=NOW)) == ["already_deleted", "already_deleted"]


def test_a_page_is_followed_by_more_than_it_holds() -> None:
    page, longer = range(PAGE_SIZE), range(PAGE_SIZE + 1)
    assert [len(pager(QueueId(0), found)) for found in (page, longer)] == [0, 2]
