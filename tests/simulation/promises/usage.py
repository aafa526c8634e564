"""Promises: /usage shows what a person's runs on a server used that day, by the checker's own sums.

All runs count, even if their requests were erased or deleted since.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from demo.fake_comfydeploy.runs import Run
from tests.fakediscord.interactions import Interaction
from tests.fakediscord.world import Guild
from tests.simulation.evidence import Evidence, Request, key_of
from tests.simulation.promises.facts import ended, monotonic
from tests.simulation.promises.outcomes import is_unheard_of
from tests.simulation.promises.shared import Broken
from tests.simulation.story import Command, first_text

_PATTERNS = tuple(
    map(re.compile, (r"Runs: (\d+)", r"GPU seconds: (\d+)", r"Running: (\d+)", r"Waiting: (\d+)"))
)
# Seconds that the bot reserves for a run, and the number of successes from which it uses their median.
_RESERVE, _NEEDED = 60.0, 5
# The monotonic time at which the first day of a round ends.
MIDNIGHT = 30_000.0
# Seconds by which the bot may mismeasure a run, and seconds after the end when ComfyDeploy's figure is known.
_LATE, _KNOWN = 5.0, 30.0


@dataclass(frozen=True, slots=True)
class Sum:
    """The least and the most runs and GPU seconds that a person can have used."""

    runs: int = 0
    most_runs: int = 0
    seconds: float = 0.0
    most_seconds: float = 0.0

    def __add__(self, other: Sum) -> Sum:
        return Sum(
            self.runs + other.runs,
            self.most_runs + other.most_runs,
            self.seconds + other.seconds,
            self.most_seconds + other.most_seconds,
        )


def at_the_end(evidence: Evidence) -> Iterator[Broken]:
    if evidence.story.had("clock is set"):
        return
    for command in evidence.story.commands:
        text = first_text(command.interaction).partition("### The whole")[0]
        found = [int(match[1]) for match in (pattern.search(text) for pattern in _PATTERNS) if match]
        if command.name == "usage" and command.at < MIDNIGHT and len(found) == len(_PATTERNS):
            yield from _is_correct(evidence, command, *found)


def _is_correct(
    evidence: Evidence, command: Command, runs: int, seconds: int, running: int, waiting: int
) -> Iterator[Broken]:
    """Every run is charged to its day, and none is charged twice."""
    used = _used(evidence, command)
    told = f"{runs} runs and {seconds} s told, {used} before {command.at:.0f}"
    if seconds < int(used.seconds) or runs < used.runs:
        yield Broken("every run is charged to its day", command.who, told)
    more = running + waiting  # these may not have been queued yet
    most = used.most_seconds + more * _most_reserve(evidence, command.at)
    # A process that dies between a claim and its queue call has charged a run that nobody sees.
    if not evidence.story.struck and (seconds > most + 1 or runs > used.most_runs + more):
        yield Broken("no run is charged twice", command.who, told)


def _used(evidence: Evidence, command: Command) -> Sum:
    """Return what the person's runs on the command's server had used by then."""
    used, home = Sum(), _server(command.interaction)
    for request in evidence.requests:
        ask = request.ask
        if ask is not None and ask.who == command.who and _server(ask.interaction) is home:
            for key in {key_of(call) for call in request.calls if monotonic(call.at) < command.at}:
                used += cost(evidence, request, key, command.at)
    return used


def _server(interaction: Interaction) -> Guild | None:
    """Return the server to which an interaction is charged; None for a user install."""
    return None if interaction.user_install else interaction.channel.guild


def cost(evidence: Evidence, request: Request, key: str, at: float) -> Sum:
    """Return what the run with a key had cost by a time."""
    calls = [call for call in request.calls if key_of(call) == key and monotonic(call.at) <= at]
    runs = [run for run in request.runs if any(run.id in call.run_ids for call in calls)]
    most = max([_most_reserve(evidence, at), *(_seconds(run, at) + _LATE for run in runs)])
    if runs and all(_is_known(run, at) for run in runs):
        most = max(_seconds(run, at) for run in runs) + _LATE
    if all(call.status not in (200, None) for call in calls):
        return Sum(0, 1, 0.0, most)  # a refused run costs nothing unless a webhook about it arrives
    least = least_reserve(evidence, at)
    if runs and all(ended(run) <= at and not is_unheard_of(evidence, request, run) for run in runs):
        # In an outage, the bot may learn late that a run has started. What it then measured counts at first.
        is_unsure = bool(evidence.story.away) and not all(_is_known(run, at) for run in runs)
        least = 0.0 if is_unsure else min([least, *(max(0.0, _seconds(run, at) - _LATE) for run in runs)])
    counts = any(run.status == "success" and run.faults.get_status is None for run in runs)
    return Sum(int(counts), 1, least, most)


def _is_known(run: Run, at: float) -> bool:
    """Return whether the bot has had time to fetch the duration of a successful run."""
    return run.status == "success" and ended(run) < at - _KNOWN


def least_reserve(evidence: Evidence, at: float) -> float:
    """Return the fewest seconds that may be reserved for a run at a time."""
    took = _durations(evidence, at)
    return min([_RESERVE, *(max(0.0, each - _LATE) for each in took)]) if len(took) >= _NEEDED else _RESERVE


def _most_reserve(evidence: Evidence, at: float) -> float:
    return max([_RESERVE, *(each + _LATE for each in _durations(evidence, at))])


def _durations(evidence: Evidence, at: float) -> list[float]:
    runs = evidence.story.world.comfydeploy.runs
    return [_seconds(run, at) for run in runs if run.status == "success"]


def _seconds(run: Run, at: float) -> float:
    """Return the seconds that a run had been executing by a time."""
    if run.started_at is None:
        return 0.0
    return max(0.0, min(at, ended(run)) - monotonic(run.started_at.timestamp()))
