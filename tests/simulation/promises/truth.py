"""Promises: answers and cards say what really happened to a request."""

from __future__ import annotations

from collections.abc import Iterator

from tests.fakediscord.world import Message
from tests.simulation.evidence import Evidence, keys_of, text_of
from tests.simulation.promises.shared import Broken, where

_MAY_START = "It may still start"
_PRESSED_TWICE = "just pressed this"
# Words of refusals that may be public.
_TOLD_TO_ALL = ("answered this privately", "database")


def at_the_end(evidence: Evidence) -> Iterator[Broken]:
    yield from _opposite(evidence)
    yield from _unanswered(evidence)
    yield from _each_press_counts(evidence)
    yield from _refused_in_private(evidence)


def _each_press_counts(evidence: Evidence) -> Iterator[Broken]:
    known = [request.ask for request in evidence.requests]
    for ask in evidence.story.asks:
        told = evidence.told_no(ask)
        is_lost = ask not in known and (not told or _PRESSED_TWICE in told)
        if ask.how == "own menu" and is_lost and not evidence.story.struck:
            yield Broken("every press makes a request", f"request {ask.number}", f"of {ask.who}")


def _refused_in_private(evidence: Evidence) -> Iterator[Broken]:
    for ask in evidence.story.asks:
        shown, told = ask.interaction.original, evidence.told_no(ask)
        if shown is None or shown.ephemeral or not told or ask.interaction.channel.guild is None:
            continue
        if not any(words in told for words in _TOLD_TO_ALL):
            yield Broken("a refusal is private", f"request {ask.number}", told[:80])


def _unanswered(evidence: Evidence) -> Iterator[Broken]:
    """Check that nothing is started for an interaction whose deferral Discord refused."""
    asks = evidence.story.asks
    for mark in {ask.mark for ask in asks if not ask.interaction.answered}:
        alike = [ask for ask in asks if ask.mark == mark]
        started = [each for each in evidence.requests if each.calls and each.ask in alike]
        if len(started) > sum(ask.interaction.answered for ask in alike):
            yield Broken(
                "nobody is told the opposite of what happens",
                mark,
                "it started without an answer",
            )


def _opposite(evidence: Evidence) -> Iterator[Broken]:
    for request in evidence.requests:
        told = evidence.told_no(request.ask) if request.ask is not None else ""
        if told and request.calls and _MAY_START not in told:
            yield Broken("nobody is told the opposite of what happens", request, f"{told!r}, and it started")
    for message in evidence.messages:
        if evidence.is_card(message):
            yield from _card_is_true(evidence, message)


def _card_is_true(evidence: Evidence, card: Message) -> Iterator[Broken]:
    text, keys = text_of(card.body), keys_of(card)
    started = any(keys & request.keys and request.calls for request in evidence.requests)
    if "Rejected by" in text and started:
        yield Broken(
            "nobody is told the opposite of what happens", where(card), "it says rejected, and it was started"
        )
