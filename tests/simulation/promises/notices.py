"""Promises: people are told everything once and in the right place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tests.simulation.evidence import Evidence, Request, text_of
from tests.simulation.promises.facts import (
    HIDDEN,
    OUTCOMES,
    PICTURES_CARD,
    all_texts,
    subject,
)
from tests.simulation.promises.shared import Broken, where

# After an outcome with one of these, a result may still come and ping again.
_MAY_CHANGE = ("If it turns up", "If it finishes after all", "so I stopped", "If that changes", "Not started")
# Faults that keep the bot from polling or storing something, or make it replace a result with a note.
_TROUBLE = (
    *("GET /run", "get_status", "is away", "killed", "SIGTERM", "fails", "COMMIT", "clock", "threads"),
    "age-restricted",
)
# Faults that close a channel to the bot for a while, or make it use another place.
_CLOSING = (
    "is deleted",
    "loses",
    "is removed",
    "the thread",
    "age-restricted",
    "has expired",
    "is away for",
    "toml",
)
# The beginning of a direct message about a rejection or a block, and what an outcome elsewhere says of it.
_LETTER = "Your request for"
# Below the message that everything is hidden.
_ONLY = "Only you are told."
_TURNED_AWAY = ("didn't approve this request", "has blocked you from generating here")
# Faults that may prevent a direct message.
_NO_LETTER = ("direct messages", "Discord", "POST", "leaves", "is removed")
_DAY = 20 * 3600.0


def at_the_end(evidence: Evidence) -> Iterator[Broken]:
    yield from _told_twice(evidence)
    for request in evidence.requests:
        yield from _pinged_once(evidence, request)
        yield from _in_its_channel(evidence, request)
        yield from _turned_away_in_private(evidence, request)


def _told_twice(evidence: Evidence) -> Iterator[Broken]:
    """No direct message about an outcome is sent twice."""
    seen: Counter[tuple[str, int, str]] = Counter()
    for message in evidence.messages:
        key, kind = subject(message)
        if not key or message.deleted_at is not None or message.attachments or not message.text:
            continue
        if message.channel.guild is None and kind in OUTCOMES:
            seen[key, message.channel.id, message.text] += 1
    for (key, _, text), count in seen.items():
        if count > 1:
            yield Broken("no direct message is sent twice", key, f"{count} times: {text[:80]!r}")


def _pinged_once(evidence: Evidence, request: Request) -> Iterator[Broken]:
    """An outcome pings its requester once, if nothing has kept the bot from polling or storing it."""
    ask = request.ask
    if ask is None or evidence.story.had(*_TROUBLE):
        return
    who = evidence.story.world.person(ask.who).id
    shown = [m for m in request.messages if subject(m)[1] in OUTCOMES]
    if any(words in text for m in shown for text in all_texts(m) for words in _MAY_CHANGE):
        return
    pings = [m for m in shown if who in m.pinged and subject(m)[0] == request.key]
    if len(request.keys) > 1:
        # A late success of one run of a batch has its own message.
        pings = [m for m in pings if subject(m)[1] == "o"]
    # The outcome comes again, with what has waited for a moderator.
    waited = any(subject(m)[1] == PICTURES_CARD for m in request.messages)
    if len(pings) > 1 + waited:
        yield Broken(
            "an outcome pings its requester once", request, f"{[text_of(m.body)[:50] for m in pings]}"
        )


def _in_its_channel(evidence: Evidence, request: Request) -> Iterator[Broken]:
    """A result is delayed by an outage, but isn't sent as a DM while its channel is open."""
    ask = request.ask
    if ask is None or ask.private or ask.interaction.channel.guild is None or ask.interaction.user_install:
        return
    if evidence.story.had(*_CLOSING):
        return
    for message in request.messages:
        elsewhere = message.channel.guild is None and subject(message)[1] in OUTCOMES
        told = text_of(message.body)
        in_private = told.startswith(_LETTER) or any(words in told for words in (*HIDDEN, _ONLY))
        if elsewhere and not (in_private and not message.attachments) and message.created - ask.at < _DAY:
            yield Broken("a result is posted in its request's channel", request, where(message))


def _turned_away_in_private(evidence: Evidence, request: Request) -> Iterator[Broken]:
    """A rejection or block is shown in public only if the direct message may have failed."""
    ask = request.ask
    if ask is None or ask.interaction.user_install:
        return
    if evidence.story.had(*_NO_LETTER):
        return
    for message in request.messages:
        is_public = message.channel.guild is not None and not message.ephemeral
        if not is_public or evidence.is_card(message):
            continue
        if any(words in text for text in all_texts(message) for words in _TURNED_AWAY):
            yield Broken("a rejection is private", request, where(message))
