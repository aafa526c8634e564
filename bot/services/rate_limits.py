"""Limit what users could repeat for free: refused requests, copies, and openings of private results.

The limits are kept in memory and in this process only.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta

from bot.domain.errors import RefusedError, WrongFiles

# How many refusals per minute a user may get. Once a server reaches its own limit, each user may get one.
REFUSALS_PER_PERSON = 5
REFUSALS_PER_SERVER = 30
# How many private results a user may open per minute.
OPENINGS_PER_PERSON = 5
# How many copies a user may request per minute.
COPIES_PER_PERSON = 5
WINDOW = timedelta(minutes=1)
_SIZE = 10_000
# These refusals don't count: a second press writes nothing, and the user wrote neither the server's rules nor
# the words of the channel's default preset.
_UNCOUNTED = frozenset({"pressed_twice", "rules_unreadable", "default_words"})


class RefusalLimiter:
    """Slows down users whose requests are refused repeatedly.

    Each refusal costs a row in the audit log or, if files are of the wrong kind, a download.

    A user without refusals is never slowed down, even if the server has reached its limit.
    """

    def __init__(self, clock: Callable[[], datetime], *, size: int = _SIZE) -> None:
        self._clock = clock
        self._persons = RecentTimes(REFUSALS_PER_PERSON, size)
        self._servers = RecentTimes(REFUSALS_PER_SERVER, size)

    @contextmanager
    def counted(self, user_id: int, guild_id: int | None) -> Iterator[None]:
        """Raise RefusedError if the user was refused too often, and count a refusal raised in the block.

        Files of the wrong kind count as a refusal, because the bot has downloaded their first bytes.
        """
        self.check(user_id, guild_id)
        try:
            yield
        except (RefusedError, WrongFiles) as error:
            if error.code not in _UNCOUNTED:
                self.note(user_id, guild_id)
            raise

    def check(self, user_id: int, guild_id: int | None) -> None:
        """Raise RefusedError if the user was refused too often. Call this before using the database."""
        now = self._clock()
        own = self._persons.until(user_id, now)
        crowded = guild_id is not None and len(self._servers.until(guild_id, now)) >= REFUSALS_PER_SERVER
        allowed = 1 if crowded else REFUSALS_PER_PERSON
        if len(own) >= allowed:
            # Another request is allowed once the oldest of the last `allowed` refusals leaves the window.
            raise RefusedError("too_many_refusals", until=int((own[-allowed] + WINDOW).timestamp()) + 1)

    def note(self, user_id: int, guild_id: int | None) -> None:
        """Remember a refusal."""
        now = self._clock()
        self._persons.add(user_id, now)
        if guild_id is not None:
            self._servers.add(guild_id, now)


class OpeningLimiter:
    """Lets each user open one private result at a time, and at most `OPENINGS_PER_PERSON` a minute.

    Each opening downloads the whole result.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._recent = RecentTimes(OPENINGS_PER_PERSON, _SIZE)
        self._open: set[int] = set()

    @contextmanager
    def slot(self, user_id: int) -> Iterator[None]:
        """Count an opening that lasts as long as the block. Raises RefusedError if the user has to wait."""
        now = self._clock()
        if user_id in self._open:
            raise RefusedError("open_busy")
        self._recent.check(user_id, now, "open_often")
        self._recent.add(user_id, now)
        self._open.add(user_id)
        try:
            yield
        finally:
            self._open.discard(user_id)


class CopyLimiter:
    """Lets each user request at most `COPIES_PER_PERSON` copies of results a minute.

    Each copy is posted, and adds an entry to the audit log. Its requester may delete it and request it again.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._recent = RecentTimes(COPIES_PER_PERSON, _SIZE)

    def check(self, user_id: int) -> None:
        """Raise RefusedError if the user has to wait before the next copy."""
        self._recent.check(user_id, self._clock(), "copy_often")

    @contextmanager
    def counted(self, user_id: int) -> Iterator[None]:
        """Check and count the copy that the block requests. A copy that is refused doesn't count."""
        self.check(user_id)
        # Counted before the block, so that concurrent presses can't exceed the limit.
        now = self._clock()
        self._recent.add(user_id, now)
        try:
            yield
        except RefusedError:
            self._recent.remove(user_id, now)
            raise


class RecentTimes:
    """The newest `limit` timestamps of each key, for the `size` keys with the newest timestamps."""

    def __init__(self, limit: int, size: int) -> None:
        self._limit = limit
        self._size = size
        self._times: OrderedDict[Hashable, deque[datetime]] = OrderedDict()

    def until(self, key: Hashable, now: datetime) -> list[datetime]:
        """Return a key's times in the minute before `now`, oldest first.

        Later times are left out: they were noted before the clock was set back.
        """
        return [at for at in self._times.get(key, ()) if now - WINDOW < at <= now]

    def check(self, key: Hashable, now: datetime, code: str) -> None:
        """Raise RefusedError with this code if the last minute has `limit` times of a key."""
        recent = self.until(key, now)
        if len(recent) >= self._limit:
            raise RefusedError(code, until=int((recent[0] + WINDOW).timestamp()) + 1)

    def add(self, key: Hashable, at: datetime) -> None:
        self._times.setdefault(key, deque(maxlen=self._limit)).append(at)
        self._times.move_to_end(key)
        if len(self._times) > self._size:
            self._times.popitem(last=False)

    def remove(self, key: Hashable, at: datetime) -> None:
        """Forget a time of a key, if it is still known."""
        with suppress(KeyError, ValueError):
            self._times[key].remove(at)
