"""Replace this process's clocks and randomness. This module must be imported before all libraries."""

from __future__ import annotations

import os
import random
import sys
import time
from typing import Any

EPOCH = 1_790_000_000.0
_UPTIME = 1_000.0

if "aiohttp" in sys.modules or "discord" in sys.modules:
    raise ImportError("the libraries have already imported the real clocks")


class VirtualTime:
    """The simulated time in seconds, which only the event loop advances."""

    def __init__(self) -> None:
        self.monotonic = _UPTIME

    @property
    def wall(self) -> float:
        """Return the Unix time."""
        return EPOCH + self.monotonic - _UPTIME

    def restart(self) -> None:
        """Reset the clock for a new round."""
        self.monotonic = _UPTIME


class _Entropy:
    """A seeded source of the random bytes that normally come from the operating system."""

    def __init__(self) -> None:
        self._random = _RealRandom(0)

    def restart(self, seed: str) -> None:
        self._random.seed(seed)
        random.seed(self.urandom(32))

    def urandom(self, size: int, /) -> bytes:
        return self._random.randbytes(size)


class _SeededRandom(random.Random):
    """A `random.Random` that takes its default seed from the simulation instead of the system."""

    def __init__(self, x: Any = None) -> None:
        super().__init__(entropy.urandom(32) if x is None else x)

    def seed(self, a: Any = None, version: int = 2) -> None:
        super().seed(entropy.urandom(32) if a is None else a, version)


_RealRandom = random.Random
TIME = VirtualTime()
entropy = _Entropy()


_really_sleep = time.sleep
real_monotonic = time.monotonic


def _never_sleep(seconds: Any, /) -> None:
    """Refuse to sleep, except while `subprocess` waits for a real process, such as the image converter."""
    if sys._getframe(1).f_globals["__name__"] != "subprocess":
        raise AssertionError("a thread of the simulation would sleep")
    _really_sleep(seconds)


time.time = lambda: TIME.wall
time.time_ns = lambda: int(TIME.wall * 1_000_000_000)
time.monotonic = lambda: TIME.monotonic
time.monotonic_ns = lambda: int(TIME.monotonic * 1_000_000_000)
time.perf_counter = lambda: TIME.monotonic
time.sleep = _never_sleep
os.urandom = entropy.urandom
random._urandom = entropy.urandom  # type: ignore[attr-defined]  # what SystemRandom and `secrets` read
random.Random = _SeededRandom  # type: ignore[misc]
