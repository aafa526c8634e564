"""Records of deliveries, and of the messages that they sent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import NamedTuple

from bot.domain.runs import Run


class MessageRef(NamedTuple):
    """A Discord message by its ids."""

    channel_id: int
    message_id: int


class DeliveryState(StrEnum):
    """The state of a delivery. UNDELIVERED: the message couldn't be sent, or it withheld the result.

    `/runs` still offers an undelivered outcome. An undelivered copy can be requested again.
    """

    PENDING = "pending"
    SENT = "sent"
    UNDELIVERED = "undelivered"


class Purpose(StrEnum):
    """The purpose of a delivery. A run has at most one delivery for each purpose.

    The letter is part of the nonce, and the name is a label of metrics.
    """

    OUTCOME = "o"
    LATE = "l"  # a result that came after an outcome without one
    REVIEW = "r"  # the card that asks moderators to decide
    CARD = "c"  # the update of that card after the decision
    NOTICE = "d"  # the reason for a rejection, as a direct message to the requester
    REPORT = "p"  # the card that shows a reported result to moderators
    REMOVAL = "x"  # sends nothing: deletes the messages of a result
    SINGLE = "s"  # one result of a batch in a message of its own
    SHARE = "g"  # a result in the server's gallery channel


OUTCOME_PURPOSES = frozenset({Purpose.OUTCOME, Purpose.LATE})
# The messages for moderators. A decision updates the card of a review.
CARD_PURPOSES = frozenset({Purpose.REVIEW, Purpose.CARD, Purpose.REPORT})
# Copies of a result, which are sent only if its requester asks for them.
COPY_PURPOSES = frozenset({Purpose.SINGLE, Purpose.SHARE})


class Route(IntEnum):
    """A route of an outcome, in the order in which they are tried.

    IN_PLACE edits the status message. CHANNEL posts in the channel with the bot's token. INTERACTION edits
    the status message with the interaction's token and, where only interactions can post, also sends further
    messages.
    """

    IN_PLACE = 0
    CHANNEL = 1
    INTERACTION = 2
    DIRECT_MESSAGE = 3
    UNDELIVERED = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A claimed delivery with its run as it is now, and the messages sent so far.

    `batch` holds the runs that it reports on: the whole batch for an outcome, otherwise `run` alone. `late`
    holds the keys of runs whose late success has a delivery of its own. `tries` includes this attempt. If
    `all_sent` is True, all messages have been sent, and only the cleanup is left. `earlier` are the messages
    that this delivery replaces. A copy goes to the channel `shared_to`; a share shows the prompt if
    `with_prompt` is set. `deleted_by` is the user who deleted the copy. `abandoned` means that Discord has
    ignored the delivery for a day although it answered other calls.
    """

    id: int
    run: Run
    purpose: Purpose
    tries: int
    route: int
    attempted: bool
    attempted_at: datetime | None
    messages: tuple[MessageRef, ...]
    batch: tuple[Run, ...]
    all_sent: bool = False
    earlier: tuple[MessageRef, ...] = ()
    late: frozenset[str] = frozenset()
    shared_to: int | None = None
    with_prompt: bool = False
    deleted_by: int | None = None
    abandoned: bool = False

    @property
    def destination(self) -> int:
        """Return the id of the channel to post in, or of the user for a direct message."""
        run = self.run
        if self.purpose in (Purpose.REVIEW, Purpose.CARD):
            return run.review_channel_id or run.channel_id
        if self.purpose is Purpose.REPORT:
            return run.report_channel_id or run.channel_id
        if self.purpose in COPY_PURPOSES:
            return self.shared_to or run.channel_id
        return run.requester_id if self.purpose is Purpose.NOTICE else run.channel_id

    @property
    def is_late_in_batch(self) -> bool:
        """Return whether this is the late success of one run in a larger batch, which must not replace the
        message that shows the whole batch.
        """
        return self.purpose is Purpose.LATE and self.run.count > 1


class SentMessages(NamedTuple):
    """The messages sent for a delivery. `attempted_at` is set if an unfinished attempt may have sent
    another message.

    `earlier` are messages of an earlier delivery of the same result, which this delivery replaces.
    `deleted_by` is the user who deleted the copy, if it was deleted without its result.
    """

    messages: tuple[MessageRef, ...] = ()
    attempted_at: datetime | None = None
    earlier: tuple[MessageRef, ...] = ()
    deleted_by: int | None = None

    @property
    def everywhere(self) -> tuple[MessageRef, ...]:
        return (*self.messages, *self.earlier)
