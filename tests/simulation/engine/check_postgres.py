"""Check PostgreSQL in virtual time: two processes compete for the rows of a small table."""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import copy_context
from pathlib import Path
from typing import Any

import asyncpg

from tests.simulation.engine.boundaries import STATEMENTS, ConnectionLost
from tests.simulation.engine.life import LIFE, Life
from tests.simulation.engine.loop import VirtualLoop
from tests.simulation.engine.patches import TIME, entropy
from tests.simulation.engine.postgres import Server, start_server

_LOCK_SECONDS = 2.0
_TABLE = "CREATE TABLE counters AS SELECT id, 0 AS value FROM generate_series(1, 2) AS id"
_ADD = "UPDATE counters SET value = value + 1 WHERE id = $1"


class Stage:
    """Two processes and a database with two counters."""

    def __init__(self, server: Server, url: str) -> None:
        self.server = server
        self.url = url
        self.log: list[str] = []
        self.lives = [Life(name, lambda _name, _text: None) for name in ("one", "two")]

    @property
    def value(self) -> int:
        """Return the committed value of the first counter."""
        return int(self.server.query(self.url, "SELECT value FROM counters WHERE id = 1")[0][0] or 0)

    def run(self, number: int, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Start a task of a process."""
        context = copy_context()
        context.run(LIFE.set, self.lives[number])
        return context.run(asyncio.ensure_future, work)

    def add(self, number: int, *counters: int, hold: float = 0.0) -> asyncio.Task[Any]:
        """Increment counters in a transaction of a process, which sleeps after each."""
        return self.run(number, self._add(number, counters or (1,), hold))

    async def _add(self, number: int, counters: tuple[int, ...], hold: float) -> None:
        limits = {"lock_timeout": f"{_LOCK_SECONDS * 1000:.0f}"}
        connection = await asyncpg.connect(self.url, server_settings=limits)
        try:
            async with connection.transaction():
                for counter in counters:
                    await connection.execute(_ADD, counter)
                    self.log.append(f"{number} has counter {counter} at {TIME.monotonic:.3f}")
                    await asyncio.sleep(hold)
        finally:
            connection.terminate()


async def two_transactions_exclude_each_other(stage: Stage) -> None:
    holder = stage.add(0, hold=1.5)
    await asyncio.sleep(0.1)
    before = TIME.monotonic
    await stage.add(1)
    await holder
    assert stage.value == 2
    assert 1.3 < TIME.monotonic - before < 1.5, stage.log


async def a_lock_timeout_is_in_virtual_time(stage: Stage) -> None:
    holder = stage.add(0, hold=60)
    await asyncio.sleep(0.5)
    before = TIME.monotonic
    error = await _error_of(stage.add(1))
    assert isinstance(error, asyncpg.LockNotAvailableError), repr(error)
    assert abs(TIME.monotonic - before - _LOCK_SECONDS) < 0.01
    await holder
    assert stage.value == 1


async def a_deadlock_ends_one_transaction(stage: Stage) -> None:
    tasks = stage.add(0, 1, 2, hold=0.1), stage.add(1, 2, 1, hold=0.1)
    errors = await asyncio.gather(*map(_error_of, tasks))
    assert sorted(type(error).__name__ for error in errors) == ["DeadlockDetectedError", "NoneType"], errors
    assert stage.value == 1


async def a_killed_process_is_rolled_back_at_once(stage: Stage) -> None:
    stage.add(0, hold=60)
    await asyncio.sleep(0.5)
    stage.lives[0].kill()
    before = TIME.monotonic
    await stage.add(1)
    assert stage.value == 1
    assert TIME.monotonic < before + 0.01


async def a_kill_is_before_or_after_a_commit(stage: Stage) -> None:
    for number, done in enumerate((False, True)):
        _strike_at_commit(Life.kill, done=done)
        task = stage.add(number)
        await asyncio.sleep(1)
        assert stage.lives[number].dead
        assert not task.done()
        assert stage.value == number


async def a_commit_or_its_reply_may_get_lost(stage: Stage) -> None:
    for number, done in enumerate((False, True)):
        _strike_at_commit(_lose, done=done)
        error = await _error_of(stage.add(number))
        assert isinstance(error, asyncpg.ConnectionDoesNotExistError), repr(error)
        assert stage.value == number


async def listeners_are_notified_at_the_same_instant(stage: Stage) -> None:
    heard: list[float] = []

    async def listen() -> asyncpg.Connection[Any]:
        connection = await asyncpg.connect(stage.url)
        await connection.add_listener("news", lambda *_: heard.append(TIME.monotonic))
        return connection

    connections = [await stage.run(number, listen()) for number in (0, 1)]
    await stage.run(0, connections[0].execute("SELECT pg_notify('news', 'a')"))
    said = TIME.monotonic
    await asyncio.sleep(0.01)
    assert heard == [said, said]


async def a_seed_replays(stage: Stage) -> None:
    """Let both processes compete, and kill one of them. `run` compares the logs of replays."""
    _strike_at_commit(Life.kill, done=True)
    tasks = [stage.add(number % 2, hold=0.1) for number in range(10)]
    await asyncio.wait(tasks, timeout=2)
    stage.log.append(f"{[task.done() for task in tasks]} {stage.value}")


CHECKS = (
    two_transactions_exclude_each_other,
    a_lock_timeout_is_in_virtual_time,
    a_deadlock_ends_one_transaction,
    a_killed_process_is_rolled_back_at_once,
    a_kill_is_before_or_after_a_commit,
    a_commit_or_its_reply_may_get_lost,
    listeners_are_notified_at_the_same_instant,
    a_seed_replays,
)


def _strike_at_commit(effect: Callable[[Life], None], *, done: bool) -> None:
    """Call `effect` once, before or after the next COMMIT."""

    def strike(life: Life, sql: str, was_done: bool) -> None:
        if sql.startswith("COMMIT") and was_done is done:
            STATEMENTS.strike = None
            effect(life)

    STATEMENTS.strike = strike


def _lose(_: Life) -> None:
    raise ConnectionLost


async def _error_of(work: Awaitable[object]) -> Exception | None:
    try:
        await work
    except Exception as error:
        return error
    return None


def run() -> None:
    """Run all checks. Raises AssertionError if one fails."""
    with tempfile.TemporaryDirectory(prefix="simulated-", dir="/tmp") as folder:
        server = start_server(Path(folder))
        try:
            template = server.new_database()
            server.query(template, _TABLE)
            server.make_template(template)
            for check in CHECKS:
                log = _play(server, check, "a")
            assert _play(server, a_seed_replays, "a") == log
            assert _play(server, a_seed_replays, "b") != log
        finally:
            server.stop()


def _play(server: Server, check: Callable[[Stage], Awaitable[None]], seed: str) -> list[str]:
    """Run a check on a new database, and return its log."""
    TIME.restart()
    entropy.restart(seed)
    loop = VirtualLoop(random.Random(seed))
    asyncio.set_event_loop(loop)
    url = server.new_database()
    stage = Stage(server, url)
    try:
        loop.run_until_complete(check(stage))
        assert not loop.errors, loop.errors
    finally:
        STATEMENTS.strike = None
        loop.bury()
        server.drop(url)
    return stage.log
