"""The commands that only use the database."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bot import cli
from bot.effects import Effects
from tests.databases import new_sqlite
from tests.logs import own_logging

CapSys = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def url(folder: Path) -> str:
    return new_sqlite(folder)


async def run(*arguments: str, **environment: str) -> int:
    with own_logging():
        return await cli.main(arguments, environment, Effects())


async def test_the_commands_of_the_database_need_no_other_setting(url: str, capsys: CapSys) -> None:
    others = {"WEB_PORT": "a lot", "DISCORD_TOKEN": "", "ROLES": "none", "DATABASE_URL": url}
    assert await run("backup", "backup.jsonl.gz", **others) == 0
    assert await run("restore", "backup.jsonl.gz", **others) == 0
    assert await run("restore", "--moved", "backup.jsonl.gz", **others) == 0
    assert await run("export", **others) == 0
    assert capsys.readouterr().err == ""


FOREIGN = "The database has no tables of the bot. Check DATABASE_URL."
DAMAGED = "list.txt is not a SQLite database, or it is damaged. Name another"
UNREACHABLE = (
    "PostgreSQL can't be reached (No such file or directory). Check the host and port of DATABASE_URL"
)


@pytest.mark.usefixtures("url")
@pytest.mark.parametrize(
    ("command", "database", "code", "told"),
    [
        ("backup nodir/x.jsonl.gz", "sqlite:///bot.db", 2, "There is no folder nodir. Create it,"),
        ("restore list.txt", "sqlite:///bot.db", 2, "list.txt is damaged, or no backup of a release."),
        *((each, "sqlite:///theirs.db", 2, FOREIGN) for each in ("export", "backup x")),
        *((each, "sqlite:///list.txt", 2, DAMAGED) for each in ("export", "backup x")),
        ("backup x", "postgresql://bot@/bot?host=/nowhere", 1, UNREACHABLE),
    ],
)
async def test_a_failure_is_told_in_words(
    folder: Path, capsys: CapSys, command: str, database: str, code: int, told: str
) -> None:
    (folder / "list.txt").write_text("a shopping list, and longer than a header\n" * 5)
    with closing(sqlite3.connect(folder / "theirs.db", isolation_level=None)) as connection:
        connection.execute("CREATE TABLE songs (title TEXT)")
    assert await run(*command.split(), DATABASE_URL=database) == code
    assert told in capsys.readouterr().err


async def test_what_root_makes_belongs_to_the_owner_of_the_database(
    url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, tuple[int, int]] = {}

    def chown(path: Path, user: int, group: int) -> None:
        given[path.name] = user, group

    monkeypatch.setattr(os, "chown", chown)
    await run("backup", "backup.jsonl.gz", DATABASE_URL=url)
    assert [*given] == ["bot.db.lock"]
    for database in ("bot.db", "new.db"):  # without one, the folder's owner
        await run("restore", "backup.jsonl.gz", DATABASE_URL=f"sqlite:///{folder}/{database}")
    made = ("bot.db.lock", "new.db", "new.db.lock")
    assert given == dict.fromkeys(made, (os.getuid(), os.getgid()))
