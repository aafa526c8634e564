"""Messages: what Discord should show about a request, and whether that takes a post, an edit or a deletion.

A message that can't be shown has fallbacks: simpler renderings first, then other places.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum, IntEnum, StrEnum, auto
from random import Random
from typing import Any, NamedTuple
from zlib import crc32

from bot.domain.runs import Run, RunState, is_hidden, is_told_elsewhere, is_turned_away

# A failure counts as ten if it is certainly the message's own, and as one if Discord may not take any posts.
FAILURE = 10
# Three failures of a message count as a refusal.
MAX_FAILURES = 3 * FAILURE
_LONGEST_PAUSE = 600.0
_WATCHED = timedelta(minutes=2)


class MessageRef(NamedTuple):
    channel_id: int
    message_id: int


class Purpose(StrEnum):
    """What a message is about. A request has one message of each purpose, or one for each of its runs."""

    STATUS = "answer"  # the status message of a request: the answer to the command
    OUTCOME = "outcome"
    LATE = "late"  # a result of a batch that came after the batch's outcome
    REVIEW = "review"  # the card that asks moderators to decide
    REPORT = "report"  # the card about a reported result; number 0 is about the whole batch
    PICTURES = "pictures"  # the card about outputs of the request that wait for a moderator
    POST = "post"  # a copy: one result of a batch in a message of its own
    SHARE = "share"  # a copy in the server's gallery channel


OUTCOMES = frozenset({Purpose.OUTCOME, Purpose.LATE})
CARDS = frozenset({Purpose.REVIEW, Purpose.REPORT, Purpose.PICTURES})
COPIES = frozenset({Purpose.POST, Purpose.SHARE})
# The letters of the purposes in nonces.
_LETTERS = dict(zip(Purpose, "aolrpcsg", strict=True))


class Shows(IntEnum):
    """What a message shows. Only something greater is posted anew; everything else is an edit."""

    NOTHING = 0
    CLOSED = 1  # a card that was decided; it is never posted
    HELD = 2  # all outputs wait for a moderator; it is never posted
    NOTICE = 3  # a sentence, or an open card
    WITHHELD = 4  # a note that the result is age-restricted
    SOME = 5  # a result without the outputs that wait for a moderator
    PARTIAL = 6
    RESULT = 7


class Rendering(IntEnum):
    """The rendering of a message. A card has its files only in the first one."""

    FILES = 0
    LINKS = 1
    WORDS = 2


class Place(IntEnum):
    """Where a message is shown, in the order in which the places are usually tried.

    A private result never has the channel. ANSWER edits the answer to the command. At RUNS, only `/runs`
    offers the result.
    """

    CHANNEL = 1
    ANSWER = 2
    DIRECT = 3
    RUNS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One Discord message, the `index`th of those that show a message at the revision `rev`.

    `message_id` is 0 until it is posted. A `classic` message is no layout.
    """

    channel_id: int
    message_id: int = 0
    shows: Shows
    rev: int
    rendering: Rendering
    place: Place
    index: int = 0
    of: int = 1
    files: tuple[str, ...] = ()
    classic: bool = False

    @property
    def ref(self) -> MessageRef:
        return MessageRef(self.channel_id, self.message_id)


