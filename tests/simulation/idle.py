"""Check that an idle bot leaves the database alone: `python -m tests.simulation --idle`."""

from __future__ import annotations

import asyncio
import random
import shutil
from collections import Counter
from pathlib import Path

from tests.simulation.engine.boundaries import STATEMENTS
from tests.simulation.engine.life import Life
from tests.simulation.engine.loop import VirtualLoop
from tests.simulation.engine.patches import TIME, entropy
from tests.simulation.setup import SINCE_PREPARATION, SqliteDatabase
from tests.simulation.world import DEPLOYMENTS, World

# The most statements that an idle bot may execute in a minute.
_MOST = 20


def check(folder: Path) -> None:
    """Check that a bot without requests only reads, and only a few times a minute.

    Raises AssertionError otherwise.
    """
    prepared = SqliteDatabase(folder / "preparation")
    TIME.restart()
    entropy.restart("idle")
    loop = VirtualLoop(random.Random("idle"))
    asyncio.set_event_loop(loop)
    world = World(loop, folder, "idle")
    shutil.copyfile(DEPLOYMENTS, folder / DEPLOYMENTS.name)
    try:
        loop.run_until_complete(_idle(world, prepared))
    finally:
        loop.bury()


async def _idle(world: World, prepared: SqliteDatabase) -> None:
    await world.open()
    prepared.give(world)
    world.loop.jump(SINCE_PREPARATION)
    assert await world.start(), world.log
    sent = await world.discord.slash(
        world.person("alice"), world.channel("pictures"), "generate picture", {"prompt": "a fox"}
    )
    await sent.wait_answer(3)
    await asyncio.sleep(70)
    executed = Counter[str]()

    def strike(_life: Life, sql: str, done: bool) -> None:
        executed[sql] += done

    STATEMENTS.strike = strike
    await asyncio.sleep(600)
    assert sum(executed.values()) <= 10 * _MOST, executed
    assert not any(sql.startswith(("INSERT", "UPDATE", "DELETE", "COMMIT")) for sql in executed), executed
    await world.stop()
    await world.close()
