"""Decide whether a result may be copied, and which copy a message shows."""

from __future__ import annotations

from dataclasses import dataclass

from bot.domain.errors import RefusedError
from bot.domain.messages import COPIES, Message, MessageRef, Messages, Purpose
from bot.domain.requests import Actor
from bot.domain.runs import Run
from bot.domain.text import message_url


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyRequest:
    """A request for a copy of a result.

    The copy is a share in the channel `shared_to` or, if `shared_to` is None, a message with a single result
    of a batch.
    """

    key: str
    shared_to: int | None = None
    with_prompt: bool = False

    @property
    def purpose(self) -> Purpose:
        return Purpose.POST if self.shared_to is None else Purpose.SHARE


def check_copyable(run: Run) -> None:
    """Raise RefusedError unless a result is available, and neither private nor hidden from the channel."""
    check_available(run)
    if run.private:
        raise RefusedError("copy_private")
    if run.hidden_from_channel:
        raise RefusedError("details_hidden")


def check_available(run: Run) -> None:
    """Raise RefusedError unless the run has a result that was neither deleted nor erased."""
    if not run.is_shown:
        raise RefusedError("copy_result_deleted" if run.deleted_at is not None else "no_result")
    if not run.visible:  # its requester has erased them, or they may not be shown
        raise RefusedError("copy_file_gone")


def offers_copy(run: Run, actor: Actor) -> bool:
    """Return whether a run is the requester's own, of this server, and still shows its result."""
    is_own = run.requester_id == actor.id and run.guild_id == actor.origin.guild_id
    return is_own and run.is_shown and bool(run.visible)


def check_first_copy(run: Run, copy: CopyRequest, messages: Messages) -> None:
    """Raise RefusedError if a copy of this purpose was posted, is about to be, or was deleted by a moderator.

    It may be requested again if it failed, if the requester deleted it, or if the gallery is another channel
    now. The message of a late success counts as the copy of a single result.
    """
    alone = messages.get((Purpose.LATE, run.index)) if copy.purpose is Purpose.POST else None
    for each in filter(None, (messages.get((copy.purpose, run.index)), alone)):
        if each.deleted_by not in (None, run.requester_id):
            raise RefusedError(f"{copy.purpose}_deleted")
        is_here = each.is_complete and copy.shared_to in (None, each.posted[0].channel_id)
        if is_here and each.deleted_by is None:
            raise RefusedError(f"{copy.purpose}_there", url=message_url(run.guild_id, *each.posted[0].ref))
        if each.is_pending:
            raise RefusedError("copy_pending")


def copy_to_delete(run: Run, message: MessageRef, messages: Messages, user_id: int) -> Message:
    """Return the copy of a run's result that a message shows, and that this user may delete.

    Raises RefusedError if there is none, if the copy or its result was deleted, or if the message was
    replaced. Only a moderator's deletion is final: a moderator may delete a copy that its requester has just
    deleted or requested again, while the earlier message is visible.
    """
    copies = (messages.get((purpose, run.index)) for purpose in sorted(COPIES))
    copy = next((each for each in copies if each and message in (*each.refs, *each.stale)), None)
    if copy is None or run.deleted_at is not None or copy.deleted_by not in (None, run.requester_id):
        raise RefusedError("already_deleted")
    is_current = message in copy.refs and copy.deleted_by is None
    if user_id == run.requester_id and not is_current:
        raise RefusedError("already_deleted")
    return copy
