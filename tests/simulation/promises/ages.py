"""Promises: age-restricted results, and results made from them, are shown only in age-restricted channels."""

from __future__ import annotations

from collections.abc import Iterator

from tests.fakediscord.world import Message
from tests.simulation.evidence import Evidence, Request, text_of
from tests.simulation.promises.facts import DeploymentMarks, Marks, ended, pressed, subject
from tests.simulation.promises.shared import Broken, reachable, where
from tests.simulation.story import Ask

# Seconds for which discord.py repeats a post. One that was started isn't stopped by a change of its channel.
_POSTING = 30.0
# Seconds that an attempt to post may take after its decision, because it downloads the files.
_ATTEMPT = 150.0
# Seconds before and after a change in which either mark may apply.
_AROUND = 3.0
_WITHHELD = "It is age-restricted, so I post it only in"
_FROM_A_PICTURE = ("use", "menu", "upscale")


def at_the_end(evidence: Evidence) -> Iterator[Broken]:
    marks, deployments = Marks(evidence.story), DeploymentMarks(evidence.story)
    for request in evidence.requests:
        if request.ask is not None:
            yield from _seen_elsewhere(evidence, marks, deployments, request, request.ask)
        yield from _left_of_withheld(evidence, request)
    for ask in evidence.story.asks:
        yield from _made_elsewhere(evidence, marks, ask)


def _is_restricted(evidence: Evidence, marks: Marks, ask: Ask) -> bool:
    """Return whether a request is certainly age-restricted, by its channel or its source's channel."""
    if marks.always(ask.interaction.channel, _AROUND, _AROUND, ask.at):
        return True
    if ask.parent is None or ask.how not in _FROM_A_PICTURE:
        return False
    return _is_restricted(evidence, marks, evidence.story.asks[ask.parent])


def _seen_elsewhere(
    evidence: Evidence, marks: Marks, deployments: DeploymentMarks, request: Request, ask: Ask
) -> Iterator[Broken]:
    restricted = _is_restricted(evidence, marks, ask)
    for message in request.messages:
        shown = (
            message.attachments
            and not message.ephemeral
            and message.author is evidence.story.world.discord.bot
        )
        if not shown:
            continue
        before = _undecided(evidence, request, message)
        # A preset is saved from the latest request; of two simultaneous ones, that may be either.
        marked = ask.how != "preset" and any(
            deployments.certain(each, message.created, before) for each in _made_by(evidence, ask)
        )
        place = message.channel
        direct = place.guild is None and place.recipient is not None
        open_place = marks.always(place, _POSTING, 0.0, message.created) is False
        if ((restricted or marked) and open_place) or (marked and direct):
            yield Broken("age-restricted results stay in age-restricted channels", request, where(message))


def _undecided(evidence: Evidence, request: Request, message: Message) -> float:
    """Return how many seconds before a post the bot may have decided about it, at most.

    An outcome is decided after the runs have ended, a copy after somebody has pressed the button, and a card
    after its request was sent.
    """
    if evidence.is_copy(message):
        found = [(each.at, *pressed(each)) for each in evidence.story.presses]
        asked = [at for at, key, action in found if key in request.keys and action in ("share", "post")]
        begun = min(asked, default=0.0)
    else:
        last = max(map(ended, request.runs), default=0.0)
        begun = last if last < float("inf") else 0.0
        if request.ask is not None and message.created < begun:
            begun = request.ask.at
    return min(_ATTEMPT, max(message.created - begun, 0.0))


def _made_by(evidence: Evidence, ask: Ask) -> Iterator[str]:
    """Yield a request's deployment, and those of the pictures that it was made from."""
    yield ask.deployment
    if ask.parent is not None and ask.how in _FROM_A_PICTURE:
        yield from _made_by(evidence, evidence.story.asks[ask.parent])


def _left_of_withheld(evidence: Evidence, request: Request) -> Iterator[Broken]:
    """Check that no part of a result stays beside a note that the result is withheld."""
    shown = evidence.outcomes(request)
    for note in shown:
        if _WITHHELD not in text_of(note.body):
            continue
        for part in shown:
            earlier = part.channel is note.channel and part.created < note.created
            if earlier and part.attachments and subject(part) == subject(note) and reachable(evidence, part):
                yield Broken("no part of a withheld result stays", request, where(part))


def _made_elsewhere(evidence: Evidence, marks: Marks, ask: Ask) -> Iterator[Broken]:
    if ask.parent is None or ask.how not in _FROM_A_PICTURE:
        return
    if not _is_restricted(evidence, marks, evidence.story.asks[ask.parent]):
        return
    here = ask.interaction.channel
    if here.guild is None:
        allowed: bool | None = False if here.recipient is not None else None
    else:
        allowed = marks.always(here, _AROUND, _AROUND, ask.at)
    if allowed is False:
        for request in evidence.requests:
            if request.ask is ask and request.calls:
                yield Broken("an age-restricted picture isn't used elsewhere", request, f"in {ask.where}")
