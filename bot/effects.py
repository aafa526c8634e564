"""What the bot takes from the machine: time, randomness and threads."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from random import Random, SystemRandom

_PART, _BLOCK = 16, 4096
_now = partial(datetime.now, UTC)


class _Blocks(SystemRandom):
    """The operating system's generator, read in blocks.

    Each system call gives up the interpreter's lock, which a busy event loop gets back late. Taking a part
    from the list is atomic, so no two threads get the same bits.
    """

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []

    def getrandbits(self, k: int, /) -> int:
        if not 0 < k <= _PART * 8:
            return super().getrandbits(k)
        while True:
            try:
                return int.from_bytes(self._parts.pop()) >> _PART * 8 - k
            except IndexError:
                block = os.urandom(_BLOCK)
                self._parts += [block[at : at + _PART] for at in range(0, _BLOCK, _PART)]


@dataclass(frozen=True, slots=True)
class Effects:
    """What the bot takes from the machine. The defaults are those of production.

    `now` returns an aware time in UTC, and `monotonic` seconds that never go back. `random` draws keys,
    tokens, secrets, seeds and pauses. Its default is the operating system's generator, which is safe for
    secrets. `executor` starts threads with a name when they are needed, at most as many as its second
    argument says; the caller shuts it down.
    """

    now: Callable[[], datetime] = _now
    monotonic: Callable[[], float] = time.monotonic
    random: Random = field(default_factory=_Blocks)
    executor: Callable[[str, int], Executor] = lambda name, most: ThreadPoolExecutor(most, name)
