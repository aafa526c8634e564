"""Presets as somebody sees them, for a moment: suggestions are asked for with every letter that is typed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

from bot.domain.requests import Holder, Preset

# How late what another process saved or deleted may be suggested, or not.
KEPT = timedelta(seconds=10)
_MOST = 1000

Fetch = Callable[[int, int | None], Awaitable[Sequence[Preset]]]
Place = tuple[int, int | None]


class PresetMemory:
    """What `fetch` found by (person, server). Only for suggestions: whatever counts asks the store."""

    def __init__(self, fetch: Fetch, clock: Callable[[], datetime]) -> None:
        self._fetch = fetch
        self._clock = clock
        self._kept: OrderedDict[Place, tuple[datetime, Sequence[Preset]]] = OrderedDict()
        self._changes = 0

    async def visible(self, person_id: int, guild_id: int | None) -> Sequence[Preset]:
        """Raises StoreUnavailable."""
        place = (person_id, guild_id)
        kept = self._kept.get(place)
        if kept is not None and self._clock() - kept[0] < KEPT:
            return kept[1]
        changes, asked_at = self._changes, self._clock()
        found = await self._fetch(person_id, guild_id)
        if changes == self._changes:  # else it may have been read before the change
            self._kept[place] = (asked_at, found)
            self._kept.move_to_end(place)
            if len(self._kept) > _MOST:
                self._kept.popitem(last=False)
        return found

    def forget(self, holder: Holder, holder_id: int) -> None:
        """Something of theirs has changed."""
        self._changes += 1
        which = 0 if holder is Holder.PERSON else 1
        for place in [place for place in self._kept if place[which] == holder_id]:
            del self._kept[place]
