"""Prepare a database with the settings of the simulated servers, once for all rounds.

A moderator makes them with `/settings`, in a world that is built like that of each round, so that servers and
channels have the same ids.
"""

from __future__ import annotations

import asyncio
import copy
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.fakediscord.interactions import Interaction
from tests.simulation.engine.postgres import start_server
from tests.simulation.engine.postgres_connections import Traffic
from tests.simulation.steps import Skip
from tests.simulation.story import ANSWER_WITHIN, Story
from tests.simulation.world import World, new_world

AT_ONCE = 3
WAITING = 8
RUNS_A_DAY = 12
LIMITS = tuple(f"set:{section}:form" for section in ("member", "server", "roles", "gpus"))
"""Prefixes of the custom_ids of forms that change limits."""
# Seconds between the preparation and a round, so that the prepared rows lie in the past.
SINCE_PREPARATION = 3600.0
_FILE = "bot.db"
_FASTEST_FOLDER = Path("/dev/shm")  # noqa: S108  # Linux's RAM disk, where syncing a database costs nothing


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
        panel = self._opened.original
        edits = panel.edits if panel is not None else 0
        sent = await self._story.answer(await self._story.submit(form, values))
        with suppress(TimeoutError):  # the form is closed before its values are stored
            await self._story.world.until(
                lambda: sent is None or bool(sent.followups) or (panel is not None and panel.edits > edits),
                ANSWER_WITHIN,
            )
        return sent


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


async def _make_settings(world: World) -> None:
    """Set up two servers: Reviewed, where every request needs approval, and Studio, which has a gallery."""
    story, channels = Story(world), world.cast.channels
    panel = await open_panel(story, "mona", "requests")
    await panel.change(
        "approval",
        review_channel_id=[str(channels["cards"].id)],
        mode=["everybody"],
        reviewer_role_id=[str(world.person("rita").id)],
    )
    assert "everybody" in panel.text, panel.text
    panel = await open_panel(story, "mona", "pictures")
    await panel.change("approval", review_channel_id=[str(channels["reports"].id)])
    gallery = [str(channels["gallery"].id)]
    await panel.change("results", gallery_channel_id=gallery, private_results=["true"])
    await panel.change("pictures", flagged=["hold"])
    await panel.change("member", at_once=str(AT_ONCE), waiting=str(WAITING), runs_a_day=str(RUNS_A_DAY))
    told = ("held for the moderators", "Private results: allowed", "Gallery channel: <#")
    assert all(words in panel.text for words in (*told, f"Runs per day: {RUNS_A_DAY}")), panel.text


async def _prepare(world: World) -> None:
    await world.open()
    try:
        await world.start()
        await _make_settings(world)
        await asyncio.sleep(1)
        await world.stop()
    finally:
        await world.close()
    assert [process.code for process in world.processes] == [0], world.log


class Database:
    """A prepared database, and the commands that the bot has synced with Discord."""

    def __init__(self, folder: Path) -> None:
        """Run the bot on an empty database until the settings are made, then stop it with SIGTERM."""
        with new_world("preparation", folder) as world:
            self.give(world)
            world.loop.run_until_complete(_prepare(world))
            self._commands = world.discord.commands.synced
            self.keep(world)

    def give(self, world: World) -> None:
        """Give a world a copy of the database, which is empty before the preparation."""
        if hasattr(self, "_commands"):
            world.discord.commands.synced = copy.deepcopy(self._commands)

    def keep(self, world: World) -> None:
        """Keep a world's database for later ones."""

    def take_back(self, world: World) -> None:
        """Delete a world's database."""


class SqliteDatabase(Database):
    def __init__(self, folder: Path) -> None:
        self._files: dict[str, bytes] = {}
        super().__init__(folder)

    def give(self, world: World) -> None:
        super().give(world)
        for name, data in self._files.items():
            (world.folder / name).write_bytes(data)
        world.database_url = sqlite_url(world.folder)

    def keep(self, world: World) -> None:
        self._files = {path.name: path.read_bytes() for path in world.folder.glob(f"{_FILE}*")}


class PostgresDatabase(Database):
    """A database on a PostgreSQL server that this process starts.

    Raises RuntimeError if the server can't be started.
    """

    def __init__(self, folder: Path) -> None:
        # The server may run as another user, who can't enter the simulation's folder.
        self._server = start_server(Path(tempfile.mkdtemp(prefix="simulated-", dir="/tmp")))
        super().__init__(folder)

    def give(self, world: World) -> None:
        super().give(world)
        world.database_url = self._server.new_database()
        world.loop.postgres = Traffic(world.loop, self._server)

    def keep(self, world: World) -> None:
        self._server.make_template(world.database_url)

    def take_back(self, world: World) -> None:
        self._server.drop(world.database_url)


DATABASES: dict[str, type[Database]] = {"sqlite": SqliteDatabase, "postgres": PostgresDatabase}


def sqlite_url(folder: Path) -> str:
    return f"sqlite:///{folder}/{_FILE}"


@contextmanager
def fast_folder(prefix: str) -> Iterator[Path]:
    """Make a folder for this block, in which also the bot puts its temporary files."""
    parent = _FASTEST_FOLDER if _FASTEST_FOLDER.is_dir() and os.access(_FASTEST_FOLDER, os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    tempfile.tempdir = str(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
