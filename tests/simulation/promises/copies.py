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
_ON_ITS_WAY = ("Shared:", "Posted:")


def at_the_end(evidence: Evidence) -> Iterator[Broken]:
    for request in evidence.requests:
        yield from _prompt_is_asked_for(evidence, request)
        yield from _deleted_is_gone(evidence, request)
        for press in evidence.story.presses:
            yield from _shown_again(evidence, request, press)
    for press in evidence.story.presses:
        yield from _not_copied_again(evidence, press)


def is_copy(message: Message) -> bool:
    """Return whether a message is a post or share of a result."""
    kind = subject(message)[1]
    if kind == SHARE:
        return bool(_SHARED.search(message.text))
    return kind == POST and bool(message.attachments)


def copies_of(evidence: Evidence, key: str, kind: str) -> list[Message]:
    return [m for m in evidence.messages if subject(m) == (key, kind) and is_copy(m)]


def _prompt_is_asked_for(evidence: Evidence, request: Request) -> Iterator[Broken]:
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


def _deletes(press: Press) -> tuple[str, str]:
    """Return the run key and kind of the copy that a press deleted, or two empty texts."""
    key, action = pressed(press)
    of_copy = action == "delete" and is_copy(meant(press)) and subject(meant(press))[0] == key
    return subject(meant(press)) if of_copy and reply(press).startswith(_COPY_GOES) else ("", "")


def _deleted_is_gone(evidence: Evidence, request: Request) -> Iterator[Broken]:
    for press in evidence.story.presses:
        key = pressed(press)[0]
        if key not in request.keys:
            continue
        left: list[Message] = []
        if _deletes(press) != ("", ""):
            left = [m for m in copies_of(evidence, *_deletes(press)) if m.created < answered(press)]
        elif deletes_result(press):
            left = [*copies_of(evidence, key, POST), *copies_of(evidence, key, SHARE)]
        for message in left:
            if message.deleted_at is None and not message.channel.deleted and reachable(evidence, message):
                yield Broken("deleted results and copies disappear", request, where(message))


def _not_copied_again(evidence: Evidence, press: Press) -> Iterator[Broken]:
    key, action = pressed(press)
    if action not in ("share", "post") or not reply(press).startswith(_ON_ITS_WAY):
        return
    for earlier in evidence.story.presses:
        if answered(earlier) >= press.at or pressed(earlier)[0] != key or earlier.forged:
            continue
        if deletes_result(earlier):
            yield Broken("a deleted result isn't copied", key, f"after {earlier.who} deleted it")


def _shown_again(evidence: Evidence, request: Request, press: Press) -> Iterator[Broken]:
    key = pressed(press)[0]
    if key not in request.keys or not deletes_result(press):
        return
    for message in request.messages:
        shows = any(f"-{key}-" in file.filename for file in message.attachments)
        again = subject(message)[1] in OUTCOMES and message.created > answered(press)
        if shows and again and message.deleted_at is None and reachable(evidence, message):
            yield Broken("a deleted result stays deleted", request, where(message))
