"""Check PostgreSQL in virtual time: `python -m tests.simulation.engine.check_postgres`.

Prints a line for each check, with its name and `passed` or the error. `test_postgres.py` runs it.
"""

from __future__ import annotations

from tests.simulation.engine.patches import TIME, entropy  # isort: skip  # before all other libraries

import asyncio
import logging
import random
import shutil
import sqlite3
import sys
import tempfile
import traceback
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from contextvars import copy_context
from pathlib import Path
from typing import Any

import asyncpg
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from tests.simulation.engine.boundaries import STATEMENTS, ConnectionLost
from tests.simulation.engine.life import LIFE, Life
from tests.simulation.engine.loop import VirtualLoop
from tests.simulation.engine.postgres import Server, start_server
from tests.simulation.engine.postgres_traffic import Traffic

LOCK_SECONDS = 2.0
_ADD = text("UPDATE counters SET value = value + 1 WHERE id = :id")
_VALUE = "SELECT value FROM counters WHERE id = 1"


class Stage:
    """Two processes with a connection pool each, and a database with two counters."""

    def __init__(self, loop: VirtualLoop, server: Server, url: str) -> None:
        self.loop = loop
        self.server = server
        self.url = url
        self.log: list[str] = []
        self.lives = [Life(name, lambda _name, _text: None) for name in ("one", "two")]
        self.engines = [self.engine() for _ in self.lives]

    @property
    def traffic(self) -> Traffic:
        assert self.loop.postgres is not None
        return self.loop.postgres

    @property
    def value(self) -> int:
        """Return the committed value of the first counter."""
        return int(self.server.query(self.url, _VALUE)[0][0] or 0)

    def engine(self, **options: Any) -> AsyncEngine:
        settings = {"lock_timeout": f"{LOCK_SECONDS * 1000:.0f}", "idle_in_transaction_session_timeout": "1"}
        connect = {"timeout": 2.0, "command_timeout": 10.0, "server_settings": settings, **options}
        url = make_url(self.url).set(drivername="postgresql+asyncpg")
        return create_async_engine(url, pool_pre_ping=True, connect_args=connect)

    def run(self, number: int, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Start a task of a process."""
        context = copy_context()
        context.run(LIFE.set, self.lives[number])
        return context.run(asyncio.ensure_future, work)

    @asynccontextmanager
    async def adding(self, number: int, counter: int = 1) -> AsyncIterator[AsyncConnection]:
        """Increment a counter in a transaction of a process, and commit it after the block."""
        async with self.engines[number].connect() as connection, connection.begin():
            await connection.execute(_ADD, {"id": counter})
            self.log.append(f"{number} has counter {counter} at {TIME.monotonic:.3f}")
            yield connection

    async def add(self, number: int, *, hold: float = 0.0) -> None:
        async with self.adding(number):
            if hold:
                await asyncio.sleep(hold)


Check = Callable[[Stage], Awaitable[None]]
CHECKS: dict[str, Check] = {}


def check(function: Check) -> Check:
    CHECKS[function.__name__] = function
    return function


def strike_at(statement: str, effect: Callable[[Life], None], *, done: bool) -> None:
    """Call `effect` once, before or after the next statement that starts with `statement`."""

    def strike(life: Life, sql: str, was_done: bool) -> None:
        if sql.startswith(statement) and was_done is done:
            STATEMENTS.strike = None
            effect(life)

    STATEMENTS.strike = strike


def lose(_: Life) -> None:
    raise ConnectionLost


def fail(_: Life) -> None:
    raise sqlite3.OperationalError("database or disk is full")


async def error_of(work: Awaitable[object]) -> BaseException | None:
    """Await the work, and return the error of asyncpg, or None."""
    try:
        await work
    except DBAPIError as error:
        return error.orig.__cause__ if error.orig is not None else error
    except Exception as error:
        return error
    return None


@check
async def statements_take_no_time(stage: Stage) -> None:
    await stage.run(0, stage.add(0))
    before = TIME.monotonic
    for _ in range(3):
        await stage.run(0, stage.add(0))
    assert stage.value == 4
    assert TIME.monotonic == before


@check
async def a_waiting_statement_lets_the_holder_go_on(stage: Stage) -> None:
    await asyncio.gather(stage.run(0, stage.add(0)), stage.run(1, stage.add(1)))
    before = TIME.monotonic
    await asyncio.gather(*(stage.run(number % 2, stage.add(number % 2)) for number in range(8)))
    assert stage.value == 10
    # New connections of the pools take a millisecond each.
    assert TIME.monotonic < before + 0.1


@check
async def time_passes_for_a_lock_if_its_holder_sleeps(stage: Stage) -> None:
    holder = stage.run(0, stage.add(0, hold=1.5))
    await asyncio.sleep(0.1)
    await stage.run(1, stage.add(1))
    assert stage.value == 2
    assert not await error_of(holder)
    assert [line.split(" at ")[0] for line in stage.log] == ["0 has counter 1", "1 has counter 1"]


@check
async def a_lock_timeout_is_in_virtual_time(stage: Stage) -> None:
    holder = stage.run(0, stage.add(0, hold=60))
    await asyncio.sleep(0.5)
    before = TIME.monotonic
    error = await error_of(stage.run(1, stage.add(1)))
    assert isinstance(error, asyncpg.LockNotAvailableError), repr(error)
    assert abs(TIME.monotonic - before - LOCK_SECONDS) < 0.01
    await holder
    await stage.run(1, stage.add(1))
    assert stage.value == 2


@check
async def a_deadlock_ends_one_transaction(stage: Stage) -> None:
    async def both(number: int, first: int) -> None:
        async with stage.adding(number, first) as connection:
            await asyncio.sleep(0.1)
            await connection.execute(_ADD, {"id": 3 - first})

    errors = await asyncio.gather(error_of(stage.run(0, both(0, 1))), error_of(stage.run(1, both(1, 2))))
    assert sorted(type(error).__name__ for error in errors) == ["DeadlockDetectedError", "NoneType"], errors
    assert stage.value == 1
    assert TIME.monotonic < 1001


@check
async def a_command_timeout_cancels_the_statement(stage: Stage) -> None:
    holder = stage.run(0, stage.add(0, hold=60))
    await asyncio.sleep(0.5)
    stage.engines[1] = stage.engine(command_timeout=1.0)
    before = TIME.monotonic
    error = await error_of(stage.run(1, stage.add(1)))
    assert isinstance(error, TimeoutError), repr(error)
    assert TIME.monotonic < before + 1.1
    await holder
    await stage.run(1, stage.add(1))
    assert stage.value == 2


@check
async def a_cancelled_task_leaves_the_pool_usable(stage: Stage) -> None:
    await stage.run(0, stage.add(0))

    async def cut() -> None:
        task = stage.run(0, stage.add(0))
        await asyncio.sleep(0)
        for _ in range(random.randrange(12)):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])

    for _ in range(10):
        await cut()
    before = stage.value
    await stage.run(0, stage.add(0))
    assert stage.value == before + 1


@check
async def listeners_are_notified_at_the_same_instant(stage: Stage) -> None:
    heard: list[tuple[str, float]] = []

    async def listen(number: int) -> asyncpg.Connection[Any]:
        connection = await asyncpg.connect(stage.url)
        await connection.add_listener(
            "news", lambda *about: heard.append((f"{number} {about[-1]}", TIME.monotonic))
        )
        return connection

    connections = [await stage.run(number, listen(number)) for number in (0, 1)]
    for word in "abc":
        heard.clear()
        await stage.run(0, connections[0].execute("SELECT pg_notify('news', $1)", word))
        said = TIME.monotonic
        await asyncio.sleep(0.01)
        assert sorted(heard) == [(f"0 {word}", said), (f"1 {word}", said)], heard


@check
async def a_killed_process_is_rolled_back_at_once(stage: Stage) -> None:
    stage.run(0, stage.add(0, hold=60))
    await asyncio.sleep(0.5)
    stage.lives[0].kill()
    before = TIME.monotonic
    await stage.run(1, stage.add(1))
    assert stage.value == 1
    assert TIME.monotonic < before + 0.01


@check
async def a_dead_process_keeps_its_place_among_the_waiting(stage: Stage) -> None:
    holder = stage.run(0, stage.add(0, hold=1.0))
    await asyncio.sleep(0.1)
    stage.run(1, stage.add(1))
    await asyncio.sleep(0.1)
    stage.lives[1].kill()
    await holder
    assert stage.value == 1
    await stage.run(0, stage.add(0))
    assert stage.value == 2


@check
async def a_kill_before_a_commit_stores_nothing(stage: Stage) -> None:
    strike_at("COMMIT", Life.kill, done=False)
    stage.run(0, stage.add(0))
    await asyncio.sleep(1)
    assert stage.lives[0].dead
    assert stage.value == 0


@check
async def a_kill_after_a_commit_leaves_it_stored(stage: Stage) -> None:
    strike_at("COMMIT", Life.kill, done=True)
    task = stage.run(0, stage.add(0))
    await asyncio.sleep(1)
    assert stage.lives[0].dead
    assert not task.done()
    assert stage.value == 1


@check
async def a_commit_may_lose_its_reply(stage: Stage) -> None:
    strike_at("COMMIT", lose, done=True)
    error = await error_of(stage.run(0, stage.add(0)))
    assert isinstance(error, asyncpg.ConnectionDoesNotExistError), repr(error)
    assert stage.value == 1
    await stage.run(0, stage.add(0))
    assert stage.value == 2


@check
async def a_commit_may_get_lost(stage: Stage) -> None:
    strike_at("COMMIT", lose, done=False)
    error = await error_of(stage.run(0, stage.add(0)))
    assert isinstance(error, asyncpg.ConnectionDoesNotExistError), repr(error)
    assert stage.value == 0
    await stage.run(0, stage.add(0))
    assert stage.value == 1


@check
async def a_statement_may_fail(stage: Stage) -> None:
    for statement in ("BEGIN", "UPDATE", "COMMIT"):
        strike_at(statement, fail, done=False)
        error = await error_of(stage.run(0, stage.add(0)))
        assert isinstance(error, asyncpg.DiskFullError), repr(error)
        assert STATEMENTS.strike is None
    assert stage.value == 0
    await stage.run(0, stage.add(0))
    assert stage.value == 1


@check
async def the_server_may_go_away(stage: Stage) -> None:
    holder = stage.run(0, stage.add(0, hold=5))
    await asyncio.sleep(1)
    stage.traffic.go_away()
    assert await error_of(holder)
    assert isinstance(await error_of(stage.run(1, stage.add(1))), OSError)
    stage.traffic.come_back()
    await asyncio.gather(stage.run(0, stage.add(0)), stage.run(1, stage.add(1)))
    assert stage.value == 2


async def compete(stage: Stage, number: int) -> None:
    async with stage.engines[number].connect() as connection, connection.begin():
        await connection.execute(text("SELECT pg_advisory_xact_lock(1)"))
        await connection.execute(_ADD, {"id": 1})
        stage.log.append(f"{number} at {TIME.monotonic:.3f}")
        await asyncio.sleep(0.1)


@check
async def a_seed_replays(stage: Stage) -> None:
    """Let both processes compete for a lock, and kill one of them. `main` compares the logs of replays."""
    strike_at("COMMIT", Life.kill, done=True)
    tasks = [stage.run(number % 2, compete(stage, number % 2)) for number in range(10)]
    await asyncio.wait(tasks, timeout=2)
    stage.log.append(f"{[task.done() for task in tasks]} {stage.value}")


def play(server: Server, one: Check, seed: str) -> list[str]:
    """Run a check on a new database, and return its log."""
    TIME.restart()
    entropy.restart(seed)
    loop = VirtualLoop(random.Random(seed))
    url = server.new_database()
    stage = Stage(loop, server, url)
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(one(stage))
        assert not loop.errors, loop.errors
    finally:
        STATEMENTS.strike = None
        loop.bury()
        server.drop(url)
    return stage.log


def main() -> int:
    """Run all checks, or those named as arguments; return the number of failures."""
    folder = Path(tempfile.mkdtemp(prefix="bot-simulation-"))
    server = start_server(folder)
    failed = 0
    # Objects of dead processes emit warnings when they are garbage-collected.
    warnings.simplefilter("ignore")
    logging.disable()
    sys.unraisablehook = lambda _: None
    try:
        template = server.new_database()
        server.query(template, "CREATE TABLE counters (id integer PRIMARY KEY, value integer NOT NULL)")
        server.query(template, "INSERT INTO counters VALUES (1, 0), (2, 0)")
        server.make_template(template)
        for name in sys.argv[1:] or CHECKS:
            try:
                log = play(server, CHECKS[name], "a")
                if name == "a_seed_replays":
                    assert play(server, CHECKS[name], "a") == log
                    assert play(server, CHECKS[name], "b") != log
                sys.stdout.write(f"{name}: passed\n")
            except Exception:
                failed += 1
                sys.stdout.write(f"{name}: {traceback.format_exc().replace(chr(10), ' | ')}\n")
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
    return failed


if __name__ == "__main__":
    sys.exit(min(main(), 1))
