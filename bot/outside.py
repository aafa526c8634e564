"""What the bot takes from the machine: time, randomness and threads."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random, SystemRandom


def threads(name: str, most: int) -> Executor:
    """Return an executor that starts up to `most` threads when they are needed."""
    return ThreadPoolExecutor(most, thread_name_prefix=name)


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Outside:
    """What the bot takes from the machine. The defaults are those of production.

    `now` returns an aware time in UTC, and `monotonic` seconds that never go back. `random` draws keys,
    tokens, secrets, seeds and pauses. Its default is the operating system's generator, which is safe for
    secrets. `executor` starts threads with a name, at most as many as its second argument says; the caller
    shuts it down.
    """

    now: Callable[[], datetime] = _utc_now
    monotonic: Callable[[], float] = time.monotonic
    random: Random = field(default_factory=SystemRandom)
    executor: Callable[[str, int], Executor] = threads
