"""Promises: a share shows no prompt unasked, and what was deleted is gone and stays so."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.fakediscord.world import Message
from tests.simulation.evidence import Evidence, Request, whole_text
from tests.simulation.promises.facts import (
    OUTCOMES,
    POST,
    SHARE,
    answered,
    deletes_result,
    meant,
    pressed,
    reply,
    subject,
)
from tests.simulation.promises.shared import Broken, reachable, where
from tests.simulation.story import Press

_SHARED = re.compile(r"\*\*.+\*\* by <@\d+>")
_COPY_GOES = ("This copy is deleted.", "This copy will be deleted in a moment.")


def at_the_end(evidence: Evidence) -> Iterator[Broken]:
    for request in evidence.requests:
        yield from _prompt_is_asked_for(evidence, request)
    for press in evidence.story.presses:
        yield from _deleted_is_gone(evidence, press)


def is_copy(message: Message) -> bool:
    """Return whether a message is a post or share of a result."""
    kind = subject(message)[1]
    if kind == SHARE:
        return bool(_SHARED.search(message.text))
    return kind == POST and bool(message.attachments)


def _prompt_is_asked_for(evidence: Evidence, request: Request) -> Iterator[Broken]:
    """A share shows its prompt only if its requester has asked for it."""
    ask = request.ask
    if ask is None:
        return
    for message in request.messages:
        key, kind = subject(message)
        if kind != SHARE or not message.attachments or ask.mark not in _everything(message):
            continue
        forms = [
            p for p in evidence.story.presses if p.custom_id == f"run:{key}:share" and p.values is not None
        ]
        if forms and not any(True in (p.values or {}).values() for p in forms):
            yield Broken("a share shows its prompt only if asked to", request, where(message))


def _everything(message: Message) -> str:
    described = (file.description or "" for file in message.attachments)
    return "\n".join([whole_text(message), *described])


def _deleted_is_gone(evidence: Evidence, press: Press) -> Iterator[Broken]:
    """A deleted copy disappears, and a deleted result with all its copies, for ever."""
    key, action = pressed(press)
    source = subject(meant(press))
    deletes_copy = action == "delete" and source[0] == key and reply(press).startswith(_COPY_GOES)
    for message in evidence.messages:
        if deletes_result(press):
            copied = is_copy(message) and subject(message)[0] == key
            shown = subject(message)[1] in OUTCOMES and any(
                f"-{key}-" in file.filename for file in message.attachments
            )
            is_left = copied or shown
        else:
            is_left = deletes_copy and subject(message) == source and message.created < answered(press)
        if is_left and message.deleted_at is None and reachable(evidence, message):
            yield Broken("deleted results and copies disappear", key, where(message))
