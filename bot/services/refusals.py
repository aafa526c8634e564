"""Slow down users whose requests are refused repeatedly, because each refusal adds a row to the audit log."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from datetime import datetime, timedelta

from bot.domain.errors import RefusedError

# How many refusals per minute a user may get. Once a server reaches its own limit, each user may get one.
PER_PERSON = 5
PER_SERVER = 30
WINDOW = timedelta(minutes=1)
_SIZE = 10_000


class RefusalLimiter:
    """Remembers the refusals of the last minute, in memory and in this process only.

    A user without refusals is never slowed down, however many other users of the server are.
    """

    def __init__(self, clock: Callable[[], datetime], *, size: int = _SIZE) -> None:
        self._clock = clock
        self._persons = RecentTimes(PER_PERSON, size)
        self._servers = RecentTimes(PER_SERVER, size)

    def check(self, user_id: int, guild_id: int | None) -> None:
        """Raise RefusedError if the user was refused too often, before anything is read or written."""
        now = self._clock()
        own = self._persons.since(user_id, now - WINDOW)
        crowded = guild_id is not None and len(self._servers.since(guild_id, now - WINDOW)) >= PER_SERVER
        allowed = 1 if crowded else PER_PERSON
        if len(own) >= allowed:
            # Another request is allowed once the oldest of the last `allowed` refusals leaves the window.
            raise RefusedError("too_many_refusals", until=int((own[-allowed] + WINDOW).timestamp()) + 1)

    def note(self, user_id: int, guild_id: int | None) -> None:
        """Remember a refusal."""
        now = self._clock()
        self._persons.add(user_id, now)
        if guild_id is not None:
            self._servers.add(guild_id, now)


class RecentTimes:
    """The newest `limit` times of each key, for the `size` keys with the newest times."""

    def __init__(self, limit: int, size: int) -> None:
        self._limit = limit
        self._size = size
        self._times: OrderedDict[Hashable, deque[datetime]] = OrderedDict()

    def since(self, key: Hashable, start: datetime) -> list[datetime]:
        """Return a key's times after `start`, oldest first."""
        return [at for at in self._times.get(key, ()) if at > start]

    def add(self, key: Hashable, at: datetime) -> None:
        self._times.setdefault(key, deque(maxlen=self._limit)).append(at)
        self._times.move_to_end(key)
        if len(self._times) > self._size:
            self._times.popitem(last=False)
