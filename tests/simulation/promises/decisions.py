"""Promises: a decision is final, and making the same decision again isn't an error."""

from __future__ import annotations

from collections.abc import Iterator

from tests.simulation.evidence import Evidence, Request
from tests.simulation.promises.facts import (
    OUTCOMES,
    all_texts,
    answered,
    deletes_result,
    pressed,
    reply,
    subject,
)
from tests.simulation.promises.shared import Broken, reachable, where
from tests.simulation.story import Press

_DECIDED = {"approve": "Approved by", "reject": "Rejected by"}
_TOO_LATE = "has already decided this"


def at_the_end(evidence: Evidence) -> Iterator[Broken]:
    for press in evidence.story.presses:
        yield from _decided_twice(evidence, press)
        for request in evidence.requests:
            yield from _shown_again(evidence, request, press)


def _decided_twice(evidence: Evidence, press: Press) -> Iterator[Broken]:
    """Check that a moderator may repeat a decision, for example because the answer got lost."""
    moderator = f"<@{evidence.story.world.person(press.who).id}>"
    decided = f"{_DECIDED.get(pressed(press)[1], '?')} {moderator}"
    mine = any(decided in text for text in all_texts(press.message))
    if mine and f"{moderator} {_TOO_LATE}" in reply(press):
        yield Broken("a repeated decision is accepted", pressed(press)[0], f"{press.who}: {reply(press)!r}")


def _shown_again(evidence: Evidence, request: Request, press: Press) -> Iterator[Broken]:
    key = pressed(press)[0]
    if key not in request.keys or not deletes_result(press):
        return
    for message in request.messages:
        shows = any(f"-{key}-" in file.filename for file in message.attachments)
        again = subject(message)[1] in OUTCOMES and message.created > answered(press)
        if shows and again and message.deleted_at is None and reachable(evidence, message):
            yield Broken("a deleted result stays deleted", str(request), where(message))
