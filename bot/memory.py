"""What a process remembers about people, in memory only: form drafts, how much they write, and who waits."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from random import Random
from typing import TypeVar

from bot.domain.errors import RefusedError

T = TypeVar("T")
# How many commands, presses and forms of a person may write within a minute.
WRITES_PER_PERSON = 10
WINDOW = timedelta(minutes=1)
# How long, in seconds, a request that has its first answer waits for those that have none.
_PATIENCE = 1.0


class Allowance:
    """Lets each person write a few times a minute: rows, messages, and cards for moderators.

    A refused request counts, too, because it adds a row to the audit log. The `size` people who wrote last
    are remembered.
    """

    def __init__(self, clock: Callable[[], datetime], *, size: int = 10_000) -> None:
        self._clock, self._size = clock, size
        self._times: OrderedDict[int, deque[datetime]] = OrderedDict()

    def spend(self, user_id: int) -> None:
        """Count a command, a press or a form. Raises RefusedError, and counts nothing, at the limit."""
        now = self._clock()
        times = self._times.setdefault(user_id, deque(maxlen=WRITES_PER_PERSON))
        self._times.move_to_end(user_id)
        if len(self._times) > self._size:
            self._times.popitem(last=False)
        # Later times were noted before the clock was set back.
        if sum(now - WINDOW < at <= now for at in times) >= WRITES_PER_PERSON:
            raise RefusedError("too_fast")
        times.append(now)

    def refund(self, user_id: int) -> None:
        """Take the last count back, because nothing was written."""
        if times := self._times.get(user_id):
            times.pop()


class Unanswered:
    """Counts the requests without a first answer, for which Discord waits only three seconds.

    When many people ask at once, each is answered before any request is stored, which takes most of the time.
    """

    def __init__(self) -> None:
        self._count = 0
        self._none = asyncio.Event()

    @contextmanager
    def one(self) -> Iterator[None]:
        self._count += 1
        self._none.clear()
        try:
            yield
        finally:
            self._count -= 1
            if self._count == 0:
                self._none.set()

    async def none(self) -> None:
        """Wait until all are answered, but not for long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                await self._none.wait()


class FormDrafts:
    """A cache of each user's newest drafts, in memory. After a restart, forms open without their drafts.

    It holds at most `per_user` drafts of each type of a user, and the drafts of the `users` who kept one most
    recently.
    """

    def __init__(self, random: Random, per_user: int = 5, users: int = 500) -> None:
        self._random, self._per_user, self._users = random, per_user, users
        self._kept: OrderedDict[int, dict[str, object]] = OrderedDict()

    def keep(self, user_id: int, draft: object) -> str:
        name = self._random.randbytes(4).hex()
        drafts = self._kept.setdefault(user_id, {})
        self._kept.move_to_end(user_id)
        drafts[name] = draft
        alike = [each for each, other in drafts.items() if type(other) is type(draft)]
        if len(alike) > self._per_user:
            del drafts[alike[0]]
        if len(self._kept) > self._users:
            self._kept.popitem(last=False)
        return name

    def get(self, name: str, user_id: int, kind: type[T]) -> T | None:
        """Return a draft, or None if it is no longer kept or belongs to another user."""
        draft = self._kept.get(user_id, {}).get(name)
        return draft if isinstance(draft, kind) else None

    def forget(self, user_id: int) -> None:
        self._kept.pop(user_id, None)
