"""How often each worker looks for work, and how many items it handles at the same time."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Schedule:
    """The pauses of a worker's loop, in seconds, and its number of concurrent items.

    The loop waits `pause` if there is no item, and `rest` after it has started one. It waits `fault_pause` if
    the claim failed, for example because the database is unreachable. A wake-up ends any of these pauses. An
    item that failed keeps its place for `fault_pause`. With `again`, the loop also looks for items whenever
    one is done, because the finished item may have held others back. `width` is the number of concurrent
    items.
    """

    pause: float
    width: int = 1
    rest: float = 0
    fault_pause: float = 2
    again: bool = False


SUBMIT = Schedule(pause=2, width=32)
CHECK = Schedule(pause=2, width=4)
PROBE = Schedule(pause=1)
PRUNE = Schedule(pause=3600)
PROGRESS = Schedule(pause=1, rest=1)
# Checks whether DEPLOYMENTS_REFRESH_SECONDS have passed; the files are read only then.
DEPLOYMENTS = Schedule(pause=15)
# Its width follows from Discord's limits: see bot.delivery.messenger.
SHOW = Schedule(pause=1, again=True)
