"""Recognize the known gaps of docs/reliability.md among broken promises.

A symptom alone is never excused: the faults that lead to the gap must have happened in the round.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from tests.simulation.evidence import Request, whole_text
from tests.simulation.promises import Broken
from tests.simulation.story import Story

_ONCE, _LEFT = "every request has one outcome", "no status message is left"
_WAITS, _SHOWN = "what waits is decided or expires", "outputs are shown"
_UNANSWERED = (
    r"(POST|PATCH) \S*(messages|callback)\S*: (drop after|status|delay)|reply lost"
    r"|[Dd]iscord is away|both is away|is killed|gets SIGTERM"
)
_EXPIRED = r"the bot's clock is set by [1-9]|is away for [\d.]+ h|token of request"
_CLOSED = r"is deleted|loses (send_messages|view_channel)|removed from|the thread is|accepts? (no|only)"
_KILLED = r"is killed|gets SIGTERM"
# Seconds between a request and what keeps it from being accepted, without those that the machine slept.
_AROUND = 70.0
_SLEEP = re.compile(r"all clocks jump by (\d+) s")
_WRONG_CLOCK = r"the bot's clock is set by (-\d\d|\d{3})"
# Outcomes that a result may follow.
_NOTICES = ("Not confirmed", "Timed out", "Not started", "Partly done", "Waiting for a moderator")


class Gap(NamedTuple):
    """A known gap: the promises that it breaks, and patterns of faults that must all have happened."""

    name: str
    promises: tuple[str, ...]
    faults: tuple[str, ...]


GAPS = (
    Gap("a post without a reply in a channel that closes", (_ONCE,), (_UNANSWERED, _CLOSED)),
    Gap("an edit without a reply, and its token expires", (_ONCE,), (_UNANSWERED, _EXPIRED)),
    Gap("a clock is wrong by more than two minutes", (_ONCE, _LEFT, _WAITS, _SHOWN), (_WRONG_CLOCK, _KILLED)),
    Gap(
        "work waits while a clock is set back",
        ("every request has an outcome", _LEFT, _WAITS, _SHOWN),
        (r"the bot's clock is set by \S*\d{3}",),
    ),
    Gap("a message is out of reach", (_LEFT, _WAITS), (_CLOSED,)),
)


def excuse(story: Story, broken: Broken) -> str | None:
    """Return the name of the known gap that explains a broken promise, or None."""
    request = broken.about
    if not isinstance(request, Request):
        return None
    if broken.promise == "every request has an answer" and request.ask is not None:
        asleep = {at: float(found[1]) for at, what in story.struck if (found := _SLEEP.match(what))}
        near = [
            what
            for at, what in story.struck
            if abs(at - request.ask.at) - sum(asleep[t] for t in asleep if request.ask.at < t <= at) < _AROUND
        ]
        if any(re.search("token of request", what) for what in near):
            return "the token expires before the status message is shown"
        is_cut_off = any(re.search(f"{_KILLED}|(Discord|both) is away", what) for what in near)
        return "killed or cut off before a request is accepted" if is_cut_off and not request.calls else None
    for gap in GAPS:
        if broken.promise in gap.promises and all(_had(story, pattern) for pattern in gap.faults):
            return gap.name
    notices = [m for m in request.messages if any(words in whole_text(m) for words in _NOTICES)]
    alone = any(m.ephemeral or not (m.channel.guild and m.channel.guild.bot_present) for m in notices)
    if broken.promise == _ONCE and notices and (alone or _had(story, f"{_CLOSED}|{_EXPIRED}")):
        return "a notice is out of reach when a result follows it"
    if broken.promise == _ONCE and request.ask is not None and request.ask.private and _had(story, _KILLED):
        return "killed between two messages of a private result"
    return None


def _had(story: Story, pattern: str) -> bool:
    return any(re.search(pattern, what) for _, what in story.struck)
