"""Promises about the queue: people take turns, and no worker oversleeps."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from demo.fake_comfydeploy.call_log import QueueCall
from demo.fake_comfydeploy.runs import Run
from tests.simulation.evidence import Evidence, key_of
from tests.simulation.promises.ceilings import most_at_once
from tests.simulation.promises.facts import accepted, monotonic
from tests.simulation.promises.shared import Broken
from tests.simulation.setup import AT_ONCE, WAITING

# The largest difference between the runs of two people who wait for the same deployment.
_AHEAD = 2
# Seconds within which two requests may have been accepted in either order.
_AROUND = 1.0
# Seconds from a claim, after which a run no longer counts as waiting, to its queue call.
_CLAIMED = 0.05
_LATE = re.compile(r"bot\.workers\.worker (submit|check|show|probe|progress) found an item that nothing had")
# Seconds after which a worker looks for due items without being woken.
_LONGEST_SLEEP = 30.0
# Faults that may lose a wake-up or move the clock.
_EXCUSES = re.compile(r"clock|is killed|SIGTERM|database|COMMIT|fails: ")


class Start(NamedTuple):
    """A started run, with the times of its acceptance (`since`) and its queue call (`at`)."""

    who: str
    deployment: str
    since: float
    at: float
    request: str
    in_studio: bool


def at_the_end(evidence: Evidence) -> Iterator[Broken]:
    yield from _oversleeps(evidence)
    if evidence.story.struck or any(press.custom_id.startswith("set:") for press in evidence.story.presses):
        return
    by_person = defaultdict[str, list[Run]](list)
    for request in evidence.requests:
        by_person[request.ask.who if request.ask else ""] += request.runs
    limited = {who for who, runs in by_person.items() if most_at_once(runs) >= AT_ONCE}
    # The later runs of a person keep their turns when an earlier one is cancelled.
    cancelled = [press.asks for press in evidence.story.presses if "cancel" in press.custom_id]
    cancellers = {evidence.story.asks[number].who for asks in cancelled for number in asks}
    starts = list(_starts(evidence))
    yield from _wait_within_limit(starts)
    for waited in starts:
        others = [s for s in starts if s.deployment == waited.deployment and s.who not in limited]
        if waited.who not in limited | cancellers:
            yield from _was_overtaken(waited, others)


def _starts(evidence: Evidence) -> Iterator[Start]:
    """Yield the started runs that needed no approval."""
    cast = evidence.story.world.cast
    for request in evidence.requests:
        ask = request.ask
        if ask is None or ask.interaction.channel.guild is cast.guilds["reviewed"]:
            continue
        firsts: dict[str, QueueCall] = {}
        for call in request.calls:
            firsts.setdefault(key_of(call), call)
        for call in firsts.values():
            deployment, at = str(call.body.get("deployment_id")), monotonic(call.at)
            in_studio = ask.interaction.channel.guild is cast.guilds["studio"]
            yield Start(ask.who, deployment, accepted(ask), at, str(request), in_studio=in_studio)


def _was_overtaken(waited: Start, starts: list[Start]) -> Iterator[Broken]:
    more = Counter[str]()
    between = [each for each in starts if waited.since + _AROUND < each.at < waited.at]
    for each in sorted(between, key=lambda start: start.at, reverse=True):
        more[each.who] += 1
        ahead = more[each.who] - more[waited.who]
        if each.who != waited.who and ahead > _AHEAD:
            detail = f"{ahead} more runs of {each.who} since {each.at:.0f}"
            yield Broken("people take turns", waited.request, detail)
            return


def _wait_within_limit(starts: list[Start]) -> Iterator[Broken]:
    """Check the limit of a person's waiting runs in Studio."""
    for last in starts:
        own = [start for start in starts if start.who == last.who and start.in_studio]
        waiting = [start for start in own if start.since <= last.since < start.at - _CLAIMED]
        if last.in_studio and len(waiting) > WAITING:
            yield Broken(
                "no ceiling is exceeded", last.who, f"{len(waiting)} runs wait, the limit is {WAITING}"
            )
            return


def _oversleeps(evidence: Evidence) -> Iterator[Broken]:
    """Check for log lines about items that no wake-up announced, unless a fault may have lost it."""
    log = evidence.story.world.log
    struck = [entry.at for entry in log if entry.who == "trouble" and _EXCUSES.search(entry.text)]
    for entry in log:
        late = _LATE.search(entry.text)
        slept_since = entry.at - _LONGEST_SLEEP
        if late is not None and not any(slept_since <= at <= entry.at for at in struck):
            yield Broken(
                "no worker oversleeps", late[1], f"{entry.who} found something late at {entry.at:.3f}"
            )
