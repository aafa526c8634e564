"""Nobody is told the opposite of what happens."""

from __future__ import annotations

from collections.abc import Iterator

from tests.fakediscord.world import Message
from tests.simulation.evidence import Evidence, keys_of, text_of
from tests.simulation.promises.shared import Broken, where

_MAY_START = "It may still start"


def at_the_end(evidence: Evidence) -> Iterator[Broken]:
    yield from _opposite(evidence)
    yield from _unanswered(evidence)


def _unanswered(evidence: Evidence) -> Iterator[Broken]:
    """Nothing is queued for an interaction whose deferral Discord refused."""
    asks = evidence.story.asks
    for mark in {ask.mark for ask in asks if not ask.interaction.answered}:
        alike = [ask for ask in asks if ask.mark == mark]
        started = [each for each in evidence.requests if each.calls and each.ask in alike]
        if len(started) > sum(ask.interaction.answered for ask in alike):
            yield Broken("nobody is told the opposite", mark, "it started without an answer", started[-1])


def _opposite(evidence: Evidence) -> Iterator[Broken]:
    """A request that was refused isn't started."""
    for request in evidence.requests:
        told = evidence.told_no(request.ask) if request.ask is not None else ""
        if told and request.calls and _MAY_START not in told:
            yield Broken("nobody is told the opposite", str(request), f"{told!r}, and it started")
    for message in evidence.messages:
        if evidence.is_card(message):
            yield from _card_is_true(evidence, message)


def _card_is_true(evidence: Evidence, card: Message) -> Iterator[Broken]:
    text, keys = text_of(card.body), keys_of(card)
    started = any(keys & request.keys and request.calls for request in evidence.requests)
    if "Rejected by" in text and started:
        yield Broken("nobody is told the opposite", where(card), "it says rejected, and it was started")
