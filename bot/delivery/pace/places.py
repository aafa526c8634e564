"""Limit the deliveries in progress per channel, so that one channel's rate limit doesn't delay others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from bot.domain.results.deliveries import Delivery

# Discord lets a bot post five messages in five seconds in a channel: two at a time are enough for that.
PER_CHANNEL: Final = 2
# Discord's fifty requests a second serve at most fifty busy channels.
_POSTING: Final = 50 * PER_CHANNEL
_SLOW: Final = 64
_SLOW_PER_SERVER: Final = 8
# How many deliveries may be in progress.
WIDTH: Final = _POSTING + _SLOW


class Places:
    """The deliveries in progress in this process.

    A channel has `PER_CHANNEL` places. A delivery with a slow download gives up its place, so it doesn't
    delay its channel. The number of slow downloads is limited, so they don't delay other channels either.
    """

    def __init__(self) -> None:
        self._channels: dict[int, int] = {}
        self._slow: dict[int, int] = {}

    def full(self) -> frozenset[int]:
        """Return the channels without a free place."""
        taken = Counter(self._channels.values())
        return frozenset(channel for channel, count in taken.items() if count >= PER_CHANNEL)

    def busy(self) -> frozenset[int]:
        """Return the channels that a delivery is being posted to."""
        return frozenset(self._channels.values())

    def deliveries(self) -> frozenset[int]:
        """Return the ids of the deliveries in progress."""
        return frozenset({*self._channels, *self._slow})

    def take(self, delivery: Delivery) -> None:
        """Give a claimed delivery a place in its channel."""
        self._channels[delivery.id] = delivery.destination

    @contextmanager
    def held(self, delivery: Delivery) -> Iterator[None]:
        """Free the place of a delivery after the block."""
        try:
            yield
        finally:
            self._channels.pop(delivery.id, None)
            self._slow.pop(delivery.id, None)

    def move_to_slow(self, delivery: Delivery) -> bool:
        """Free the place of a delivery whose download is slow.

        If too many downloads are slow already, return False and keep the place.
        """
        of_server = sum(server == delivery.run.server for server in self._slow.values())
        if len(self._slow) >= _SLOW or of_server >= _SLOW_PER_SERVER:
            return False
        self._slow[delivery.id] = delivery.run.server
        self._channels.pop(delivery.id, None)
        return True
