"""Promises: age-restricted results, and results made from them, are shown only in age-restricted channels."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.fakediscord.world import Channel
from tests.simulation.evidence import Evidence, Request, where
from tests.simulation.promises import promise
from tests.simulation.story import Ask, Story

_MARK = re.compile(r"#(\w+) is (not )?age-restricted now")
_JUMP = re.compile(r"all clocks jump by ([\d.e+]+) s")
# Seconds for which discord.py repeats a post. One that was started isn't stopped by a change of its channel.
_POSTING = 30.0
# Seconds before and after a change in which either mark may apply.
_AROUND = 3.0
_FROM_A_PICTURE = ("use", "menu", "upscale")


def _marks(story: Story, channel: Channel, since: float, until: float) -> set[bool]:
    """Return whether a server's channel was age-restricted: both if that changed, none elsewhere."""
    place = channel.parent or channel
    name = next((name for name, each in story.world.cast.channels.items() if each is place), None)
    if name is None or place.guild is None:
        return set()
    found = {name == "adult"}
    for at, what in story.struck:
        match = _MARK.fullmatch(what)
        if match is not None and match[1] == name and at <= until:
            found = (found if at >= since else set()) | {match[2] is None}
    return found


def _made_from(evidence: Evidence, ask: Ask) -> Iterator[Ask]:
    """Yield a request, and those that made the pictures that it was made from."""
    yield ask
    if ask.parent is not None and ask.how in _FROM_A_PICTURE:
        yield from _made_from(evidence, evidence.story.asks[ask.parent])


def _is_restricted(evidence: Evidence, ask: Ask) -> bool:
    """Return whether a request is certainly age-restricted by a channel that it or its pictures come from."""
    return any(
        _marks(evidence.story, each.interaction.channel, each.at - _AROUND, each.at + _AROUND) == {True}
        for each in _made_from(evidence, ask)
    )


@promise("age-restricted results stay in age-restricted channels")
def _seen_elsewhere(evidence: Evidence) -> Iterator[tuple[Request, str]]:
    story = evidence.story
    jumps = [(each.at, match) for each in story.world.log if (match := _JUMP.fullmatch(each.text))]
    for request in evidence.requests:
        ask = request.ask
        if ask is None:
            continue
        by_channel = _is_restricted(evidence, ask)
        # A preset is saved from the latest request; of two simultaneous ones, that may be either.
        by_deployment = ask.how != "preset" and not story.had("toml")
        by_deployment &= any(each.deployment == "restricted" for each in _made_from(evidence, ask))
        for message in request.messages:
            if not message.attachments or message.ephemeral or message.author is not story.discord.bot:
                continue
            place, at = message.channel, message.created
            since = at - _POSTING - sum(float(match[1]) for when, match in jumps if when <= at)
            is_open = _marks(story, place, since, at) == {False}
            is_direct = place.guild is None and place.recipient is not None
            if (is_open and by_channel) or ((is_open or is_direct) and by_deployment):
                yield request, where(message)


@promise("an age-restricted picture isn't used elsewhere")
def _made_elsewhere(evidence: Evidence) -> Iterator[tuple[Request, str]]:
    for request in evidence.requests:
        ask = request.ask
        if ask is None or ask.parent is None or ask.how not in _FROM_A_PICTURE or not request.calls:
            continue
        here = ask.interaction.channel
        marks = _marks(evidence.story, here, ask.at - _AROUND, ask.at + _AROUND)
        is_open = marks == {False} or here.recipient is not None
        if is_open and _is_restricted(evidence, evidence.story.asks[ask.parent]):
            yield request, f"in {ask.where}"