class Attempt(NamedTuple):
    """A post or an edit that was about to be made, and may have reached Discord."""

    at: datetime
    part: Part


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message as stored. It is out of date while `shown_rev` is smaller than `wanted_rev`.

    `posted` are the Discord messages that show it, and `stale` those to be deleted. `channel_id` is the
    channel to post in. `failures` counts the attempts since the last success, with the present one. `/runs`
    offers the result of an `offered` outcome. `deleted_by` is the user who deleted this message, while its
    result may still be shown elsewhere.
    """

    request_key: str
    purpose: Purpose
    number: int = 0
    wanted_rev: int = 1
    shown_rev: int = 0
    posted: tuple[Part, ...] = ()
    stale: tuple[MessageRef, ...] = ()
    attempt: Attempt | None = None
    rendering: Rendering = Rendering.FILES
    place: Place | None = None
    failures: int = 0
    channel_id: int | None = None
    with_prompt: bool = False
    offered: bool = False
    deleted_by: int | None = None

    @property
    def is_pending(self) -> bool:
        return self.wanted_rev > self.shown_rev

    @property
    def is_complete(self) -> bool:
        """Return whether all parts of what was last begun are posted."""
        return bool(self.posted) and len(self.posted) >= self.posted[-1].of

    @property
    def refs(self) -> list[MessageRef]:
        return [part.ref for part in self.posted]

    @property
    def files(self) -> list[str]:
        """Return the names of the files that are posted."""
        return [name for part in self.posted for name in part.files]

    def with_part(self, part: Part) -> Message:
        """Return the message after a part was posted. The first part makes the earlier messages stale."""
        stale, posted = self.stale, self.posted
        if part.index == 0:
            stale, posted = (*stale, *self.refs), ()
        posted = (*posted, part)
        kept = {each.ref for each in posted}
        stale = tuple(dict.fromkeys(ref for ref in stale if ref not in kept))
        return replace(self, posted=posted, stale=stale, attempt=None)


Messages = Mapping[tuple[Purpose, int], Message]
"""The messages of a request, by purpose and number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A message that was claimed under the lease of its request, with everything that it depends on.

    `unstored` are the parts that were posted, but are stored only with the next attempt, or with the release
    of the claim.
    """

    lease: str
    message: Message
    runs: Sequence[Run]
    messages: Messages = field(default_factory=dict)
    unstored: tuple[Part, ...] = ()

    @property
    def first(self) -> Run:
        return self.runs[0]

    @property
    def run(self) -> Run:
        """Return the run that the message is about, or the first one."""
        return next(run for run in self.runs if run.index == self.message.number)

    @property
    def about(self) -> Sequence[Run]:
        purpose, number = self.message.purpose, self.message.number
        alone = purpose in COPIES or purpose is Purpose.LATE or (purpose is Purpose.REPORT and number > 0)
        return [self.run] if alone else self.runs

    @property
    def late(self) -> frozenset[str]:
        """Return the keys of the runs whose results have messages of their own, apart from this one."""
        if len(self.about) == 1:
            return frozenset()
        numbers = {number for purpose, number in self.messages if purpose is Purpose.LATE}
        return frozenset(run.key for run in self.runs if run.index in numbers)

    @property
    def results(self) -> list[Run]:
        """Return the runs whose results the message shows, unless they were deleted."""
        late = self.late
        return [run for run in self.about if run.has_result and run.key not in late]

    @property
    def shown(self) -> list[Run]:
        return [run for run in self.results if run.deleted_at is None]

    @property
    def awaits_outcome(self) -> bool:
        """Return whether nothing shows the outcome yet, so that the status message tells the end."""
        outcome = self.messages.get((Purpose.OUTCOME, 0))
        if outcome is None or not outcome.is_pending or outcome.posted:
            return False
        # The status message may show it already.
        return outcome.attempt is None or outcome.attempt.part.place is not Place.ANSWER

    @property
    def known(self) -> frozenset[int]:
        refs = [ref for each in self.messages.values() for ref in (*each.refs, *each.stale)]
        return frozenset({*(ref.message_id for ref in refs), self.first.status_message_id or 0})

    def changed(self, message: Message | None = None, **values: Any) -> Claim:
        """Return the claim with other values of its message, or of what its message becomes."""
        message = replace(message or self.message, **values)
        return replace(
            self, message=message, messages={**self.messages, (message.purpose, message.number): message}
        )

    def with_part(self, part: Part) -> Claim:
        """Return the claim after a part of its message was posted or found."""
        return replace(self.changed(self.message.with_part(part)), unstored=(*self.unstored, part))


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """What became of a claim, with its message as it is now.

    If it isn't `shown`, or has changed since, it is due at `due_at`. `status_id` is that of the status
    message, if it wasn't known. `ends_answer` drops the interaction's token. `changes` are the purposes of
    the request's messages that have to be changed, because they link to what is shown now, or show a part of
    it. `failed` is the code of the sentence that says why a copy can't be posted.
    """

    claim: Claim
    due_at: datetime
    shown: bool
    status_id: int | None = None
    ends_answer: bool = False
    changes: Collection[Purpose] = ()
    failed: str | None = None


def result_refs(messages: Messages, number: int) -> Sequence[MessageRef]:
    """Return the Discord messages that show a run's result: those of a late success, or its batch's."""
    shown = (messages.get(key) for key in ((Purpose.LATE, number), (Purpose.OUTCOME, 0)))
    return next((refs for each in shown if each and (refs := each.refs or each.stale)), ())


def result_ref(messages: Messages, number: int) -> MessageRef | None:
    return next(iter(result_refs(messages, number)), None)


def marker(message: Message, part: Part) -> int:
    """Return the component id by which a search finds a part of a message. It fits into seven hex digits."""
    of_part = (part.rev, part.shows, part.rendering, part.place, part.index)
    return component_id(message.request_key, message.purpose, message.number, *of_part)


def component_id(request_key: str, purpose: Purpose, *more: int) -> int:
    """Return the marker of a message about a request; that of a status message has nothing `more`."""
    name = ":".join(map(str, (request_key, purpose, *more)))
    return crc32(name.encode()) & 0x7FFFFFF | 0x8000000


def nonce(key: str, message: Message, part: Part) -> str:
    """Return the nonce of a post about the run `key`, in Discord's 25 characters.

    Discord returns the earlier message for a repeated nonce, so each attempt has its own, like its marker.
    """
    return f"{key}-{_LETTERS[message.purpose]}{marker(message, part):07x}"


def start(message: Message, runs: Sequence[Run]) -> Place:
    """Return the place that is in use or, if there is none, the first possible one."""
    order, attempt, in_use = _places(message, runs), message.attempt, [message.place]
    if attempt is not None and attempt.part.rev == message.wanted_rev:
        in_use.append(attempt.part.place)
    elif not message.is_complete:
        in_use += [part.place for part in message.posted]
    return order[max((order.index(place) for place in in_use if place in order), default=0)]


def climb(message: Message, place: Place, runs: Sequence[Run], *, about_message: bool) -> Message:
    """Return the message with the next rendering, or with the next place and all its files.

    `about_message` means that Discord has refused the message itself. A card that is refused anywhere is
    tried without its files.
    """
    is_card, order = message.purpose in CARDS, _places(message, runs)
    if message.rendering < (Rendering.LINKS if is_card else Rendering.WORDS) and (about_message or is_card):
        return replace(message, rendering=Rendering(message.rendering + 1), place=place)
    next_place, *_ = *order[order.index(place) + 1 :], Place.RUNS
    return replace(message, rendering=Rendering.FILES, place=next_place)


def _places(message: Message, runs: Sequence[Run]) -> Sequence[Place]:
    """Return the possible places of a message, in the order in which they are tried."""
    if message.purpose not in OUTCOMES:
        return Place.CHANNEL, Place.RUNS
    order = list(Place)
    is_private = is_turned_away(runs) or (is_hidden(runs) and not runs[0].needs_interaction)
    if message.purpose is Purpose.OUTCOME and is_private:
        order = [Place.DIRECT, Place.CHANNEL, Place.ANSWER, Place.RUNS]
    elif message.purpose is Purpose.OUTCOME and is_watched(runs):
        order = [Place.ANSWER, Place.CHANNEL, Place.DIRECT, Place.RUNS]
    if runs[0].needs_interaction:
        order.remove(Place.CHANNEL)
    # The answer to a batch shows the whole batch, and no part of what was posted elsewhere.
    begun = message.posted if not message.is_complete else ()
    if message.purpose is Purpose.LATE or any(part.place is not Place.ANSWER for part in begun):
        order.remove(Place.ANSWER)
    return order


def is_watched(runs: Sequence[Run]) -> bool:
    """Return whether editing the answer is enough, so that no new message has to ping the requester.

    This is the case if each run was refused less than two minutes after the request, or if the requester
    cancelled it and it has no result.
    """
    for run in runs:
        took = run.ended_at - run.created_at if run.ended_at is not None else _WATCHED
        was_refused = run.state is RunState.REFUSED and took < _WATCHED
        was_cancelled = run.state is RunState.CANCELLED and run.failure_code == "cancelled_by_requester"
        if not was_refused and not (was_cancelled and not run.partial):
            return False
    return True


def pause_after(failures: int, random: Random) -> timedelta:
    """Return the pause after failures: at first a second or, if they certainly are the message's own, more.

    It grows up to ten minutes, and varies so that retries don't come in bursts.
    """
    return timedelta(seconds=min(2.0 ** (0.3 * failures), _LONGEST_PAUSE) * random.uniform(0.5, 1))


class Act(Enum):
    """What has to be done. CONTINUE posts the parts that are missing; EDIT changes nothing if it can."""

    POST = auto()
    CONTINUE = auto()
    EDIT = auto()
    DELETE = auto()


def wants(claim: Claim, *, withheld: bool = False) -> Shows:
    """Return what a message should show. `withheld` says that its place may not show the result."""
    purpose, message = claim.message.purpose, claim.message
    if message.deleted_by is not None:
        return Shows.NOTHING
    if purpose is Purpose.REVIEW:
        awaits = claim.first.state is RunState.AWAITING_APPROVAL
        return Shows.NOTICE if awaits else Shows.CLOSED
    if purpose is Purpose.REPORT:
        return Shows.NOTICE if claim.run.report_channel_id is not None else Shows.CLOSED
    if purpose is Purpose.PICTURES:
        return Shows.NOTICE if any(run.held for run in claim.runs) else Shows.CLOSED
    if not claim.results:
        return Shows.NOTHING if all(map(is_told_elsewhere, claim.runs)) else Shows.NOTICE
    if not claim.shown:
        return Shows.NOTHING
    is_held = purpose in OUTCOMES and any(run.held for run in claim.shown)
    if is_held and not any(run.visible for run in claim.shown):
        return Shows.HELD
    if withheld:
        return Shows.WITHHELD
    if is_held:
        return Shows.SOME
    is_partial = purpose not in COPIES and len(claim.about) == 1 and claim.shown[0].partial
    return Shows.PARTIAL if is_partial else Shows.RESULT


def decide(message: Message, wanted: Shows) -> Act:
    """Return how Discord comes to show what is wanted.

    A new message, with a ping, is posted only if more is to be shown than before, or if a crash came between
    a post and a change of what may be shown.
    """
    posted = message.posted
    if wanted is Shows.NOTHING:
        return Act.DELETE
    if not posted:
        return Act.POST if wanted > Shows.CLOSED else Act.DELETE
    if wanted is Shows.HELD:
        return Act.EDIT  # what is posted stays until a moderator has decided
    if wanted is posted[0].shows:
        return Act.EDIT if message.is_complete else Act.CONTINUE
    is_finished = message.is_complete and posted[0].rev < message.wanted_rev
    return Act.EDIT if is_finished and wanted < posted[0].shows else Act.POST
