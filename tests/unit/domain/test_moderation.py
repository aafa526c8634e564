"""What a stored run says about itself, what is left to decide about it, and who may delete."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from bot.domain.moderation import check_shown, check_undecided, may_delete
from bot.domain.runs import REQUESTER_BLOCKED, Run, is_told_elsewhere
from bot.domain.runs import RunState as S
from tests.unit.domain.policy_cases import NOW, PERSON, actor, code_of, place, refused
from tests.unit.factories import made_run

MONA, RITA, CHANNEL, GALLERY = 21, 22, 2, 9
WAITS = made_run(S.AWAITING_APPROVAL, requester_id=PERSON.id)
FAILED, DELETED = made_run(S.FAILED), made_run(deleted_at=NOW)


def test_a_run_outside_servers_counts_for_its_requester() -> None:
    assert [made_run(guild_id=server, requester_id=7).server for server in (8, None)] == [8, 7]


def test_a_token_is_used_until_shortly_before_its_end() -> None:
    run = made_run(S.RUNNING, interaction_token="hush", interaction_expires_at=NOW)
    assert run.interaction_token_at(NOW - timedelta(seconds=21)) == "hush"
    assert run.interaction_token_at(NOW - timedelta(seconds=20)) is None
    assert replace(run, interaction_expires_at=None).interaction_token_at(NOW) is None


def test_a_run_can_be_cancelled_once_until_it_ends() -> None:
    assert made_run(S.WAITING).is_cancellable
    assert not made_run(S.RUNNING, cancel_requested_at=NOW).is_cancellable
    assert not made_run(S.RUNNING, status_note="not_cancellable").is_cancellable
    assert not made_run().is_cancellable


def test_a_block_is_told_once_for_all_requests() -> None:
    quiet = made_run(S.CANCELLED, failure_code=REQUESTER_BLOCKED, failure_params={"quiet": True})
    assert is_told_elsewhere(quiet)
    assert not is_told_elsewhere(replace(quiet, failure_params={}))
    assert not is_told_elsewhere(replace(quiet, failure_code="rejected"))


def test_a_request_is_decided_once_and_not_by_its_requester() -> None:
    assert code_of(check_undecided, MONA, WAITS, WAITS) is None
    assert code_of(check_undecided, PERSON.id, WAITS) == "own_request"
    assert code_of(check_undecided, MONA, WAITS, made_run(S.EXPIRED)) == "review_over"
    decided = refused(check_undecided, MONA, replace(WAITS, state=S.WAITING, decided_by=RITA))
    assert decided
    assert (decided.code, decided.params) == ("already_decided", {"person": RITA})


def test_something_of_a_batch_has_to_be_shown() -> None:
    assert code_of(check_shown, FAILED, DELETED, made_run()) is None
    assert code_of(check_shown, FAILED, DELETED) == "already_deleted"
    assert code_of(check_shown, FAILED) == "no_result"


def test_the_requester_and_who_manages_the_messages_channel_may_delete() -> None:
    def may(person: int, run: Run, moderated: int | None = None, shown_in: int | None = None) -> bool:
        here = place(channel_id=moderated or CHANNEL)
        user = actor(replace(PERSON, id=person), here, manages_messages=moderated is not None)
        return may_delete(run, user, shown_in)

    run = made_run(requester_id=PERSON.id, channel_id=CHANNEL)
    private = replace(run, private=True)
    assert may(PERSON.id, private)
    assert not may(MONA, run)
    assert may(MONA, run, moderated=GALLERY, shown_in=GALLERY)
    assert not may(MONA, run, moderated=CHANNEL, shown_in=GALLERY)
    assert not may(MONA, private, moderated=CHANNEL)
