"""Promises: what people report, delete or cancel is seen, gone or ended, and nothing else is."""

from __future__ import annotations

from collections.abc import Iterator

from bot.sentences import say
from tests.fakediscord.world import Message
from tests.simulation.evidence import (
    OUTCOMES,
    POST,
    REPORT_CARD,
    SHARE,
    Evidence,
    Request,
    file_keys_of,
    subject,
    where,
)
from tests.simulation.promises import promise
from tests.simulation.promises.outcomes import was_cancelled
from tests.simulation.story import Press

_CANCELLED = (say("cancelled_by_requester"), say("cancelled_by_moderator"))
_DELETED = (say("delete_done"), say("delete_noted"))
_COPY_DELETED = (say("delete_done_copy"), say("delete_noted_copy"))


@promise("moderators see each report")
def _reported(evidence: Evidence) -> Iterator[tuple[str, str]]:
    if evidence.story.sets("approval.review_channel_id") or evidence.story.had(
        "#cards", "#reports", "is removed"
    ):
        return
    for press in evidence.story.presses:
        if press.action == "report" and press.reply.startswith(say("report_noted")):
            cards = [m for m in evidence.messages if subject(m) == (press.key, REPORT_CARD)]
            shown = [max(card.created, card.edited or 0) > press.at for card in cards]
            shown += [any(each.endswith(":dismiss") for each in card.custom_ids) for card in cards]
            if not any(shown):
                yield press.key, f"{press.who} was told that they would"


@promise("deleted results and copies disappear")
def _deleted_is_gone(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """A deleted copy disappears, and a deleted result with all its copies, for ever."""
    for press in (each for each in evidence.story.presses if each.action == "delete"):
        for message in evidence.messages:
            is_left = message.deleted_at is None and evidence.is_reachable(message)
            if is_left and _goes_with(press, message):
                yield press.key, where(message)


def _goes_with(press: Press, message: Message) -> bool:
    """Return whether a press that deleted something was told to delete a message."""
    key, kind = subject(message)
    if press.reply.startswith(_DELETED) and press.meant.attachments:
        is_share = kind == SHARE and " by <@" in message.text
        is_copy = key == press.key and (is_share or (kind == POST and bool(message.attachments)))
        return is_copy or (kind in OUTCOMES and press.key in file_keys_of(message))
    is_same = (key, kind) == subject(press.meant) and key == press.key
    return press.reply.startswith(_COPY_DELETED) and is_same and message.created < press.answered


@promise("strangers change nothing")
def _cancelled_with_right(evidence: Evidence) -> Iterator[tuple[Request, str]]:
    for request in evidence.requests:
        told = any(word in m.text for m in evidence.outcomes(request) for word in _CANCELLED)
        # Nothing connects the late success of a batch's later run with the message that had Cancel.
        parts = [other for other in evidence.requests if other.ask is request.ask]
        if told and not any(was_cancelled(evidence, part) for part in parts):
            yield request, f"cancelled; only {[each.who for each in evidence.presses_about(request)]} pressed"
