"""Promises: only a server's moderators decide, and cards show every report and decision."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.fakediscord.world import Message
from tests.simulation.evidence import Evidence, keys_of, whole_text
from tests.simulation.promises.facts import (
    REPORT_CARD,
    all_texts,
    answered,
    pressed,
    reply,
    subject,
)
from tests.simulation.promises.shared import MODERATORS, Broken, reachable, reader_of, text_in, where
from tests.simulation.story import Press

_DECIDED = re.compile(
    r"(Approved|Rejected|Dismissed|Deleted|Posted|Posted as a spoiler) by <@(\d+)>|<@(\d+)> blocked <@"
)
_DELETED = ("Deleted.", "This copy is deleted.", "It will be deleted", "This copy will be deleted")
_THANKS = "Thank you. The moderators will look at it."
_MODERATES = frozenset({"manages_server", "manages_messages", "reviews"})


def at_the_end(evidence: Evidence) -> Iterator[Broken]:
    for message in evidence.messages:
        if evidence.is_card(message):
            yield from _decided_by_moderators(evidence, message)
            yield from _closed(evidence, message)
    yield from _notes_stay_with_moderators(evidence)
    for press in evidence.story.presses:
        yield from _may_delete(evidence, press)
        yield from _report_is_shown(evidence, press)


def _chosen_reviewers(evidence: Evidence) -> set[str]:
    """Return the ids of people whose role was chosen as a reviewer role in this round."""
    return {
        each
        for press in evidence.story.presses
        for name, values in (press.values or {}).items()
        if name.startswith("reviewer_role_id:")
        for each in values
    }


def _moderates(evidence: Evidence, press: Press) -> bool:
    """Return whether somebody who pressed something was a moderator there."""
    chosen = str(evidence.story.world.person(press.who).id) in _chosen_reviewers(evidence)
    return chosen or bool(press.rights & _MODERATES)


def _decided_by_moderators(evidence: Evidence, card: Message) -> Iterator[Broken]:
    """A card names only moderators of its server, who have pressed something about its request."""
    world, keys = evidence.story.world, keys_of(card)
    blockers = {world.person(c.who).id for c in evidence.story.commands if c.name == "block"}
    pressed_by = [
        (world.person(press.who).id, {pressed(press)[0]} | keys_of(press.message))
        for press in evidence.story.presses
        if press.message.channel.guild is card.channel.guild and _moderates(evidence, press)
    ]
    for match in (match for text in all_texts(card) for match in _DECIDED.finditer(text)):
        # All cards of a blocked person show the block.
        person, is_block = int(match[2] or match[3]), match[3] is not None
        decided = any(who == person and (is_block or keys & about) for who, about in pressed_by)
        if not decided and person not in blockers:
            yield Broken("only moderators decide", where(card), match[0])
            return


def _closed(evidence: Evidence, card: Message) -> Iterator[Broken]:
    """A request that was started has no card that still asks for its approval."""
    if card.deleted_at is not None or not any(each.endswith(":approve") for each in card.custom_ids):
        return
    started = any(keys_of(card) & request.keys and request.calls for request in evidence.requests)
    if started and reachable(evidence, card):
        yield Broken("a decided request has no open card", where(card), "its request was started")


def _may_delete(evidence: Evidence, press: Press) -> Iterator[Broken]:
    """Only the requester and the server's moderators delete a result or copy."""
    key, action = pressed(press)
    if action not in ("delete", "clear") or not reply(press).startswith(_DELETED):
        return
    for request in evidence.requests:
        ask = request.ask
        if ask is None or key not in request.keys or ask.who == press.who:
            continue
        here = press.message.channel.guild is ask.interaction.channel.guild
        if not here or not _moderates(evidence, press):
            detail = f"{press.who} was told: {reply(press)}"
            yield Broken("results are deleted only by people who may do so", request, detail)


def _report_is_shown(evidence: Evidence, press: Press) -> Iterator[Broken]:
    """A card shows each accepted report."""
    key, action = pressed(press)
    boxes = [name for each in evidence.story.presses for name in each.values or ()]
    moved = any(name.startswith("approval.review_channel_id") for name in boxes)
    if action != "report" or not reply(press).startswith(_THANKS) or moved:
        return
    if evidence.story.had("#cards", "#reports", "is removed"):
        return
    cards = [m for m in evidence.messages if subject(m) == (key, REPORT_CARD)]
    if not any(_is_open_after(card, answered(press)) for card in cards):
        yield Broken("moderators see each report", key, f"{press.who} was told that they would")


def _notes_stay_with_moderators(evidence: Evidence) -> Iterator[Broken]:
    """Only moderators and the reporter read the note of a report."""
    written = {
        note: press.who
        for press in evidence.story.presses
        if (note := str((press.values or {}).get("note", ""))).startswith("reportnote")
    }
    people, chosen = evidence.story.world.cast.people, _chosen_reviewers(evidence)
    promoted = [name for name, person in people.items() if str(person.id) in chosen]
    for message in evidence.messages if written else ():
        if evidence.is_card(message) or reader_of(message) in MODERATORS:
            continue
        text = whole_text(message) + "".join(map(text_in, message.attachments))
        for note, reporter in written.items():
            if note in text and reader_of(message) not in (reporter, *promoted):
                yield Broken("only moderators read a report's note", where(message), note)


def _is_open_after(card: Message, at: float) -> bool:
    is_open = any(each.endswith(":dismiss") for each in card.custom_ids)
    return card.created >= at or is_open or (card.edited or 0) > at
