"""Cache the compiled word rules of servers, and the thread in which they are compiled and texts are checked.

A server chooses its word rules, so their cost must not delay other servers. Work is therefore done in slices
of a few milliseconds.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import NamedTuple, TypeVar
from weakref import WeakValueDictionary

from bot.domain.errors import RefusedError
from bot.domain.settings.rules_and_defaults import Words
from bot.effects import Effects
from bot.word_filter.rules import Hit, Steps, WordRule, WordRules

log = logging.getLogger(__name__)
# How long reading, compiling and checking may take for one request. Discord expects an answer within three.
TIMEOUT_SECONDS = 2.0
# A longer slice delays other servers, a shorter one costs more switches between threads.
_SLICE_SECONDS = 0.01
# The rules of so many servers are kept.
_SERVERS = 500
# AutoMod rules are read again after _FRESH seconds, and used up to _STALE if that fails. A failed read is
# repeated only after _RETRY, because Discord bans IP addresses that collect thousands of 403s.
_FRESH, _STALE, _RETRY = 300.0, 3600.0, 30.0
T = TypeVar("T")


class WordThread:
    """Does the work of all servers in one thread, a slice of each server in turn.

    The pieces of work of one server are done in order. The event loop's default threads aren't used, because
    they also resolve host names.
    """

    def __init__(self, effects: Effects) -> None:
        self._pool = effects.executor("word-rules", 1)
        self._clock = effects.monotonic
        self._servers: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()
        self._closed = False

    async def run(self, guild_id: int, steps: Steps[T]) -> T:
        """Do a server's work. If the caller is cancelled, the work stops at the end of its slice.

        Raises RefusedError after `close`.
        """
        loop = asyncio.get_running_loop()
        async with self._servers.setdefault(guild_id, asyncio.Lock()):
            while not self._closed:
                # The pool's queue gives every server with work the next turn.
                end = await loop.run_in_executor(self._pool, self._slice, steps)
                if end is not None:
                    found: T = end.value
                    return found
        raise RefusedError("words_unavailable", "the bot is stopping")

    def close(self) -> None:
        """Start no more slices. The thread ends with the current one."""
        self._closed = True
        self._pool.shutdown(wait=False)

    def _slice(self, steps: Steps[T]) -> StopIteration | None:
        """Do the next steps. Return their end, which has the result, if they were the last."""
        until = self._clock() + _SLICE_SECONDS
        try:
            while self._clock() < until:
                next(steps)
        except StopIteration as stop:
            return stop
        return None


# Raises RefusedError if the bot may not read a server's AutoMod rules, anything else if Discord fails.
Fetch = Callable[[int, WordThread], Awaitable[WordRules]]


class _Entry(NamedTuple):
    """The cached rules of a server. `read_at` is when they were read, `tried_at` when a read was last tried.

    `fault` is the code of the refusal if the last read failed.
    """

    tried_at: float
    rules: WordRules | None = None
    read_at: float = 0
    fault: str | None = None


class AutomodCache:
    """Caches the compiled rules of servers.

    Concurrent requests share a read; a slow one serves later requests. While Discord fails, older rules are
    used for a while.
    """

    def __init__(self, fetch: Fetch, effects: Effects) -> None:
        self.thread = WordThread(effects)
        self._fetch, self._clock = fetch, effects.monotonic
        self._entries: dict[int, _Entry] = {}
        self._own: dict[int, tuple[Sequence[str], WordRules]] = {}
        self._reading: dict[int, asyncio.Task[_Entry]] = {}
        self._tasks: set[asyncio.Task[_Entry]] = set()

    async def automod_rules(self, guild_id: int) -> WordRules:
        """Return the server's AutoMod rules, at most five minutes old while Discord responds.

        Raises RefusedError if no rules are fresh enough.
        """
        entry = self._entries.get(guild_id)
        if entry is None or self._clock() - entry.tried_at >= (_RETRY if entry.fault else _FRESH):
            task = self._reading.get(guild_id)
            if task is None:
                task = asyncio.create_task(self._read(guild_id), name=f"automod-{guild_id}")
                self._reading[guild_id] = task
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            # Afterwards there is time to check with older rules.
            done, _ = await asyncio.wait({task}, timeout=0.75 * TIMEOUT_SECONDS)
            entry = task.result() if done else entry
        if entry is None or entry.rules is None or self._clock() - entry.read_at >= _STALE:
            raise RefusedError((entry and entry.fault) or "words_unavailable")
        return entry.rules

    async def find_hit(
        self,
        guild_id: int,
        words: Words,
        texts: Mapping[str, str],
        role_ids: Collection[int],
        channel_ids: Collection[int],
    ) -> Hit | None:
        """Return the first hit in a server's own list, or else in its AutoMod rules.

        AutoMod rules are read only if there is text and `words.automod` isn't off. Raises RefusedError if
        they can't be read, or if the check takes too long.
        """
        checked = (texts, role_ids, channel_ids)
        if not any(texts.values()):
            return None
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                if words.blocked:
                    own = await self.thread.run(guild_id, self._own_rules(guild_id, words.blocked))
                    if (hit := await self.thread.run(guild_id, own.check(*checked))) is not None:
                        return hit
                if words.automod is False:
                    return None
                automod = await self.automod_rules(guild_id)
                return await self.thread.run(guild_id, automod.check(*checked))
        except TimeoutError:
            log.warning("stopped a check of server %s: its word rules took too long", guild_id)
            raise RefusedError("words_unavailable", "the rules took too long") from None
        except RefusedError as error:
            if error.code == "words_forbidden" and words.automod is None:
                # By default, AutoMod rules apply only if the bot has the permission to read them.
                return None
            raise

    def _own_rules(self, guild_id: int, blocked: tuple[str, ...]) -> Steps[WordRules]:
        # Concurrent requests compile the list once, because the thread does a server's work in order.
        cached = self._own.get(guild_id)
        if cached is None or cached[0] != blocked:
            cached = (blocked, (yield from WordRules.compile([WordRule(keywords=blocked)])))
            self._put(self._own, guild_id, cached)
        return cached[1]

    def invalidate(self, guild_id: int) -> None:
        """Drop a server's AutoMod rules, because Discord reports that they have changed."""
        self._entries.pop(guild_id, None)
        self._reading.pop(guild_id, None)

    async def close(self) -> None:
        """Stop checks and cancel running reads."""
        self.thread.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _read(self, guild_id: int) -> _Entry:
        """Read a server's rules into the cache. A failed read is cached, too, and raises no error."""
        try:
            rules = await self._fetch(guild_id, self.thread)
        except RefusedError as refused:
            entry = _Entry(self._clock(), fault=refused.code)
        except Exception:
            log.warning("can't read the AutoMod rules of server %s", guild_id, exc_info=True)
            old = self._entries.get(guild_id) or _Entry(self._clock())
            entry = old._replace(tried_at=self._clock(), fault="words_unavailable")
        else:
            entry = _Entry(self._clock(), rules, self._clock())
        # After a change of the rules meanwhile, another read has begun, or will begin.
        if self._reading.get(guild_id) is asyncio.current_task():
            del self._reading[guild_id]
            self._put(self._entries, guild_id, entry)
        return entry

    def _put(self, cache: dict[int, T], guild_id: int, value: T) -> None:
        """Cache a value, and drop the oldest one if the cache is full."""
        cache.pop(guild_id, None)
        cache[guild_id] = value
        if len(cache) > _SERVERS:
            del cache[next(iter(cache))]
