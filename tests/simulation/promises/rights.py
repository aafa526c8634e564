"""Promises: nobody does what they have no right to, and what moderators and requesters decide happens."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.fakediscord.world import Message
from tests.simulation.evidence import (
    OUTCOMES,
    POST,
    REPORT_CARD,
    SHARE,
    Evidence,
    Request,
    file_keys_of,
    keys_of,
    monotonic,
    subject,
    text_of,
    where,
    whole_text,
)
from tests.simulation.promises import promise
from tests.simulation.promises.outcomes import was_cancelled
from tests.simulation.story import Press

_DECIDED = re.compile(
    r"(Approved|Rejected|Dismissed|Deleted|Posted|Posted as a spoiler) by <@(\d+)>|<@(\d+)> blocked <@"
)
_REPEATED = ("again", "vary", "edit")
# Answers to a press that was refused before its action was read.
_REFUSED = ("This doesn't belong to this message", "I can't reach my database", "Something went wrong")
_CANCELLED = ("You cancelled this request", "A moderator cancelled this request")
_DELETED = ("Deleted.", "It will be deleted in a moment.")
_COPY_DELETED = ("This copy is deleted.", "This copy will be deleted in a moment.")
_THANKS = "Thank you. The moderators will look at it."
_SURE = 10.0


@promise("only moderators decide")
def _decided_by_moderators(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """A card names only moderators of its server, who have pressed something there about its request."""
    world, story = evidence.world, evidence.story
    blockers = {world.person(each.who).id for each in story.commands if each.name == "block"}
    for card in filter(evidence.is_card, evidence.messages if not story.sets("reviewer_role_id") else ()):
        there = [each for each in story.presses if each.message.channel.guild is card.channel.guild]
        there = [each for each in there if each.moderates]
        for match in _DECIDED.finditer(whole_text(card)):
            # All cards of a blocked person show the block.
            about = [each for each in there if match[3] or keys_of(card) & {each.key, *keys_of(each.message)}]
            deciders = {*blockers, *(world.person(each.who).id for each in about)}
            if int(match[2] or match[3]) not in deciders:
                yield where(card), match[0]


@promise("results are deleted only by people who may do so")
def _may_delete(evidence: Evidence) -> Iterator[tuple[Request, str]]:
    for press in evidence.story.presses if not evidence.story.sets("reviewer_role_id") else ():
        told = press.reply.startswith((*_DELETED, *_COPY_DELETED))
        for request in evidence.requests if told and press.action in ("delete", "clear") else ():
            ask = request.ask
            if ask is None or press.key not in request.keys or ask.who == press.who:
                continue
            is_here = press.message.channel.guild is ask.interaction.channel.guild
            if not is_here or not press.moderates:
                yield request, f"{press.who} was told: {press.reply}"


@promise("moderators see each report")
def _reported(evidence: Evidence) -> Iterator[tuple[str, str]]:
    if evidence.story.sets("approval.review_channel_id") or evidence.story.had(
        "#cards", "#reports", "is removed"
    ):
        return
    for press in evidence.story.presses:
        if press.action == "report" and press.reply.startswith(_THANKS):
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


@promise("a press acts only on its own message's request")
def _on_another_message(evidence: Evidence) -> Iterator[tuple[Request, str]]:
    for press in (each for each in evidence.story.presses if each.forged and not each.message.ephemeral):
        own = next((request for request in evidence.requests if press.key in request.keys), None)
        if (
            own is None
            or press.message in own.messages
            or not press.custom_id.startswith(("run:", "delete:"))
        ):
            continue
        if press.interaction.modal is not None or (press.reply and not press.reply.startswith(_REFUSED)):
            yield own, f"{press.custom_id}: {press.reply[:80]!r}"


@promise("strangers change nothing")
def _cancelled_with_right(evidence: Evidence) -> Iterator[tuple[Request, str]]:
    for request in evidence.requests:
        told = any(word in text_of(m.body) for m in evidence.outcomes(request) for word in _CANCELLED)
        if told and not was_cancelled(evidence, request):
            yield request, f"cancelled; only {[each.who for each in evidence.presses_about(request)]} pressed"


@promise("nobody starts from a private or deleted result")
def _starts_from_what_is_seen(evidence: Evidence) -> Iterator[tuple[Request, str]]:
    for request in evidence.requests:
        ask = request.ask
        if ask is None or ask.parent is None or not request.calls:
            continue
        source = evidence.story.asks[ask.parent]
        if source.who == ask.who:
            continue
        # Only the files of the pressed run count, because other runs of a batch may have made none.
        pressed = str(ask.interaction.data.get("custom_id", ""))
        files = [
            message
            for message in evidence.messages
            if any(key in pressed for key in file_keys_of(message)) and not evidence.is_card(message)
        ]
        left = [message for message in files if message not in evidence.story.removed]
        gone = bool(left) and all(m.deleted_at and monotonic(m.deleted_at) < ask.at - _SURE for m in left)
        if source.private or (gone and ask.how in _REPEATED):
            yield request, f"of {source.who}, by {ask.who}"
