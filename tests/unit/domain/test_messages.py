"""What a message should show, how Discord comes to show it, and what is tried when it can't be shown."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from bot.domain.messages import (
    Act,
    Attempt,
    Claim,
    Message,
    MessageRef,
    Part,
    Place,
    Purpose,
    Rendering,
    Shows,
    climb,
    component_id,
    decide,
    marker,
    nonce,
    pause_after,
    result_ref,
    start,
    wants,
)
from bot.domain.runs import Output, Run, RunState
from bot.store.messages import full_channels
from tests.unit.domain.policy_cases import NOW
from tests.unit.factories import made_run

S = RunState
FILE = (Output("images", url="https://outputs.example/a.png"),)
HERE = 2


def part(number: int = 1, **more: Any) -> Part:
    own = {
        "channel_id": HERE,
        "shows": Shows.RESULT,
        "rev": 1,
        "rendering": Rendering.FILES,
        "place": Place.CHANNEL,
    }
    return Part(**{**own, "message_id": number, **more})


def message(purpose: Purpose = Purpose.OUTCOME, *posted: Part, **more: Any) -> Message:
    return Message(**{"request_key": "k", "purpose": purpose, "wanted_rev": 2, "posted": posted, **more})


def claim(of: Message, *runs: Run, others: tuple[Message, ...] = ()) -> Claim:
    runs = runs or (made_run(outputs=FILE),)
    found = {(each.purpose, each.number): each for each in (*others, of)}
    return Claim(lease="own", message=of, runs=runs, messages=found)


def of_batch(*states: S, deleted: tuple[int, ...] = ()) -> tuple[Run, ...]:
    count = len(states)
    return tuple(
        made_run(state, key=f"run-{n}", index=n, count=count, deleted_at=NOW if n in deleted else None)
        for n, state in enumerate(states)
    )


WAITS, DECIDED = made_run(S.AWAITING_APPROVAL), made_run(S.REJECTED)
TOLD_ELSEWHERE = made_run(S.REJECTED, failure_code="requester_blocked", failure_params={"quiet": True})
LATE = message(Purpose.LATE, number=1)
CHECKED = made_run(outputs=FILE * 2, to_check=True, verdicts={"1": ["held", "nudity"]})
HELD = replace(CHECKED, outputs=FILE)
HIDDEN = {"outputs": FILE, "to_check": True, "verdicts": {"1": ["hidden", "nudity"]}}


@pytest.mark.parametrize(
    ("claimed", "shows"),
    [
        (claim(message()), Shows.RESULT),
        (claim(message(), made_run(S.FAILED, partial=True)), Shows.PARTIAL),
        (claim(message(), made_run(deleted_at=NOW)), Shows.NOTHING),
        (claim(message(deleted_by=5)), Shows.NOTHING),
        (claim(message(), *of_batch(S.SUCCEEDED, S.FAILED, deleted=(0,))), Shows.NOTHING),
        # A late success has a message of its own, so that the batch's outcome stays the notice that it was.
        (claim(message(), *of_batch(S.FAILED, S.SUCCEEDED), others=(LATE,)), Shows.NOTICE),
        (claim(LATE, *of_batch(S.FAILED, S.SUCCEEDED)), Shows.RESULT),
        (claim(message(Purpose.SHARE), made_run(S.FAILED, partial=True)), Shows.RESULT),
        (claim(message(Purpose.REVIEW), WAITS), Shows.NOTICE),
        (claim(message(Purpose.REVIEW), DECIDED), Shows.CLOSED),
        (claim(message(Purpose.REPORT), made_run(report_channel_id=9)), Shows.NOTICE),
        (claim(message(Purpose.REPORT)), Shows.CLOSED),
        (claim(message(Purpose.PICTURES), HELD), Shows.NOTICE),
        (claim(message(Purpose.PICTURES)), Shows.CLOSED),
        (claim(message(), HELD), Shows.HELD),
        (claim(message(), CHECKED), Shows.SOME),
        (claim(message(Purpose.SHARE), CHECKED), Shows.RESULT),
        # Another request's outcome tells of it, but its card is closed.
        (claim(message(), TOLD_ELSEWHERE), Shows.NOTHING),
        (claim(message(Purpose.REVIEW), TOLD_ELSEWHERE), Shows.CLOSED),
    ],
)
def test_what_a_message_should_show(claimed: Claim, shows: Shows) -> None:
    assert wants(claimed) is shows
    # A place that may not show a result shows a note.
    assert wants(claimed, withheld=True) is (Shows.WITHHELD if shows > Shows.WITHHELD else shows)


NOTE = part(shows=Shows.NOTICE)
FIRST = part(of=2)


@pytest.mark.parametrize(
    ("posted", "wanted", "act"),
    [
        ((), Shows.RESULT, Act.POST),
        # A card that was decided before it was posted is never posted.
        ((), Shows.CLOSED, Act.DELETE),
        ((part(),), Shows.NOTHING, Act.DELETE),
        ((FIRST,), Shows.RESULT, Act.CONTINUE),
        ((FIRST, part(2, index=1, of=2)), Shows.RESULT, Act.EDIT),
        # More than before pings again, and less is an edit.
        ((NOTE,), Shows.RESULT, Act.POST),
        ((NOTE,), Shows.CLOSED, Act.EDIT),
        # What was posted at this revision, or in part, shows what isn't allowed any more.
        ((part(rev=2),), Shows.WITHHELD, Act.POST),
        ((FIRST,), Shows.WITHHELD, Act.POST),
    ],
)
def test_how_discord_comes_to_show_it(posted: tuple[Part, ...], wanted: Shows, act: Act) -> None:
    assert decide(message(Purpose.OUTCOME, *posted), wanted) is act


F, P = Rendering, Place
PRIVATE = {"private": True}
AT_ONCE = {"state": S.REFUSED, "created_at": NOW, "ended_at": NOW}
CANCELLED = {"state": S.CANCELLED, "failure_code": "cancelled_by_requester"}


@pytest.mark.parametrize(
    ("purpose", "run", "place"),
    [
        (Purpose.SHARE, {}, Place.CHANNEL),
        # What moderators turned away is told in private.
        (Purpose.OUTCOME, {"state": S.REJECTED}, Place.DIRECT),
        (Purpose.OUTCOME, {"state": S.REFUSED, "failure_code": "requester_blocked"}, Place.DIRECT),
        # Its requester is looking at the answer.
        (Purpose.OUTCOME, AT_ONCE, Place.ANSWER),
        (Purpose.OUTCOME, {**AT_ONCE, "ended_at": NOW + timedelta(minutes=2)}, Place.CHANNEL),
        (Purpose.OUTCOME, CANCELLED, Place.ANSWER),
        (Purpose.OUTCOME, {**CANCELLED, "failure_code": "run_cancelled"}, Place.CHANNEL),
        # What a cancelled run had made is new to its requester.
        (Purpose.OUTCOME, {**CANCELLED, "partial": True}, Place.CHANNEL),
        # A private result never has a channel.
        (Purpose.OUTCOME, PRIVATE, Place.ANSWER),
        # So is a result that the picture check has hidden, unless age-restricted results are told in public.
        (Purpose.OUTCOME, HIDDEN, Place.DIRECT),
        (Purpose.OUTCOME, {**HIDDEN, **PRIVATE}, Place.ANSWER),
        (Purpose.OUTCOME, {**HIDDEN, "age_restricted": True}, Place.CHANNEL),
        (Purpose.OUTCOME, {**HIDDEN, "outputs": FILE * 2}, Place.CHANNEL),
    ],
)
def test_where_a_message_is_shown_first(purpose: Purpose, run: dict[str, Any], place: Place) -> None:
    assert start(message(purpose), [made_run(**run)]) is place


def test_an_attempt_is_finished_where_it_began() -> None:
    run = made_run()
    begun = Attempt(NOW, part(0, place=Place.DIRECT, rev=2))
    assert start(message(attempt=begun), [run]) is Place.DIRECT
    assert start(message(attempt=begun, wanted_rev=3), [run]) is Place.CHANNEL
    begun_in_part = message(Purpose.OUTCOME, part(of=2, place=Place.DIRECT))
    assert start(begun_in_part, [run]) is Place.DIRECT
    assert start(message(Purpose.OUTCOME, part(place=Place.DIRECT)), [run]) is Place.CHANNEL
    # A batch of which one run was cancelled still pings.
    assert start(message(), [run, made_run(**CANCELLED)]) is Place.CHANNEL
    for each in (message(), message(Purpose.SHARE), message(attempt=begun), begun_in_part):
        assert start(replace(each, place=Place.RUNS), [run]) is Place.RUNS
    # The answer shows no part of what was posted elsewhere.
    in_place = replace(FIRST, place=P.ANSWER)
    for posted, after in ((FIRST, P.DIRECT), (in_place, P.ANSWER), (part(), P.ANSWER)):
        climbed = climb(message(Purpose.OUTCOME, posted), P.CHANNEL, [run], about_message=False)
        assert climbed.place is after


REFUSED, CLOSED = "refused", "closed"


@pytest.mark.parametrize(
    ("purpose", "run", "at", "why", "after"),
    [
        # A message that Discord refuses becomes simpler, and then tries the next place with all its files.
        (Purpose.OUTCOME, {}, (F.LINKS, P.CHANNEL), REFUSED, (F.WORDS, P.CHANNEL)),
        (Purpose.OUTCOME, {}, (F.FILES, P.DIRECT), REFUSED, (F.LINKS, P.DIRECT)),
        # A place that is closed is left at once.
        (Purpose.OUTCOME, CANCELLED, (F.FILES, P.ANSWER), CLOSED, (F.FILES, P.CHANNEL)),
        (Purpose.OUTCOME, {}, (F.FILES, P.ANSWER), CLOSED, (F.FILES, P.DIRECT)),
        (Purpose.LATE, {}, (F.FILES, P.CHANNEL), CLOSED, (F.FILES, P.DIRECT)),
        # A card is tried without its files, whatever the reason, and has one place.
        (Purpose.REVIEW, {}, (F.FILES, P.CHANNEL), CLOSED, (F.LINKS, P.CHANNEL)),
        (Purpose.REVIEW, {}, (F.LINKS, P.CHANNEL), REFUSED, (F.FILES, P.RUNS)),
        # What moderators turned away is told in public only if its requester takes no direct messages.
        (Purpose.OUTCOME, {"state": S.REJECTED}, (F.FILES, P.DIRECT), CLOSED, (F.FILES, P.CHANNEL)),
        (Purpose.OUTCOME, {"state": S.REJECTED}, (F.FILES, P.CHANNEL), REFUSED, (F.LINKS, P.CHANNEL)),
        (Purpose.OUTCOME, {"state": S.REJECTED, **PRIVATE}, (F.FILES, P.ANSWER), CLOSED, (F.FILES, P.RUNS)),
    ],
)
def test_the_next_form_or_place(
    purpose: Purpose,
    run: dict[str, Any],
    at: tuple[Rendering, Place],
    why: str,
    after: tuple[Rendering, Place],
) -> None:
    refused = message(purpose, rendering=at[0])
    climbed = climb(refused, at[1], [made_run(**run)], about_message=why is REFUSED)
    assert (climbed.rendering, climbed.place) == after


def test_pauses_grow_to_ten_minutes() -> None:
    pauses = [pause_after(failures, Random(1)) for failures in (0, 10, 20, 300)]
    assert [round(pause / pauses[0]) for pause in pauses] == [1, 8, 64, 600]
    assert all(0.5 <= pause_after(0, Random(seed)).total_seconds() <= 1 for seed in range(9))


def test_the_first_part_of_a_new_message_makes_the_earlier_ones_stale() -> None:
    begun = Attempt(NOW, part(0))
    old = message(Purpose.OUTCOME, part(1), part(2, index=1), stale=(MessageRef(HERE, 9),), attempt=begun)
    new = old.with_part(part(3, of=2))
    assert new.attempt is None
    assert (new.refs, new.stale) == ([(HERE, 3)], ((HERE, 9), (HERE, 1), (HERE, 2)))
    assert claim(new).known == {3, 9, 1, 2, 0}
    whole = new.with_part(part(4, index=1, of=2))
    assert (whole.refs, whole.stale, whole.is_complete) == ([(HERE, 3), (HERE, 4)], new.stale, True)
    # An edited answer keeps its id.
    assert old.with_part(part(1, rev=2)).stale == ((HERE, 9), (HERE, 2))


def test_each_attempt_has_its_own_marker_and_nonce() -> None:
    """Discord answers a repeated nonce with the earlier message, and a search must not find another card."""
    purposes = [message(purpose) for purpose in Purpose if purpose is not Purpose.STATUS]
    numbers = [message(Purpose.SHARE, number=1), message(request_key="other")]
    other = [
        part(rev=2),
        part(shows=Shows.WITHHELD),
        part(rendering=Rendering.LINKS),
        part(place=Place.DIRECT),
    ]
    changed = [*other, part(index=1)]
    pairs = [*((each, part()) for each in (*purposes, *numbers)), *((purposes[0], each) for each in changed)]
    assert len({marker(*pair) for pair in pairs}) == len({nonce("k", *pair) for pair in pairs}) == len(pairs)
    assert all(0 < marker(*pair) < 1 << 31 for pair in pairs)
    assert all(len(nonce("abcdefghij234567", *pair)) <= 25 for pair in pairs)
    assert marker(*pairs[0]) == marker(replace(purposes[0], wanted_rev=9), part(77))
    answer, other = (component_id(key, Purpose.STATUS) for key in ("k", "other"))
    assert answer not in {other, *(marker(*pair) for pair in pairs)}


def test_a_claim_has_each_change_of_its_message() -> None:
    changed, expected = claim(message()).changed(failures=3), message(Purpose.OUTCOME, part(), failures=3)
    assert changed.with_part(part()) == replace(claim(expected), unstored=(part(),))
    # Two messages at a time fill a channel.
    assert full_channels([HERE, HERE, 3, None, None]) == [HERE]


def test_a_result_is_linked_alone_before_its_batch() -> None:
    outcome, late = message(Purpose.OUTCOME, part(1)), message(Purpose.LATE, part(2), number=1)
    found = {(each.purpose, each.number): each for each in (outcome, late)}
    assert [result_ref(found, number) for number in (0, 1)] == [(HERE, 1), (HERE, 2)]
    assert result_ref({}, 0) is None
