"""Promises: only a server's moderators decide, and cards show every report and decision."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.fakediscord.world import Guild, Message
from tests.simulation.evidence import Evidence, Request, keys_of, whole_text
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
_MODERATES = frozenset({"manages_server", "reviews"})


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


def _decided_by_moderators(evidence: Evidence, card: Message) -> Iterator[Broken]:
    keys = keys_of(card)
    for text in all_texts(card):
        for match in _DECIDED.finditer(text):
            person = match[2] or match[3]
            if person not in _chosen_reviewers(evidence) and not _had_power(
                evidence, card, keys if match[2] else None, person
            ):
                yield Broken("only moderators decide", where(card), match[0])
                return


def _had_power(evidence: Evidence, card: Message, keys: set[str] | None, person: str) -> bool:
    """Return whether a person with a moderator's rights pressed something about one of `keys` on the server.

    `keys` is None for a block, which all cards of the blocked person show.
    """
    world = evidence.story.world
    for press in evidence.story.presses:
        if str(world.person(press.who).id) != person or press.message.channel.guild is not card.channel.guild:
            continue
        about = {pressed(press)[0]} | keys_of(press.message)
        if press.rights & (_MODERATES | {"manages_messages"}) and (keys is None or keys & about):
            return True
    return any(
        command.name == "block" and str(world.person(command.who).id) == person
        for command in evidence.story.commands
    )


def _closed(evidence: Evidence, card: Message) -> Iterator[Broken]:
    if card.deleted_at is not None or not any(each.endswith(":approve") for each in card.custom_ids):
        return
    started = any(keys_of(card) & request.keys and request.calls for request in evidence.requests)
    if started and reachable(evidence, card):
        yield Broken("a decided request has no open card", where(card), "its request was started")


def _home(evidence: Evidence, key: str) -> tuple[Request, Guild | None] | None:
    for request in evidence.requests:
        if key in request.keys and request.ask is not None:
            return request, request.ask.interaction.channel.guild
    return None


def _may_delete(evidence: Evidence, press: Press) -> Iterator[Broken]:
    key, action = pressed(press)
    if action not in ("delete", "clear") or not reply(press).startswith(_DELETED):
        return
    home = _home(evidence, key)
    if home is None or home[0].ask is None or home[0].ask.who == press.who:
        return
    here = press.message.channel.guild is home[1]
    chosen = str(evidence.story.world.person(press.who).id) in _chosen_reviewers(evidence)
    if not here or not (chosen or press.rights & (_MODERATES | {"manages_messages"})):
        yield Broken(
            "results are deleted only by people who may do so",
            home[0],
            f"{press.who} was told: {reply(press)}",
        )


def _report_is_shown(evidence: Evidence, press: Press) -> Iterator[Broken]:
    """Check that a card shows an accepted report."""
    key, action = pressed(press)
    if action != "report" or not reply(press).startswith(_THANKS):
        return
    closing = ("#cards", "#reports", "is removed")
    if evidence.story.had(*closing):
        return
    cards = [m for m in evidence.messages if subject(m) == (key, REPORT_CARD)]
    if any(
        name.startswith("approval.review_channel_id")
        for p in evidence.story.presses
        for name in p.values or ()
    ):
        return
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
