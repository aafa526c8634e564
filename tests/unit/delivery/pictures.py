"""A shrinker for tests."""

from __future__ import annotations

import time
from collections.abc import Callable

from bot.media.shrink import Shrinker
from bot.outside import DaemonThreads


def shrinker(monotonic: Callable[[], float] = time.monotonic) -> Shrinker:
    return Shrinker(DaemonThreads("shrink", 1), monotonic)


shrink_image = shrinker().shrink
