"""A cache of the presets that a user can use, for suggestions."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

from bot.domain.presets import Holder, Preset

# Suggestions show a change by another process after at most this time.
LIFETIME = timedelta(seconds=10)
_LIMIT = 1000
Fetch = Callable[[int, int | None], Awaitable[Sequence[Preset]]]
CacheKey = tuple[int, int | None]


class PresetCache:
    """Caches the result of `fetch` for each user and server. The result may be outdated, so use it only for
    suggestions.
    """

    def __init__(self, fetch: Fetch, clock: Callable[[], datetime]) -> None:
        self._fetch = fetch
        self._clock = clock
        self._cached: OrderedDict[CacheKey, tuple[datetime, Sequence[Preset]]] = OrderedDict()
        self._changes = 0

    async def visible(self, user_id: int, guild_id: int | None) -> Sequence[Preset]:
        """Return the presets that a user can use in a server. Raises StoreUnavailable."""
        key = (user_id, guild_id)
        cached = self._cached.get(key)
        # The age is negative if the clock was set back.
        if cached is not None and timedelta() <= self._clock() - cached[0] < LIFETIME:
            return cached[1]
        changes, asked_at = self._changes, self._clock()
        presets = await self._fetch(user_id, guild_id)
        if changes == self._changes:  # otherwise the presets may have been read before a change
            self._cached[key] = (asked_at, presets)
            self._cached.move_to_end(key)
            if len(self._cached) > _LIMIT:
                self._cached.popitem(last=False)
        return presets

    def forget(self, holder: Holder, holder_id: int) -> None:
        """Drop the cached presets that a change to the holder's presets affects."""
        self._changes += 1
        position = 0 if holder is Holder.PERSON else 1
        for key in [key for key in self._cached if key[position] == holder_id]:
            del self._cached[key]
