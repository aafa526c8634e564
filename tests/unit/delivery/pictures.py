"""A shrinker for tests."""

from __future__ import annotations

from bot.media.shrink import Shrinker
from bot.outside import Outside


def shrinker() -> Shrinker:
    return Shrinker(Outside().executor("shrink", 1))


shrink_image = shrinker().shrink
