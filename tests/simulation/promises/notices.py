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
    monotonic,
    subject,
)
from tests.simulation.promises.shared import Broken, cancelled, was_removed, where

# After an outcome with one of these, a result may still come and ping again.
_MAY_CHANGE = ("If it turns up", "If it finishes after all", "so I stopped", "If that changes", "Not started")
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
        yield from _finished_before_cancel(evidence, request)


def _told_twice(evidence: Evidence) -> Iterator[Broken]:
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


def _troubled(evidence: Evidence) -> bool:
    """Return whether ComfyDeploy couldn't be polled, or the bot couldn't store something, at any time."""
    words = ("GET /run", "get_status", "is away", "killed", "SIGTERM", "fails", "COMMIT", "clock", "threads")
    return evidence.story.had(*words)


def _pinged_once(evidence: Evidence, request: Request) -> Iterator[Broken]:
    ask = request.ask
    if ask is None or _troubled(evidence):
        return
    if evidence.story.had("age-restricted"):
        return  # a result that may no longer be shown is replaced by a note
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
    """Check that a result is only delayed by an outage, and not sent as a DM while its channel is open."""
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
    """Check that a rejection or block is shown in public only if the direct message may have failed."""
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


def _finished_before_cancel(evidence: Evidence, request: Request) -> Iterator[Broken]:
    calls = evidence.story.world.comfydeploy.call_log.cancel_calls
    if len(request.runs) != 1 or not cancelled(evidence, request) or was_removed(evidence, request):
        return
    run = request.runs[0]
    first = min((call.at for call in calls if call.run_id == run.id), default=None)
    if run.status != "success" or run.ended_at is None or first is None or run.ended_at.timestamp() > first:
        return
    if run.faults.get_status is not None or run.faults.success_after_cancel:
        return
    told = [m for m in evidence.outcomes(request) if "ancelled" in text_of(m.body)]
    late = [m for m in told if m.created < monotonic(first) + 100]
    if late:
        yield Broken("a result finished before Cancel is shown", request, text_of(late[0].body)[:60])
