"""Recognize the known gaps of docs/reliability.md among broken promises.

A symptom alone is never excused: the faults that lead to the gap must have happened in the round.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from tests.fakediscord.interactions import Interactions
from tests.simulation.evidence import Request, text_of
from tests.simulation.story import Story

_TWICE = "every request has one outcome"
_LEFT = "no status message is left"
_WAITS = "what waits is decided or expires"
_SHOWN = "outputs are shown"
_ADVANCED = re.compile(
    r"all clocks jump|the bot's clock is set by [1-9]|is away for [\d.]+ h|token of request"
)
_UNANSWERED = re.compile(
    r"(POST|PATCH) \S*(messages|callback)\S*: (lose_reply|status|delay)"
    r"|Discord is away|discord is away|both is away"
)
_STOPPED = r"is killed|gets SIGTERM|all clocks jump by (\d{3,}(?:\.\d+)?)|([Dd]iscord|both) is away"
_NOTICES = ("Not confirmed", "Timed out", "Not started", "Partly done", "Waiting for a moderator")


@dataclass(frozen=True, slots=True)
class Gap:
    """A row of the table of known gaps: the promise that it breaks, and a check that its faults happened."""

    name: str
    promise: str
    happened: Callable[[Story, Request], bool]


def excuse(story: Story, promise: str, request: Request | None) -> str | None:
    """Return the name of the known gap that explains a broken promise, or None."""
    if request is None:
        return None
    for gap in GAPS:
        if gap.promise == promise and gap.happened(story, request):
            return gap.name
    return None


def _had(story: Story, pattern: re.Pattern[str] | str) -> bool:
    return any(re.search(pattern, what) for _, what in story.struck)


def _closed(story: Story, request: Request) -> bool:
    """Return whether a place with a message about the request was closed to the bot at any time."""
    return any(
        _had(story, pattern) for message in request.messages for pattern in _closings(story, message.channel)
    )


def _closings(story: Story, channel: object) -> list[str]:
    cast, found = story.world.cast, list[str]()
    for name in [re.escape(name) for name, known in cast.channels.items() if known is channel]:
        found += [f"#{name} is deleted", rf"loses (send_messages|view_channel) in #{name}"]
    guild = getattr(channel, "guild", None)
    found += [f"removed from {name}" for name, known in cast.guilds.items() if known is guild]
    if getattr(channel, "is_thread", False):
        found.append("the thread is")
    recipient = getattr(channel, "recipient", None)
    if recipient is not None:
        found.append(f"{recipient.name} accepts no direct messages")
    return found


def _killed(story: Story) -> bool:
    return _had(story, "is killed|gets SIGTERM")


def _reply_lost(story: Story, request: Request) -> bool:
    return _closed(story, request) and (_had(story, _UNANSWERED) or _killed(story))


def _late_edit(story: Story, request: Request) -> bool:
    """Return whether an edit may have got no reply, and its token expired before the retry."""
    return _had(story, _ADVANCED) and (_had(story, _UNANSWERED) or _killed(story))


def _notice_out_of_reach(story: Story, request: Request) -> bool:
    """Return whether the bot may have been unable to delete a notice when a result followed it.

    The channel was closed, or the notice could be changed only by an interaction whose token had expired.
    """
    notices = [m for m in request.messages if any(notice in text_of(m.body) for notice in _NOTICES)]
    alone = any(m.ephemeral or not _is_member(story, m.channel) for m in notices)
    return bool(notices) and (alone or _closed(story, request) or _had(story, _ADVANCED))


def _is_member(story: Story, channel: object) -> bool:
    guild = getattr(channel, "guild", None)
    return guild is not None and guild is not story.world.cast.guilds["foreign"]


def _slept(story: Story, request: Request) -> bool:
    """Return whether the machine may have slept while discord.py repeated a post that got a 5xx."""
    return _had(story, "all clocks jump") and _had(story, _UNANSWERED)


def _wrong_clock(story: Story, request: Request) -> bool:
    return _had(story, r"the bot's clock is set by (-\d{3}|\d{3})") and _killed(story)


def _killed_in_private(story: Story, request: Request) -> bool:
    return request.ask is not None and request.ask.private and _killed(story)


def _status_out_of_reach(story: Story, request: Request) -> bool:
    return _closed(story, request) and _had(story, _ADVANCED)


def _cut_off(story: Story, request: Request) -> bool:
    """Return whether a deferred request can't have been accepted or answered.

    The process died, or Discord was away, before the interaction's token expired. Nothing was started, and
    Discord's client reports the failure after 15 minutes.
    """
    ask = request.ask
    if ask is None or request.calls:
        return False
    begun = ask.interaction.created
    ends = begun + Interactions.token_lifetime
    healed = next((entry.at for entry in story.world.log if entry.text == "all faults stop"), ends)
    found = (
        (entry.at, match)
        for entry in story.world.log
        if entry.who == "trouble" and (match := re.search(_STOPPED, entry.text))
        # A kill that was armed before may strike after the faults have stopped; jumps then aren't faults.
        if entry.at <= healed or "is killed" in entry.text
    )
    # A jump's log entry has the time after it.
    return any(begun <= at - float(match[1] or 0) <= ends for at, match in found)


GAPS = (
    Gap("a process dies before it accepts a deferred request", "every request has an answer", _cut_off),
    Gap("a post without a reply in a channel that closes", _TWICE, _reply_lost),
    Gap("an edit without a reply, and its token expires", _TWICE, _late_edit),
    Gap("a notice out of reach when a result follows it", _TWICE, _notice_out_of_reach),
    Gap("the machine sleeps while a post is repeated", _TWICE, _slept),
    Gap("a clock is wrong by more than two minutes", _TWICE, _wrong_clock),
    *(Gap("a clock is set back, so due work waits", each, _wrong_clock) for each in (_LEFT, _WAITS, _SHOWN)),
    Gap("killed between two messages of a private result", _TWICE, _killed_in_private),
    Gap("a status message out of reach, and its token has expired", _LEFT, _status_out_of_reach),
    Gap("a status message out of reach, and its token has expired", _WAITS, _closed),
)
