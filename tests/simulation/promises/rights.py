"""A stranger's press changes nothing of anybody else's, and starts only from what everybody there sees."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.fakediscord.world import Message
from tests.simulation.evidence import Evidence, Request, keys_of, text_of
from tests.simulation.promises import facts
from tests.simulation.promises.shared import Broken, cancelled
from tests.simulation.story import Ask

_REPEATED = ("again", "vary", "together", "edit", "forged again", "forged edit")
_SURE = 10.0
_CANCELLED = ("You cancelled this request", "A moderator cancelled this request")


def at_the_end(evidence: Evidence) -> Iterator[Broken]:
    for request in evidence.requests:
        yield from _nobody_else_ended_it(evidence, request)
        yield from _starts_from_what_is_seen(evidence, request)


def _nobody_else_ended_it(evidence: Evidence, request: Request) -> Iterator[Broken]:
    told = any(word in text_of(m.body) for m in evidence.outcomes(request) for word in _CANCELLED)
    if told and not cancelled(evidence, request):
        pressed = [p.who for p in evidence.story.presses if keys_of(p.message) & request.keys]
        yield Broken("strangers change nothing", str(request), f"cancelled; only {pressed} pressed")


def _starts_from_what_is_seen(evidence: Evidence, request: Request) -> Iterator[Broken]:
    """A request that somebody made from another person's doesn't come from a private or deleted result."""
    ask = request.ask
    if ask is None or ask.parent is None or not request.calls:
        return
    source = evidence.story.asks[ask.parent]
    if source.who == ask.who:
        return
    if source.private:
        yield Broken("nobody starts from a private result", str(request), f"of {source.who}, by {ask.who}")
    files = [m for other in evidence.requests if other.ask is source for m in other.messages if m.attachments]
    deleted = [m for m in files if m not in evidence.story.taken and not evidence.is_card(m)]
    if ask.how in _REPEATED and deleted and all(map(_before(ask), deleted)):
        yield Broken("nobody starts from a deleted result", str(request), f"of {source.who}, by {ask.who}")


def _before(ask: Ask) -> Callable[[Message], bool]:
    """Return whether the bot deleted a message well before a request."""
    return lambda message: facts.deleted(message) < ask.at - _SURE
