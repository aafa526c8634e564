"""Promises about the picture check: nobody but moderators sees what is held.

The rules are certain for public requests on Studio, outside of age-restricted channels, as long as nobody has
changed them since the request. What the checker has answered about a file is known by its content.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from simcord.components import walk_components as walk

from tests.fakediscord.world import Attachment, Message
from tests.simulation.evidence import Evidence, Request, bodies, where, whole_text
from tests.simulation.promises import promise
from tests.simulation.world import LURID

_HELD = frozenset({"hold", "hide"})
_PLACES = ("pictures", "thread")
# What may change who may see results: the rules, the age marks and the server itself.
_UNCERTAIN = ("age-restricted", "is removed", "toml")
_PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".mp4")


def _shown(
    evidence: Evidence, messages: list[Message] | None = None
) -> Iterator[tuple[Request, Message, set[str]]]:
    """Yield where results that are certainly checked may be seen, with the rules for what is flagged.

    Messages after a moderator's decision to post them are left out.
    """
    story = evidence.story
    for request in evidence.requests if not story.had(*_UNCERTAIN) else ():
        ask = request.ask
        if ask is None or ask.where not in _PLACES or ask.private or ask.interaction.user_install:
            continue
        posts = [
            each for each in story.presses if each.action in ("show", "veil") and each.key in request.keys
        ]
        posted = min((each.at for each in posts if each.moderates), default=float("inf"))
        current = [value for at, value in story.flagged if at <= ask.at][-1:]
        for message in request.messages if messages is None else messages:
            later = {value for at, value in story.flagged if ask.at < at <= message.created}
            if message.created < posted and not evidence.is_card(message):
                yield request, message, {*current, *later}


@promise("only moderators see what is held")
def _held(evidence: Evidence) -> Iterator[tuple[Request, str]]:
    moved = evidence.story.sets("approval")  # without a review channel, what is unknown becomes a spoiler
    for request, message, rules in _shown(evidence):
        for file in _flagged(evidence, request, message) if rules <= _HELD else ():
            if LURID.encode() in (file.data or b"") or not moved:
                yield request, f"{where(message)} {file.filename}"


@promise("what is flagged is a spoiler")
def _spoilers(evidence: Evidence) -> Iterator[tuple[Request, str]]:
    for request, message, rules in _shown(evidence):
        parts = [part for body in bodies(message) for part in walk(body.get("components") or [])]
        items = [item for part in parts for item in part.get("items") or []]
        hidden = bool(items) and all(item.get("spoiler") for item in items)
        for file in _flagged(evidence, request, message) if rules == {"spoiler"} and not hidden else ():
            if not file.filename.startswith("SPOILER_"):
                yield request, f"{where(message)} {file.filename}"


def _flagged(evidence: Evidence, request: Request, message: Message) -> Iterator[Attachment]:
    """Yield a message's pictures of a request that the checker hasn't found harmless."""
    harmless = {digest for digest, flags in evidence.world.checker.answers if not flags}
    for file in message.attachments:
        is_made = any(key in file.filename for key in request.keys) and file.filename.endswith(_PICTURES)
        if is_made and hashlib.sha256(file.data or b"").hexdigest() not in harmless:
            yield file


@promise("nothing links to what is held")
def _linked(evidence: Evidence) -> Iterator[tuple[Request, str]]:
    for request, message, rules in _shown(evidence, evidence.messages):
        asked = LURID in str(request.prompts) and not evidence.story.had("lying")
        if (
            asked
            and rules <= _HELD
            and any(f"/runs/{run.id}/" in whole_text(message) for run in request.runs)
        ):
            yield request, where(message)
