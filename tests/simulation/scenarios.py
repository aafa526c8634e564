"""Scenarios that check the simulation, such as what a kill means, and two promises that need no faults.

`python -m tests.simulation --check NAME` runs one; `test_simulation.py` runs all.
"""

from __future__ import annotations

import asyncio
import functools
import random
import shutil
import socket
import sqlite3
import sys
import types
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import copy_context
from pathlib import Path
from typing import Any

from tests.simulation.engine.boundaries import STATEMENTS
from tests.simulation.engine.life import LIFE, Life
from tests.simulation.engine.loop import VirtualLoop
from tests.simulation.engine.patches import TIME, entropy
from tests.simulation.setup import SINCE_PREPARATION, SqliteDatabase
from tests.simulation.world import DEPLOYMENTS, World

Scenario = Callable[[Path, SqliteDatabase], Awaitable[None]]
SCENARIOS: dict[str, Scenario] = {}
_IDLE_STATEMENTS = 20
"""The most statements that an idle bot may execute in a minute."""


def scenario(check: Scenario) -> Scenario:
    SCENARIOS[check.__name__] = check
    return check


def run(name: str, folder: Path) -> None:
    """Run a scenario. Raises AssertionError if the simulation isn't what it should be."""
    prepared = SqliteDatabase(folder / "preparation")
    TIME.restart()
    entropy.restart(name)
    loop = VirtualLoop(random.Random(name))
    asyncio.set_event_loop(loop)
    home = folder / name
    home.mkdir()
    shutil.copyfile(DEPLOYMENTS, home / "deployments.toml")
    try:
        loop.run_until_complete(SCENARIOS[name](home, prepared))
    finally:
        loop.bury()


@scenario
async def a_kill_is_final(folder: Path, _: SqliteDatabase) -> None:
    """Check that a killed process has no effect outside, even if its `finally` blocks run."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    arrived: list[bytes] = []
    server = await loop.create_server(lambda: _Collects(arrived), "127.0.0.1", 0)
    said: list[str] = []
    life = Life("victim", lambda _, text: said.append(text))
    context = copy_context()
    context.run(LIFE.set, life)
    file = folder / "victim.db"
    task = context.run(asyncio.ensure_future, _victim(server.sockets[0].getsockname()[1], file))
    await asyncio.sleep(1)
    assert arrived == [b"before"], arrived
    life.kill()
    task.cancel()
    await asyncio.sleep(10)
    assert not task.done()
    assert arrived == [b"before"], arrived
    assert said == ["before\n"], said
    with sqlite3.connect(file) as database:
        rows = database.execute("SELECT word FROM said").fetchall()
    assert rows == [("committed",)], rows


class _Collects(asyncio.Protocol):
    def __init__(self, arrived: list[bytes]) -> None:
        self._arrived = arrived

    def data_received(self, data: bytes) -> None:
        self._arrived.append(data)


async def _victim(port: int, file: Path) -> None:
    """Write to the network, standard error and the database, and try it again after the kill."""
    loop = asyncio.get_running_loop()
    plain = socket.socket()
    plain.setblocking(False)
    await loop.sock_connect(plain, ("127.0.0.1", port))
    transport, _ = await loop.create_connection(asyncio.Protocol, sock=plain)
    assert isinstance(transport, asyncio.WriteTransport)
    database = sqlite3.connect(file, isolation_level=None)
    database.execute("CREATE TABLE said (word TEXT)")
    database.execute("INSERT INTO said VALUES ('committed')")
    database.execute("BEGIN IMMEDIATE")
    database.execute("INSERT INTO said VALUES ('open')")
    transport.write(b"before")
    sys.stderr.write("before\n")
    try:
        await asyncio.sleep(5)
    finally:
        transport.write(b"after")
        sys.stderr.write("after\n")
        await loop.run_in_executor(None, file.with_suffix(".after").touch)
        database.execute("COMMIT")


@scenario
async def lives_share_nothing(folder: Path, prepared: SqliteDatabase) -> None:
    """Check that a second life finds the modules' globals as the first one did, except for caches."""
    async with _world(folder, prepared) as world:
        await _live(world)
        before = _globals()
        await _live(world)
        after = _globals()
    changed = {name: (before.get(name), after[name]) for name in after if before.get(name) != after[name]}
    assert not changed, changed


async def _live(world: World) -> None:
    """Start the bot, generate a picture, and kill the bot."""
    assert await world.start(), world.log
    (process,) = world.running
    await _generate(world)
    process.kill()
    await asyncio.sleep(1)


async def _generate(world: World) -> None:
    """Generate a picture as alice."""
    sent = await world.discord.slash(
        world.person("alice"), world.channel("pictures"), "generate picture", {"prompt": "a fox"}
    )
    await sent.wait_answer(3)
    await asyncio.sleep(10)
    shown = world.discord.messages(world.channel("pictures"))
    assert any(message.attachments for message in shown), world.log


def _globals() -> dict[str, str]:
    """Return the name and content of each global of the bot's modules that isn't code."""
    found: dict[str, str] = {}
    for name, module in sorted(sys.modules.items()):
        if name.partition(".")[0] in ("bot", "cogs"):
            for key, value in vars(module).items():
                if not _is_code(value) and not key.startswith("__"):
                    found[f"{name}.{key}"] = _content(value)
    return found


def _is_code(value: Any) -> bool:
    kinds = (
        type,
        types.ModuleType,
        types.FunctionType,
        types.BuiltinFunctionType,
        functools._lru_cache_wrapper,
    )
    return isinstance(value, kinds) or type(value).__module__.startswith(("typing", "re"))


def _content(value: Any) -> str:
    if isinstance(value, (dict, list, set, frozenset, tuple)):
        return f"{type(value).__name__} of {len(value)}: {sorted(map(str, value))[:50]}"
    return repr(value)[:200]


@scenario
async def a_second_process_is_refused(folder: Path, prepared: SqliteDatabase) -> None:
    """Check that a second process on the same SQLite database exits with an error."""
    async with _world(folder, prepared) as world:
        assert await world.start(), world.log
        (first,) = world.running
        second = world.launch("second", WEB_PORT="8081")
        await world.until(lambda: not second.running, 300)
        said = [entry.text for entry in world.log if entry.who == "second"]
        assert second.code == 2, (second.code, said)
        assert any("already running on this database" in line for line in said), said
        assert first.running


@scenario
async def an_idle_bot_leaves_the_database_alone(folder: Path, prepared: SqliteDatabase) -> None:
    """Check that a bot without requests only reads, and only a few times a minute."""
    async with _world(folder, prepared) as world:
        assert await world.start(), world.log
        await _generate(world)
        await asyncio.sleep(60)
        executed = Counter[str]()

        def strike(_life: Life, sql: str, done: bool) -> None:
            executed[sql] += done

        STATEMENTS.strike = strike
        await asyncio.sleep(600)
        assert sum(executed.values()) <= 10 * _IDLE_STATEMENTS, executed
        assert not any(sql.startswith(("INSERT", "UPDATE", "DELETE", "COMMIT")) for sql in executed), executed


@asynccontextmanager
async def _world(folder: Path, prepared: SqliteDatabase) -> AsyncIterator[World]:
    """Open a world with a copy of the prepared database, and close it after the block."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    world = World(loop, folder, folder.name)
    await world.open()
    prepared.give(world)
    world.loop.jump(SINCE_PREPARATION)
    try:
        yield world
    finally:
        await world.stop()
        await world.close()
