"""A shrinker for tests."""

from __future__ import annotations

from bot.media.shrink import Shrinker
from bot.outside import DaemonThreads


def shrinker() -> Shrinker:
    return Shrinker(DaemonThreads("shrink", 1))


shrink_image = shrinker().shrink
