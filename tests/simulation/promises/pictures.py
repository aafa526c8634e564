"""Promises about the picture check: nobody but moderators sees what is held, and each decision counts once.

The rules are certain for public requests on Studio, outside of age-restricted channels, as long as nobody has
changed them since the request. What the checker has answered about a file is known by its content.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

from tests.fakediscord.components import walk
from tests.fakediscord.world import Attachment, Message
from tests.simulation.evidence import Evidence, Request, bodies, keys_of, text_of, whole_text
from tests.simulation.promises.facts import WAITS, all_texts, pressed
from tests.simulation.promises.shared import Broken, reachable, text_in, where
from tests.simulation.world import LURID

_STRICT = frozenset({"hold", "hide"})
_DECIDED = re.compile(r"(Posted|Posted as a spoiler|Deleted) by <@(\d+)>|(Deleted), because nobody")
_PLACES = ("pictures", "thread")
# What may change who may see results: the rules, the age marks and the server itself.
_UNCERTAIN = ("age-restricted", "is removed", "toml")
_PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".mp4")


def always(evidence: Evidence) -> Iterator[Broken]:
    answers = evidence.story.world.checker.answers
    harmless = {digest for digest, flags in answers if not flags}
    for request in evidence.requests:
        if not _is_checked(request):
            continue
        for message in request.messages:
            rules = _rules(evidence, request, message.created)
            yield from _leaked(evidence, request, message, rules, harmless)
    yield from _linked(evidence)


def at_the_end(evidence: Evidence) -> Iterator[Broken]:
    for message in evidence.messages:
        if evidence.is_about_pictures(message):
            yield from _decided_once(evidence, message)
    for request in evidence.requests:
        yield from _waits_for_ever(evidence, request)


def _is_checked(request: Request) -> bool:
    """Return whether the server's rules certainly apply to a request, if it has any."""
    ask = request.ask
    return ask is not None and ask.where in _PLACES and not ask.private and not ask.interaction.user_install


def _rules(evidence: Evidence, request: Request, until: float) -> str:
    """Return what certainly happened to flagged results from a request until a time, or an empty text."""
    story, since = evidence.story, request.ask.at if request.ask is not None else 0.0
    if story.had(*_UNCERTAIN):
        return ""
    current = [value for at, value in story.flagged if at <= since][-1:]
    found = {*current, *(value for at, value in story.flagged if since < at <= until)}
    return found.pop() if len(found) == 1 else "strict" if found <= _STRICT else ""


def _leaked(
    evidence: Evidence, request: Request, message: Message, rules: str, harmless: set[str]
) -> Iterator[Broken]:
    """Check that each file that isn't on a card is harmless, was posted by a moderator, or is a spoiler."""
    if not rules or rules == "off" or evidence.is_card(message):
        return
    for file in message.attachments:
        digest = hashlib.sha256(file.data or b"").hexdigest()
        is_made = any(key in file.filename for key in request.keys) and file.filename.endswith(_PICTURES)
        if not is_made or digest in harmless or _was_posted(evidence, request, message.created):
            continue
        if rules == "spoiler":
            if not _is_spoiler(message, file):
                yield Broken("what is flagged is a spoiler", request, f"{where(message)} {file.filename}")
        elif LURID.encode() in (file.data or b"") or not _is_review_channel_changed(evidence):
            yield Broken("only moderators see what is held", request, f"{where(message)} {file.filename}")


def _is_review_channel_changed(evidence: Evidence) -> bool:
    """Return whether there may have been no review channel, so that what is unknown became a spoiler."""
    return any("approval" in press.custom_id for press in evidence.story.presses)


def _is_spoiler(message: Message, file: Attachment) -> bool:
    if file.filename.startswith("SPOILER_"):
        return True
    items = [
        item
        for body in bodies(message)
        for part in walk(body.get("components") or [])
        for item in (part.get("items") or [])
    ]
    return bool(items) and all(item.get("spoiler") for item in items)


def _was_posted(evidence: Evidence, request: Request, before: float) -> bool:
    """Return whether a moderator had decided before a time to post what was held."""
    return any(
        action in ("show", "veil")
        and press.at <= before
        and key in request.keys
        and press.rights & {"manages_server", "manages_messages", "reviews"}
        for press in evidence.story.presses
        for key, action in [pressed(press)]
    )


def _linked(evidence: Evidence) -> Iterator[Broken]:
    """Check that no text or export links to a held output before a moderator posts it, and no log line."""
    if evidence.story.had("lying"):
        return
    for request in evidence.requests:
        if not _is_checked(request) or LURID not in str(request.ask and request.ask.options.get("prompt")):
            continue
        links = [f"/runs/{run.id}/" for run in request.runs]
        if any(link in entry.text for entry in evidence.story.world.log for link in links):
            yield Broken("nothing links to what is held", request, "in the log")
        for message in evidence.messages if links else ():
            if evidence.is_card(message) or _was_posted(evidence, request, message.created):
                continue
            if _rules(evidence, request, message.created) not in ("strict", *_STRICT):
                continue
            text = "\n".join([whole_text(message), *map(text_in, message.attachments)])
            if any(link in text for link in links):
                yield Broken("nothing links to what is held", request, where(message))


def _decided_once(evidence: Evidence, card: Message) -> Iterator[Broken]:
    decisions = {match[0] for text in all_texts(card) for match in _DECIDED.finditer(text)}
    if len(decisions) > 1:
        yield Broken("a decision about pictures counts once", where(card), f"{sorted(decisions)}")
    for request in evidence.requests:
        if request.ask is None or not keys_of(card) & request.keys:
            continue
        requester = f"by <@{evidence.story.world.person(request.ask.who).id}>"
        if any(requester in decision for decision in decisions):
            yield Broken("nobody decides about their own pictures", request, f"{sorted(decisions)}")


def _waits_for_ever(evidence: Evidence, request: Request) -> Iterator[Broken]:
    """Check that nothing waits once the card has expired, which it has at the end."""
    for message in request.messages:
        if message.deleted_at is not None or not reachable(evidence, message) or evidence.is_card(message):
            continue
        if not message.ephemeral and any(words in text_of(message.body) for words in WAITS):
            yield Broken("what waits is decided or expires", request, where(message))
