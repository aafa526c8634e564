"""The fair queue. Users take turns, so that one user's many requests don't delay everyone else's.

This is start-time fair queueing (Goyal et al., 1996). Each deployment has a queue with a virtual time, which
is the largest tag that was claimed. Each run gets a tag when it is accepted or approved, and the smallest tag
starts first. So a user's runs are one turn apart, and a user who comes back starts at the virtual time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from bot.domain.runs import FINAL, NOT_SUBMITTED, RunState

# A queue's virtual time before the first claim. The tag of a run that takes no turn is smaller.
FIRST_TURN = 1
NO_TURN = 0
# How many places at the front of a queue are counted; all runs behind them share the next place.
PLACES = 50


class QueuedRun(NamedTuple):
    """A run that waits or is in flight. `user_limit` and `server_limit` limit runs in flight."""

    key: str
    deployment: str
    requester_id: int
    guild_id: int | None = None
    user_limit: int | None = None
    server_limit: int | None = None
    expected_gpu: str | None = None
    queue_position: int | None = None
    submitted_at: datetime | None = None
    started_at: datetime | None = None
    progress: float | None = None


def next_tag(virtual_time: int, last_tag: int) -> int:
    """Return the tag of a user's next run. `last_tag` is that of the run before, or NO_TURN."""
    return max(virtual_time, last_tag + 1)


def gives_turn_back(before: RunState, after: RunState) -> bool:
    """Return whether a run ends without having been started, so that it costs its user no turn."""
    return after in FINAL and (before in NOT_SUBMITTED or after is RunState.REFUSED)


def closed_up(freed: Iterable[int], later: Sequence[int]) -> list[int]:
    """Return the tags of a user's waiting runs, in order, after others of the user were cancelled.

    `freed` are the tags of the cancelled runs. Each run behind them moves up, so that they cost no turn.
    """
    return sorted([*freed, *later])[: len(later)]


class Occupied:
    """Counts runs in flight by deployment, user and server, and compares them with the limits."""

    def __init__(self, busy: Iterable[QueuedRun]) -> None:
        self._counts = Counter[object]()
        for run in busy:
            self.add(run)

    def add(self, run: QueuedRun) -> None:
        self._counts.update(places(run))

    def remove(self, run: QueuedRun) -> None:
        self._counts.subtract(places(run))

    def is_full(self, deployment: str, limit: int | None) -> bool:
        """Return whether a deployment is at its limit."""
        return limit is not None and self._counts[deployment] >= limit

    def allows(self, run: QueuedRun) -> bool:
        """Return whether a run may start within the limits of its user and its server."""
        own, here = run.user_limit, run.server_limit
        return (own is None or self._counts[run.guild_id, run.requester_id] < own) and (
            here is None or self._counts[run.guild_id] < here
        )


def lower_limit(of_deployment: int | None, of_operator: int | None) -> int | None:
    """Return the lower of two limits on a deployment's runs in flight, or None if neither is set."""
    return min((limit for limit in (of_deployment, of_operator) if limit), default=None)


def places(run: QueuedRun) -> tuple[object, object, object]:
    """Return the keys under which a run is counted, for its deployment, its user and its server."""
    return run.deployment, (run.guild_id, run.requester_id), run.guild_id
