"""Promises: nobody does what they have no right to."""

from __future__ import annotations

from collections.abc import Iterator

from tests.simulation.evidence import Evidence, Request, keys_of, text_of
from tests.simulation.promises.facts import deleted, pressed, reply
from tests.simulation.promises.shared import Broken, cancelled
from tests.simulation.story import Press

_REPEATED = ("again", "vary", "together", "edit", "forged again", "forged edit")
_SURE = 10.0
# Answers to a press that was refused before its action was read.
_TOLD = ("This doesn't belong to this message", "I can't reach my database", "Something went wrong")
_CANCELLED = ("You cancelled this request", "A moderator cancelled this request")


def at_the_end(evidence: Evidence) -> Iterator[Broken]:
    for request in evidence.requests:
        yield from _cancelled_with_right(evidence, request)
        yield from _starts_from_what_is_seen(evidence, request)
    for press in evidence.story.presses:
        yield from _on_another_message(evidence, press)


def _on_another_message(evidence: Evidence, press: Press) -> Iterator[Broken]:
    key, sent = pressed(press)[0], press.interaction
    own = next((request for request in evidence.requests if key in request.keys), None)
    if not press.forged or press.message.ephemeral or own is None or press.message in own.messages:
        return
    if sent.modal is not None or (reply(press) and not reply(press).startswith(_TOLD)):
        yield Broken(
            "a press acts only on its own message's request",
            own,
            f"{press.custom_id}: {reply(press)[:80]!r}",
        )


def _cancelled_with_right(evidence: Evidence, request: Request) -> Iterator[Broken]:
    told = any(word in text_of(m.body) for m in evidence.outcomes(request) for word in _CANCELLED)
    if told and not cancelled(evidence, request):
        by = [press.who for press in evidence.story.presses if keys_of(press.message) & request.keys]
        yield Broken("strangers change nothing", request, f"cancelled; only {by} pressed")


def _starts_from_what_is_seen(evidence: Evidence, request: Request) -> Iterator[Broken]:
    """Check that nobody's request is made from another person's private or deleted result."""
    ask = request.ask
    if ask is None or ask.parent is None or not request.calls:
        return
    source = evidence.story.asks[ask.parent]
    if source.who == ask.who:
        return
    if source.private:
        yield Broken("nobody starts from a private result", request, f"of {source.who}, by {ask.who}")
    # Only the files of the pressed run count, because other runs of a batch may have made none.
    pressed_id = str(ask.interaction.data.get("custom_id", ""))
    files = [
        message
        for other in evidence.requests
        if other.ask is source
        for message in other.messages
        for key in other.keys
        if key in pressed_id and any(key in each.filename for each in message.attachments)
    ]
    left = [m for m in files if m not in evidence.story.removed and not evidence.is_card(m)]
    if ask.how in _REPEATED and left and all(deleted(message) < ask.at - _SURE for message in left):
        yield Broken("nobody starts from a deleted result", request, f"of {source.who}, by {ask.who}")
