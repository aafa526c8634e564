"""Promises: only a server's moderators decide, and cards show every report and decision."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.fakediscord.world import Guild, Message
from tests.simulation.evidence import Evidence, Request, custom_ids_in, keys_of, whole_text
from tests.simulation.promises.facts import (
    REPORT_CARD,
    Clock,
    all_texts,
    answered,
    dated,
    monotonic,
    pressed,
    reply,
    subject,
)
from tests.simulation.promises.shared import MODERATORS, Broken, reachable, text_in, where
from tests.simulation.story import Press

_DECIDED = re.compile(
    r"(Approved|Rejected|Dismissed|Deleted|Posted|Posted as a spoiler) by <@(\d+)>|<@(\d+)> blocked <@"
)
_DELETED = ("Deleted.", "This copy is deleted.", "It will be deleted", "This copy will be deleted")
_NO_MODERATOR = "Only this server's moderators"
_THANKS = "Thank you. The moderators will look at it."
_RECORD = "This server's audit log"
_TOLD = {"approve": "Approved by", "reject": "Rejected by"}
_TOO_LATE = "has already decided this"
# Faults that may delay the edit of a card, and the seconds in which it closes otherwise, even after a kill.
_DELAYS = re.compile(
    r"([Dd]iscord|both) is|PATCH|POST|SIGTERM|database|will fail|fails|loses|removed|deleted"
    r"|clock|thread|slow|away"
)
# On PostgreSQL, a killed process's lease on a request must expire first, which takes a minute.
_CLOSES, _LEASE = 40.0, 60.0
_MODERATES = frozenset({"manages_server", "reviews"})


def at_the_end(evidence: Evidence) -> Iterator[Broken]:
    for message in evidence.messages:
        if evidence.is_card(message):
            yield from _decided_by_moderators(evidence, message)
            yield from _closed(evidence, message)
            yield from _closed_soon(evidence, message)
        elif message.ephemeral:
            yield from _reads_the_record(evidence, message)
    yield from _notes_stay_with_moderators(evidence)
    for press in evidence.story.presses:
        yield from _may_delete(evidence, press)
        yield from _report_is_shown(evidence, press)
        yield from _reviewer_is_a_moderator(evidence, press)
        yield from _decided_twice(evidence, press)


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


def _closed_soon(evidence: Evidence, card: Message) -> Iterator[Broken]:
    """Check that a card closes soon after its request is started, even if the answer to the press is lost."""
    if any(_DELAYS.search(what) for _, what in evidence.story.struck):
        return
    started = [
        monotonic(call.at)
        for request in evidence.requests
        for call in (request.calls if keys_of(card) & request.keys else ())
    ]
    steady, within = Clock(evidence.story).steady, _CLOSES
    if evidence.story.world.is_postgres and evidence.story.had("is killed"):
        within += _LEASE
    was_open = False
    for since, body in dated(card):
        is_open = any(each.endswith(":approve") for each in custom_ids_in(body))
        if was_open and not is_open and started and steady(since) - steady(min(started)) > within:
            yield Broken("a decided request has no open card", where(card), f"it closed at {since:.0f}")
        if was_open and not is_open:
            return
        was_open = is_open


def _reads_the_record(evidence: Evidence, message: Message) -> Iterator[Broken]:
    reader = message.interaction.user if message.interaction is not None else None
    if reader is None or not any(_RECORD in text for text in all_texts(message)):
        return
    name = evidence.story.world.name_of(reader)
    promoted = any(what.startswith(f"{name} is m") for _, what in evidence.story.struck)
    if name in ("mona", "mike", "rita", "owner", "stranger") or promoted:
        return
    if str(reader.id) not in _chosen_reviewers(evidence):
        yield Broken("only moderators read the audit log", where(message), f"{name} reads it")


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
    """Check that a card shows an accepted report and its note."""
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
    elif _is_first_report(evidence, press) and not any(_note(press) in whole_text(card) for card in cards):
        yield Broken("moderators read each note", key, f"no card has {_note(press)!r} of {press.who}")


def _note(press: Press) -> str:
    return str((press.values or {}).get("note", ""))


def _is_first_report(evidence: Evidence, press: Press) -> bool:
    """Return whether a report is the first about its run. A card shows only three reports."""
    key = pressed(press)[0]
    alike = [each for each in evidence.story.presses if _note(each) and pressed(each)[0] == key]
    return alike[:1] == [press]


def _notes_stay_with_moderators(evidence: Evidence) -> Iterator[Broken]:
    written = {note for press in evidence.story.presses if (note := _note(press)).startswith("reportnote")}
    for message in evidence.messages if written else ():
        reader = message.interaction.user if message.interaction is not None else None
        if evidence.is_card(message) or (message.ephemeral and reader and reader.name in MODERATORS):
            continue
        text = whole_text(message) + "".join(map(text_in, message.attachments))
        if reader is not None and any(
            note in text and press.who == reader.name
            for press in evidence.story.presses
            for note in written
            if _note(press) == note
        ):
            continue  # the reporter's own note
        if found := next((note for note in written if note in text), None):
            promoted = reader is not None and str(reader.id) in _chosen_reviewers(evidence)
            if not promoted:
                yield Broken("only moderators read a report's note", where(message), found)


def _is_open_after(card: Message, at: float) -> bool:
    is_open = any(each.endswith(":dismiss") for each in card.custom_ids)
    return card.created >= at or is_open or (card.edited or 0) > at


def _reviewer_is_a_moderator(evidence: Evidence, press: Press) -> Iterator[Broken]:
    if "reviews" not in press.rights or press.forged or _chosen_reviewers(evidence):
        return
    if press.message.channel.guild is not evidence.story.world.cast.guilds["reviewed"]:
        return
    # The rules of a server are deleted when the bot is removed from it.
    if evidence.story.had("is removed from reviewed"):
        return
    if pressed(press)[1] in ("approve", "reject", "dismiss") and _NO_MODERATOR in reply(press):
        yield Broken("the reviewer role lets people decide", press.who, reply(press))


def _decided_twice(evidence: Evidence, press: Press) -> Iterator[Broken]:
    """Check that a moderator may repeat a decision, for example because the answer got lost."""
    moderator = f"<@{evidence.story.world.person(press.who).id}>"
    decided = f"{_TOLD.get(pressed(press)[1], '?')} {moderator}"
    mine = any(decided in text for text in all_texts(press.message))
    if mine and f"{moderator} {_TOO_LATE}" in reply(press):
        yield Broken("a repeated decision is accepted", pressed(press)[0], f"{press.who}: {reply(press)!r}")
