"""Decide which results may be copied, when a second copy is refused, and which copy a message belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from enum import Enum, auto

from bot.domain.errors import AlreadyPosted, RefusedError
from bot.domain.requests import Requester
from bot.domain.results.deliveries import COPY_PURPOSES, DeliveryState, MessageRef, Purpose
from bot.domain.runs import Run
from bot.domain.text import message_url


class MessageState(Enum):
    """Whether one of the bot's messages still exists in Discord, and if not, what was deleted."""

    EXISTS = auto()
    DELETED = auto()
    CHANNEL_DELETED = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyRequest:
    """A request for a copy of a result.

    The copy is a share in the channel `shared_to` or, if `shared_to` is None, a message with a single result
    of a batch. An earlier copy in `deleted_channel`, which no longer exists, is no reason to refuse it.
    """

    key: str
    user_id: int
    shared_to: int | None = None
    with_prompt: bool = False
    deleted_channel: int | None = None

    @property
    def purpose(self) -> Purpose:
        return Purpose.SINGLE if self.shared_to is None else Purpose.SHARE


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultDelivery:
    """A delivery of a result: its outcome, its late success or a copy, posted in `channel_id`.

    `earlier` are messages of earlier attempts, or of an earlier copy. If `attempted` is True, a message may
    have been posted that isn't in `messages` yet. `deleted_by` is the user who deleted the copy.
    """

    id: int
    purpose: Purpose
    state: DeliveryState
    channel_id: int
    messages: tuple[MessageRef, ...] = ()
    earlier: tuple[MessageRef, ...] = ()
    attempted: bool = False
    deleted_by: int | None = None


def check_copyable(run: Run, requester: Requester) -> None:
    """Raise RefusedError unless this user may copy the run's result.

    The user must have requested the run, in the server of this interaction. The result must be available, and
    neither private nor hidden from the channel.
    """
    if run.requester_id != requester.person.id:
        raise RefusedError("copy_not_yours")
    if run.guild_id != requester.origin.guild_id:
        raise RefusedError("copy_elsewhere")
    check_available(run)
    if run.private:
        raise RefusedError("copy_private")
    if run.hidden_from_channel:
        raise RefusedError("details_hidden")


def check_available(run: Run) -> None:
    """Raise RefusedError unless the run has a result that was neither deleted nor erased."""
    if not run.is_shown:
        raise RefusedError("copy_result_deleted" if run.deleted_at is not None else "no_result")
    if not run.outputs:  # its requester has erased them
        raise RefusedError("copy_file_gone")


def offers_copy(run: Run, requester: Requester) -> bool:
    """Return whether a run is the requester's, from their current server, and still shows its result."""
    is_here = run.guild_id == requester.origin.guild_id
    return is_here and run.requester_id == requester.person.id and run.is_shown


def check_first_copy(run: Run, copy: CopyRequest, deliveries: Sequence[ResultDelivery]) -> None:
    """Raise RefusedError if a copy of this kind is pending or was deleted by a moderator, or AlreadyPosted if
    one was posted.

    A copy may be requested again if it failed, if the result's requester deleted it, or if its channel was
    deleted. The message of a late success counts as the copy of a single result, because it shows nothing
    else.
    """
    same = [each for each in deliveries if _is_same(each, copy) and not _may_repeat(run, each, copy)]
    if any(each.state is DeliveryState.PENDING for each in same):
        raise RefusedError("copy_pending")
    if any(each.deleted_by is not None for each in same):
        raise RefusedError(copy_code(copy, "deleted"))
    for each in same:
        if not each.messages:
            raise RefusedError("copy_pending")
        channel_id, message_id = each.messages[0]
        url = message_url(run.guild_id, channel_id, message_id)
        raise AlreadyPosted(copy_code(copy, "there"), url, channel_id, message_id)


def copy_code(copy: CopyRequest, ending: str) -> str:
    """Return the code of a sentence that Post and Share say in their own words, such as `share_there`."""
    return f"{'share' if copy.purpose is Purpose.SHARE else 'post'}_{ending}"


def outcome_stands(shown: Iterable[str], late: Set[str], *, removed: bool) -> bool:
    """Return whether the message with a batch's outcome still exists.

    `shown` are the keys of the runs whose results are shown, and `late` those of the runs whose results have
    messages of their own. `removed` means that something of the batch was deleted.
    """
    return not removed or any(key not in late for key in shown)


def _is_same(delivery: ResultDelivery, copy: CopyRequest) -> bool:
    is_alone = copy.purpose is Purpose.SINGLE and delivery.purpose is Purpose.LATE
    return delivery.purpose is copy.purpose or is_alone


def _may_repeat(run: Run, delivery: ResultDelivery, copy: CopyRequest) -> bool:
    if delivery.state is DeliveryState.PENDING:
        return False
    if delivery.deleted_by is not None:
        return delivery.deleted_by == run.requester_id
    if delivery.messages and delivery.messages[0].channel_id == copy.deleted_channel:
        return True
    return delivery.state is DeliveryState.UNDELIVERED


def copy_in(message: MessageRef, deliveries: Sequence[ResultDelivery]) -> ResultDelivery | None:
    """Return the copy that a message belongs to, or None if the message shows the result itself.

    While an attempt to post a copy is unfinished, any unknown message in its channel counts as that copy.
    """
    for each in deliveries:
        if message in each.messages or message in each.earlier:
            return each if each.purpose in COPY_PURPOSES else None
    return next((each for each in deliveries if _may_have_posted(each, message.channel_id)), None)


def _may_have_posted(delivery: ResultDelivery, channel_id: int) -> bool:
    is_unknown = delivery.state is DeliveryState.PENDING and delivery.attempted
    return delivery.purpose in COPY_PURPOSES and is_unknown and delivery.channel_id == channel_id


def check_copy_stands(run: Run, copy: ResultDelivery, message: MessageRef, user_id: int) -> None:
    """Raise RefusedError if the copy or its result was deleted, or if this message was replaced.

    Only a moderator's deletion is final. A moderator may therefore delete a copy that its requester has just
    deleted, or has requested again, as long as the earlier message is still visible.
    """
    if run.deleted_at is not None:
        raise RefusedError("already_deleted")
    if user_id != run.requester_id:
        if copy.deleted_by not in (None, run.requester_id):
            raise RefusedError("already_deleted")
        return
    # The courier deletes the messages of earlier attempts, unless the copy failed.
    is_replaced = message in copy.earlier and message not in copy.messages
    if copy.state is not DeliveryState.UNDELIVERED and is_replaced:
        raise RefusedError("already_deleted")
    if copy.deleted_by is not None:
        raise RefusedError("already_deleted")
