"""Which results may be copied, when a second copy is refused, and which messages belong to a copy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.domain.errors import RefusedError
from bot.domain.messages.records import Form, Kind, Message, MessageRef, Part, Place, Shows
from bot.domain.requests import Actor, ChannelState, Member, Origin
from bot.domain.results import (
    CopyRequest,
    check_available,
    check_copy_stands,
    check_copyable,
    check_first_copy,
    copy_in,
    offers_copy,
)
from bot.domain.runs import Output, RunState
from tests.unit.domain.policy_cases import NOW, PERSON, place
from tests.unit.factories import made_run

GALLERY, HERE, MODERATOR = 9, 2, 77
OUTPUT = Output(kind="images", url="https://outputs.example/a.png")
MADE = made_run(requester_id=PERSON.id, guild_id=7, outputs=(OUTPUT,), count=2)
FIRST, SECOND, OLD = (MessageRef(GALLERY, number) for number in (11, 12, 13))


def requester(person: Member = PERSON, guild_id: int | None = 7) -> Actor:
    origin: Origin = place(guild_id)
    return Actor(person, origin, frozenset(), lambda _: ChannelState())


OTHER = replace(PERSON, id=5)


@pytest.mark.parametrize(
    ("by", "changes", "code"),
    [
        (requester(), {}, None),
        (requester(OTHER), {}, "copy_not_yours"),
        (requester(guild_id=8), {}, "copy_elsewhere"),
        (requester(), {"deleted_at": NOW}, "copy_result_deleted"),
        (requester(), {"state": RunState.FAILED}, "no_result"),
        (requester(), {"state": RunState.FAILED, "partial": True}, None),
        (requester(), {"outputs": ()}, "copy_file_gone"),
        (requester(), {"private": True}, "copy_private"),
        (requester(), {"review_channel_id": 9}, "details_hidden"),
        (requester(), {"review_channel_id": 9, "decided_at": NOW}, None),
    ],
)
def test_only_the_requester_copies_a_public_result_that_is_there(
    by: Actor, changes: dict[str, Any], code: str | None
) -> None:
    assert refusal(lambda: check_copyable(replace(MADE, **changes), by)) == code


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, None),
        ({"deleted_at": NOW}, "copy_result_deleted"),
        ({"state": RunState.RUNNING}, "no_result"),
        ({"outputs": ()}, "copy_file_gone"),
    ],
)
def test_a_result_is_available_until_it_is_deleted_or_erased(
    changes: dict[str, Any], code: str | None
) -> None:
    assert refusal(lambda: check_available(replace(MADE, **changes))) == code


def test_a_copy_is_offered_only_to_the_requester_on_the_results_server() -> None:
    assert offers_copy(MADE, requester())
    assert not offers_copy(MADE, requester(OTHER))
    assert not offers_copy(MADE, requester(guild_id=8))
    assert not offers_copy(replace(MADE, deleted_at=NOW), requester())


def part(ref: MessageRef, index: int = 0, of: int = 1) -> Part:
    more = {"shows": Shows.RESULT, "rev": 1, "form": Form.FILES, "place": Place.CHANNEL}
    return Part(channel_id=ref[0], message_id=ref[1], index=index, of=of, **more)


def message(kind: Kind = Kind.SHARE, *refs: MessageRef, **more: Any) -> Message:
    """Return a message that is shown in full by these messages, by default by one."""
    number = 0 if kind is Kind.OUTCOME else MADE.index
    refs = refs or (FIRST,)
    posted = tuple(part(ref, index, len(refs)) for index, ref in enumerate(refs))
    return Message(
        **{"request_key": "k", "kind": kind, "number": number, "shown_rev": 1, "posted": posted, **more}
    )


def by_key(*found: Message) -> dict[tuple[Kind, int], Message]:
    return {(each.kind, each.number): each for each in found}


OUTCOME = message(Kind.OUTCOME, MessageRef(HERE, 1))
SHARE, POST = CopyRequest(key="k", shared_to=GALLERY), CopyRequest(key="k")
MOVED = CopyRequest(key="k", shared_to=GALLERY + 1)
MINE, THEIRS = {"deleted_by": PERSON.id}, {"deleted_by": MODERATOR}
NONE: dict[str, Any] = {"posted": ()}
PENDING: dict[str, Any] = {"posted": (), "shown_rev": 0}


@pytest.mark.parametrize(
    ("copy", "found", "code"),
    [
        (SHARE, [], None),
        (SHARE, [OUTCOME], None),
        (SHARE, [message(Kind.POST)], None),
        (SHARE, [message(Kind.LATE)], None),
        (SHARE, [message()], "share_there"),
        # The first try failed, or nobody knows its end: the lease says whether it still goes on.
        (SHARE, [message(**NONE)], None),
        (SHARE, [message(**PENDING)], None),
        (SHARE, [message(posted=(part(FIRST, 0, 2),))], None),
        (SHARE, [message(**MINE)], None),
        (SHARE, [message(**THEIRS)], "share_deleted"),
        (SHARE, [message(**PENDING, **THEIRS)], "share_deleted"),
        (MOVED, [message()], None),
        (MOVED, [message(Kind.SHARE, MessageRef(GALLERY + 1, 1))], "share_there"),
        (MOVED, [message(**THEIRS)], "share_deleted"),
        (POST, [OUTCOME, message()], None),
        (POST, [message(Kind.POST)], "post_there"),
        (POST, [message(Kind.LATE)], "post_there"),
        (POST, [message(Kind.POST, **THEIRS)], "post_deleted"),
        (POST, [message(Kind.LATE, **PENDING)], "copy_pending"),
        (POST, [message(Kind.LATE, **NONE)], None),
        (POST, [message(Kind.LATE, **NONE), message(Kind.POST, **MINE)], None),
    ],
)
def test_a_second_copy_is_refused_unless_the_first_failed_or_vanished_without_a_moderator(
    copy: CopyRequest, found: list[Message], code: str | None
) -> None:
    assert refusal(lambda: check_first_copy(MADE, copy, by_key(*found))) == code


def test_the_refusal_of_a_second_copy_names_the_first_message() -> None:
    with pytest.raises(RefusedError) as caught:
        check_first_copy(MADE, SHARE, by_key(message(Kind.SHARE, FIRST, SECOND)))
    assert caught.value.params["url"] == f"https://discord.com/channels/7/{GALLERY}/11"


def test_a_message_belongs_to_the_copy_that_it_shows() -> None:
    share = message(Kind.SHARE, FIRST, SECOND, stale=(OLD,))
    late = message(Kind.LATE, MessageRef(HERE, 5), stale=(MessageRef(HERE, 6),))
    found = by_key(OUTCOME, late, share)
    for ref in (FIRST, SECOND, OLD):
        assert copy_in(MADE, ref, found) is share
    for number in (1, 5, 6, 99):
        assert copy_in(MADE, MessageRef(HERE, number), found) is None


@pytest.mark.parametrize(
    ("changes", "stands"),
    [
        ({}, True),
        (MINE, False),
        (THEIRS, False),
        ({"posted": (part(SECOND),), "stale": (FIRST,)}, False),
        ({"posted": (), "stale": (FIRST,)}, False),
    ],
)
def test_a_copy_stands_until_it_is_deleted_or_replaced(changes: dict[str, Any], stands: bool) -> None:
    copy, gone = message(**changes), replace(MADE, deleted_at=NOW)
    code = None if stands else "already_deleted"
    assert refusal(lambda: check_copy_stands(MADE, copy, FIRST, PERSON.id)) == code
    assert refusal(lambda: check_copy_stands(gone, copy, FIRST, PERSON.id)) == "already_deleted"


@pytest.mark.parametrize(
    ("changes", "stands"),
    [
        ({}, True),
        (MINE, True),
        ({"posted": (), "stale": (FIRST,)}, True),
        ({"posted": (part(SECOND),), "stale": (FIRST,)}, True),
        (THEIRS, False),
        ({"posted": (), "stale": (FIRST,), **THEIRS}, False),
    ],
)
def test_a_moderator_deletes_a_copy_until_another_moderator_has_done_so(
    changes: dict[str, Any], stands: bool
) -> None:
    copy, gone = message(**changes), replace(MADE, deleted_at=NOW)
    for moderator in (MODERATOR, MODERATOR + 1):
        found = refusal(lambda by=moderator: check_copy_stands(MADE, copy, FIRST, by))
        assert found == (None if stands else "already_deleted")
    assert refusal(lambda: check_copy_stands(gone, copy, FIRST, MODERATOR)) == "already_deleted"


def refusal(check: Any) -> str | None:
    """Return the code of the refusal, or None."""
    try:
        check()
    except RefusedError as error:
        return error.code
    return None
