"""How many items each worker handles at the same time, and how long it sleeps."""

from __future__ import annotations

from dataclasses import dataclass

from bot.wakeups import LONGEST_SLEEP


@dataclass(frozen=True, slots=True)
class Schedule:
    """The number of a worker's concurrent items, and the pauses of its loop in seconds.

    The loop sleeps until its claim expects another item, at most `longest`; a wake-up ends that, but not the
    `rest` after each claim. If the claim failed, for example because the database is unreachable, the loop
    sleeps for `fault_pause`. An item that failed keeps its place for `fault_pause`.
    """

    width: int = 1
    longest: float = LONGEST_SLEEP.total_seconds()
    rest: float = 0
    fault_pause: float = 2


SUBMIT = Schedule(width=32)
CHECK = Schedule(width=10)
PROBE = Schedule()
PROGRESS = Schedule(rest=1)
# Nothing announces that data has expired.
PRUNE = Schedule(longest=3600)
# Its width follows from Discord's limits: see bot.delivery.messenger.
SHOW = Schedule()
# Checks whether DEPLOYMENTS_REFRESH_SECONDS have passed; the files are read only then.
DEPLOYMENTS = Schedule(longest=15)
