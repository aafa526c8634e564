"""Which results may be copied, when a second copy is refused, and which messages belong to a copy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.domain.errors import AlreadyPosted, RefusedError
from bot.domain.requests import ChannelState, Member, Origin, Requester
from bot.domain.results.deliveries import DeliveryState, MessageRef, Purpose
from bot.domain.results.sharing import (
    CopyRequest,
    ResultDelivery,
    check_available,
    check_copy_stands,
    check_copyable,
    check_first_copy,
    copy_in,
    offers_copy,
)
from bot.domain.runs import Output, RunState
from tests.unit.domain.policy_cases import NOW, PERSON, request
from tests.unit.factories import made_run

GALLERY, HERE, MODERATOR = 9, 2, 77
OUTPUT = Output(kind="images", url="https://outputs.example/a.png")
MADE = made_run(requester_id=PERSON.id, guild_id=7, outputs=(OUTPUT,), count=2)
FIRST, SECOND, OLD = (MessageRef(GALLERY, number) for number in (11, 12, 13))
P, D = Purpose, DeliveryState


def requester(person: Member = PERSON, guild_id: int | None = 7) -> Requester:
    origin: Origin = request(guild_id).origin
    return Requester(person, origin, frozenset(), lambda _: ChannelState())


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
    by: Requester, changes: dict[str, Any], code: str | None
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


def delivery(purpose: Purpose = P.SHARE, state: DeliveryState = D.SENT, **more: Any) -> ResultDelivery:
    place = HERE if purpose is not P.SHARE else GALLERY
    given = {"id": 1, "purpose": purpose, "state": state, "channel_id": place, "messages": (FIRST,), **more}
    return ResultDelivery(**given)


OUTCOME = delivery(P.OUTCOME, messages=(MessageRef(HERE, 1),))
SHARE, SINGLE = CopyRequest(key="k", user_id=4, shared_to=GALLERY), CopyRequest(key="k", user_id=4)
GONE = replace(SHARE, deleted_channel=GALLERY)
MINE, THEIRS = {"deleted_by": PERSON.id}, {"deleted_by": MODERATOR}


@pytest.mark.parametrize(
    ("copy", "found", "code"),
    [
        (SHARE, [], None),
        (SHARE, [OUTCOME], None),
        (SHARE, [delivery(P.SINGLE)], None),
        (SHARE, [delivery(P.LATE)], None),
        (SHARE, [delivery()], "share_there"),
        (SHARE, [delivery(messages=())], "copy_pending"),
        (SHARE, [delivery(state=D.PENDING, messages=())], "copy_pending"),
        (SHARE, [delivery(state=D.PENDING, **MINE)], "copy_pending"),
        (SHARE, [delivery(state=D.UNDELIVERED)], None),
        (SHARE, [delivery(**MINE)], None),
        (SHARE, [delivery(**THEIRS)], "share_deleted"),
        (SHARE, [delivery(state=D.UNDELIVERED, **THEIRS)], "share_deleted"),
        (GONE, [delivery()], None),
        (GONE, [delivery(messages=(MessageRef(GALLERY + 1, 1),))], "share_there"),
        (GONE, [delivery(messages=())], "copy_pending"),
        (GONE, [delivery(state=D.PENDING)], "copy_pending"),
        (GONE, [delivery(**THEIRS)], "share_deleted"),
        (SINGLE, [OUTCOME, delivery(P.SHARE)], None),
        (SINGLE, [delivery(P.SINGLE)], "post_there"),
        (SINGLE, [delivery(P.LATE)], "post_there"),
        (SINGLE, [delivery(P.SINGLE, **THEIRS)], "post_deleted"),
        (SINGLE, [delivery(P.LATE, D.PENDING, messages=())], "copy_pending"),
        (SINGLE, [delivery(P.LATE, D.UNDELIVERED)], None),
        (SINGLE, [delivery(P.LATE, D.UNDELIVERED), delivery(P.SINGLE, **MINE)], None),
    ],
)
def test_a_second_copy_is_refused_unless_the_first_failed_or_vanished_without_a_moderator(
    copy: CopyRequest, found: list[ResultDelivery], code: str | None
) -> None:
    assert refusal(lambda: check_first_copy(MADE, copy, found)) == code


def test_the_refusal_of_a_second_copy_names_the_first_message() -> None:
    with pytest.raises(AlreadyPosted) as caught:
        check_first_copy(MADE, SHARE, [delivery(messages=(FIRST, SECOND))])
    assert (caught.value.channel_id, caught.value.message_id) == FIRST
    assert caught.value.params["url"] == f"https://discord.com/channels/7/{GALLERY}/11"


def test_a_message_belongs_to_the_delivery_that_sent_it() -> None:
    share = delivery(messages=(FIRST, SECOND), earlier=(OLD,))
    late = delivery(P.LATE, messages=(MessageRef(HERE, 5),), earlier=(MessageRef(HERE, 6),))
    for message in (FIRST, SECOND, OLD):
        assert copy_in(message, [OUTCOME, late, share]) is share
    for number in (1, 5, 6, 99):
        assert copy_in(MessageRef(HERE, number), [OUTCOME, late, share]) is None


def test_an_unknown_message_belongs_to_a_copy_that_may_have_been_posted() -> None:
    """The process died after the post, before the message's id was stored."""
    lost = delivery(state=D.PENDING, messages=(), attempted=True)
    unknown = MessageRef(GALLERY, 99)
    assert copy_in(unknown, [OUTCOME, lost]) is lost
    assert copy_in(MessageRef(HERE, 99), [OUTCOME, lost]) is None
    assert (
        copy_in(MessageRef(GALLERY, 1), [replace(OUTCOME, messages=(MessageRef(GALLERY, 1),)), lost]) is None
    )
    for other in (
        replace(lost, state=D.SENT),
        replace(lost, attempted=False),
        replace(lost, purpose=P.OUTCOME),
    ):
        assert copy_in(unknown, [other]) is None


