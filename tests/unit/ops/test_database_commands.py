"""The commands that only use the database, `setup --anyway`, and a start without the gateway."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bot import cli
from bot.outside import Outside
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
        return await cli.main(arguments, environment, Outside())


async def test_the_commands_of_the_database_need_no_other_setting(url: str, capsys: CapSys) -> None:
    others = {"WEB_PORT": "a lot", "DISCORD_TOKEN": "", "ROLES": "none", "DATABASE_URL": url}
    assert await run("backup", "backup.tar.gz", **others) == 0
    assert await run("restore", "backup.tar.gz", **others) == 0
    assert await run("move-database", "--to", "sqlite:///other.db", **others) == 0
    assert await run("export", **others) == 0
    assert capsys.readouterr().err == ""


async def test_a_backup_needs_its_folder(url: str, capsys: CapSys) -> None:
    assert await run("backup", "nodir/x.tar.gz", DATABASE_URL=url) == 2
    assert capsys.readouterr().err == "There is no folder nodir. Create it, or name another file.\n"


MOVE = ("move-database", "--to", "sqlite:///x.db")
every_command = pytest.mark.parametrize("arguments", [("export",), ("backup", "b.tar.gz"), MOVE])


@every_command
async def test_a_database_of_another_program_is_told_as_such(
    arguments: tuple[str, ...], folder: Path, capsys: CapSys
) -> None:
    with closing(sqlite3.connect(folder / "theirs.db", isolation_level=None)) as connection:
        connection.execute("CREATE TABLE songs (title TEXT)")
    assert await run(*arguments, DATABASE_URL="sqlite:///theirs.db") == 2
    assert capsys.readouterr().err == "The database has no tables of the bot. Check DATABASE_URL.\n"


@every_command
async def test_a_damaged_database_is_no_temporary_failure(
    arguments: tuple[str, ...], url: str, folder: Path, capsys: CapSys
) -> None:
    (folder / "bot.db").write_text("a shopping list, and longer than a header\n" * 5)
    assert await run(*arguments, DATABASE_URL=url) == 2
    assert "bot.db is not a SQLite database, or it is damaged. Name another" in capsys.readouterr().err


@pytest.mark.parametrize("setting", ["DATABASE_URL", "the target's URL"])
async def test_a_server_that_does_not_answer_is_named_in_words(
    url: str, setting: str, capsys: CapSys
) -> None:
    pair = [url, "postgresql://bot@/bot?host=/nowhere"]
    source, target = pair if setting == "the target's URL" else pair[::-1]
    assert await run("move-database", "--to", target, DATABASE_URL=source) == 1
    assert capsys.readouterr().err == (
        "PostgreSQL can't be reached (No such file or directory). Check the host and port of "
        f"{setting}, and that the server runs.\n"
    )


async def test_a_file_that_is_no_backup_is_told_without_the_name_of_a_class(
    url: str, folder: Path, capsys: CapSys
) -> None:
    (folder / "list.txt").write_text("milk")
    assert await run("restore", "list.txt", DATABASE_URL=url) == 2
    assert capsys.readouterr().err == "list.txt is damaged or no backup. Use another one.\n"


async def test_setup_says_what_it_writes_only_because_of_anyway(folder: Path, capsys: CapSys) -> None:
    (folder / "deployments.toml").touch()
    (folder / "value").write_text("nothing-like-a-secret")
    options = ("--discord-token", "value", "--comfydeploy-key", "value")
    assert await run("setup", *options) == 2
    assert not (folder / ".env").exists()
    assert await run("setup", *options, "--anyway") == 0
    said = capsys.readouterr().out
    assert "a bot token: it should have three parts, joined by dots. With --anyway" in said
    assert "COMFYDEPLOY_API_KEY doesn't look like a ComfyDeploy key, which begins with eyJ. With" in said
    assert "COMFYDEPLOY_API_KEY=nothing-like-a-secret" in (folder / ".env").read_text()


async def test_a_restored_file_belongs_to_the_owner_of_the_one_before(
    url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, tuple[int, int]] = {}

    def chown(path: Path, user: int, group: int) -> None:
        given[path.name] = user, group

    await run("backup", "backup.tar.gz", DATABASE_URL=url)
    monkeypatch.setattr(os, "chown", chown)
    for database in ("bot.db", "new.db"):  # without one, the folder's owner
        await run("restore", "backup.tar.gz", DATABASE_URL=f"sqlite:///{folder}/{database}")
    made = ("bot.db.new", "bot.db.lock", "new.db.new", "new.db.lock")
    assert given == dict.fromkeys(made, (os.getuid(), os.getgid()))
