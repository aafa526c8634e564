"""Nobody is told the opposite of what happens."""

from __future__ import annotations

from collections.abc import Iterator

from tests.fakediscord.world import Message
from tests.simulation.evidence import Evidence, keys_of, text_of
from tests.simulation.promises.shared import Broken, where

_MAY_START = "It may still start"


def at_the_end(evidence: Evidence) -> Iterator[Broken]:
    yield from _opposite(evidence)


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