@pytest.mark.parametrize(
    ("state", "changes", "stands"),
    [
        (D.SENT, {}, True),
        (D.PENDING, {}, True),
        (D.SENT, MINE, False),
        (D.SENT, THEIRS, False),
        (D.SENT, {"messages": (SECOND,), "earlier": (FIRST,)}, False),
        (D.PENDING, {"messages": (), "earlier": (FIRST,)}, False),
        (D.SENT, {"earlier": (FIRST,)}, True),
        (D.UNDELIVERED, {"messages": (), "earlier": (FIRST,)}, True),
    ],
)
def test_a_copy_stands_until_it_is_deleted_or_replaced(
    state: DeliveryState, changes: dict[str, Any], stands: bool
) -> None:
    copy, gone = delivery(state=state, **changes), replace(MADE, deleted_at=NOW)
    code = None if stands else "already_deleted"
    assert refusal(lambda: check_copy_stands(MADE, copy, FIRST, PERSON.id)) == code
    assert refusal(lambda: check_copy_stands(gone, copy, FIRST, PERSON.id)) == "already_deleted"


@pytest.mark.parametrize(
    ("state", "changes", "stands"),
    [
        (D.SENT, {}, True),
        (D.SENT, MINE, True),
        (D.PENDING, {"messages": (), "earlier": (FIRST,)}, True),
        (D.SENT, {"messages": (SECOND,), "earlier": (FIRST,)}, True),
        (D.SENT, THEIRS, False),
        (D.PENDING, {"messages": (), "earlier": (FIRST,), **THEIRS}, False),
    ],
)
def test_a_moderator_deletes_a_copy_until_another_moderator_has_done_so(
    state: DeliveryState, changes: dict[str, Any], stands: bool
) -> None:
    copy, gone = delivery(state=state, **changes), replace(MADE, deleted_at=NOW)
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
