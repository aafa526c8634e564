"""Prepare a database with the settings of the simulated servers, once for all rounds.

A moderator makes them with `/settings`, in a world that is built like that of each round, so that servers and
channels have the same ids.
"""

from __future__ import annotations

import asyncio
import copy
import random
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.fakediscord.errors import Json
from tests.fakediscord.interactions import Interaction
from tests.simulation.engine.loop import VirtualLoop
from tests.simulation.engine.patches import TIME, entropy
from tests.simulation.engine.postgres import Server, start_server
from tests.simulation.engine.postgres_connections import Traffic
from tests.simulation.steps import Skip
from tests.simulation.story import Story
from tests.simulation.world import DEPLOYMENTS, World

AT_ONCE = 3
WAITING = 8
RUNS_A_DAY = 12
LIMITS = tuple(f"set:{section}:form" for section in ("member", "server", "roles", "gpus"))
"""Prefixes of the custom_ids of forms that change limits."""
# Seconds between the preparation and a round, so that the prepared rows lie in the past.
SINCE_PREPARATION = 3600.0
_SEED = "preparation"
_FILE = "bot.db"


class Panel:
    """An open panel of `/settings`."""

    def __init__(self, story: Story, who: str, opened: Interaction) -> None:
        self._story = story
        self._who = who
        self._opened = opened

    @property
    def text(self) -> str:
        return self._opened.text

    def controls(self) -> list[str]:
        """Return the custom_ids of the enabled controls, without their prefix."""
        message = self._opened.original
        return [each.removeprefix("set:") for each in message.custom_ids] if message is not None else []

    async def press(self, control: str, *values: str) -> Interaction | None:
        """Use the first control whose custom_id, without its prefix, starts with `control`."""
        message = self._opened.original
        control = next((each for each in self.controls() if each.startswith(control)), control)
        if message is None:
            return None
        return await self._story.answer(
            await self._story.press(self._who, message, f"set:{control}", *values)
        )

    async def change(self, section: str, key: str = "", **changed: object) -> Interaction | None:
        """Open a section's form, or that of a key in it, and send it with new values by `box_name`."""
        if "home:open" in self.controls():
            await self.press("home:open")
        form = await self.press(f"{section}:open")
        for control in self.controls():
            if key and control.startswith(f"{section}:key"):
                form = await self.press(control, key)
        if form is None or form.modal is None:
            return None
        boxes = [str(label["component"]["custom_id"]) for label in form.modal["components"]]
        values = {box: changed[name] for box in boxes if (name := box_name(box)) in changed}
        return await self._story.answer(await self._story.submit(form, values))


def box_name(custom_id: str) -> str:
    """Return the last part of a setting's path, followed by the name of its box if it has several."""
    path, name, _ = custom_id.split(":")
    return f"{path.rpartition('.')[2]}_{name}".removesuffix("_").removesuffix("_0")


async def open_panel(story: Story, who: str, where: str) -> Panel:
    """Use `/settings`, and return its panel. Raises Skip if it shows none."""
    opened = await story.answer(await story.slash(who, where, "settings", {}))
    if opened is None or opened.original is None or not opened.original.custom_ids:
        raise Skip("/settings showed no panel")
    return Panel(story, who, opened)


async def prepare(world: World) -> None:
    """Set up two servers: Reviewed, where every request needs approval, and Studio, which has a gallery."""
    story, cast = Story(world), world.cast
    panel = await open_panel(story, "mona", "requests")
    await panel.change(
        "approval",
        review_channel_id=[str(cast.channels["cards"].id)],
        mode=["everybody"],
        reviewer_role_id=[str(cast.people["rita"].id)],
    )
    assert "everybody" in panel.text, panel.text
    panel = await open_panel(story, "mona", "pictures")
    await panel.change("approval", review_channel_id=[str(cast.channels["reports"].id)])
    gallery = [str(cast.channels["gallery"].id)]
    await panel.change("results", gallery_channel_id=gallery, private_results=["true"])
    await panel.change("pictures", flagged=["hold"])
    await panel.change("member", at_once=str(AT_ONCE), waiting=str(WAITING), runs_a_day=str(RUNS_A_DAY))
    for words in (
        "held for the moderators",
        "Private results: allowed",
        "Gallery channel: <#",
        f"Runs per day: {RUNS_A_DAY}",
    ):
        assert words in panel.text, panel.text


Commands = Mapping[int | None, list[Json]]


class SqliteDatabase:
    """A prepared SQLite file, and the commands that the bot has synced with Discord."""

    kind = "sqlite"

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self._commands = play_preparation(folder, sqlite_url(folder))
        self._files = {path.name: path.read_bytes() for path in folder.glob(f"{_FILE}*")}
        shutil.rmtree(folder)

    def give(self, world: World) -> None:
        for name, data in self._files.items():
            (world.folder / name).write_bytes(data)
        world.database_url = sqlite_url(world.folder)
        world.discord.commands.scopes = copy.deepcopy(dict(self._commands))

    def take_back(self, world: World) -> None:
        """Do nothing: the file is in the world's folder."""


class PostgresDatabase:
    """A prepared database on a PostgreSQL server that this process starts.

    Raises RuntimeError if the server can't be started.
    """

    kind = "postgres"

    def __init__(self, folder: Path) -> None:
        # The server may run as another user, who can't enter the simulation's folder.
        self._server = start_server(Path(tempfile.mkdtemp(prefix="simulated-", dir="/tmp")))
        folder.mkdir(parents=True)
        url = self._server.new_database()
        self._commands = play_preparation(folder, url, self._server)
        self._server.make_template(url)
        shutil.rmtree(folder)

    def give(self, world: World) -> None:
        world.database_url = self._server.new_database()
        world.loop.postgres = Traffic(world.loop, self._server)
        world.discord.commands.scopes = copy.deepcopy(dict(self._commands))

    def take_back(self, world: World) -> None:
        self._server.drop(world.database_url)


Database = SqliteDatabase | PostgresDatabase
DATABASES: dict[str, Callable[[Path], Database]] = {"sqlite": SqliteDatabase, "postgres": PostgresDatabase}


def sqlite_url(folder: Path) -> str:
    return f"sqlite:///{folder}/{_FILE}"


def play_preparation(folder: Path, database_url: str, server: Server | None = None) -> Commands:
    """Run the bot on this database until the settings are made, then stop it with SIGTERM.

    The database is on a PostgreSQL server, if there is one. Returns the commands that the bot has synced with
    Discord.
    """
    TIME.restart()
    entropy.restart(_SEED)
    shutil.copyfile(DEPLOYMENTS, folder / DEPLOYMENTS.name)
    loop = VirtualLoop(random.Random(f"{_SEED}-order"))
    asyncio.set_event_loop(loop)
    world = World(loop, folder, _SEED)
    world.database_url = database_url
    if server is not None:
        loop.postgres = Traffic(loop, server)
    try:
        loop.run_until_complete(_prepare(world))
    finally:
        loop.bury()
    return world.discord.commands.scopes


async def _prepare(world: World) -> None:
    await world.open()
    try:
        await world.start()
        await prepare(world)
        await asyncio.sleep(1)
        await world.stop()
    finally:
        await world.close()
    codes = [process.code for process in world.processes]
    if codes != [0]:
        raise RuntimeError(f"the preparation ended with {codes}:\n" + "\n".join(map(str, world.log)))
