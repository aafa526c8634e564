"""The commands that only use the database, `setup --anyway`, and a start without the gateway."""

from __future__ import annotations

import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bot import cli
from bot.gateway.client import RestClient
from bot.metrics import Metrics
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


def write(file: Path, statement: str) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute(statement)


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


async def test_a_wrong_setting_of_the_database_is_told(capsys: CapSys) -> None:
    assert await run("backup", DATABASE_URL="bot.db") == 2
    assert capsys.readouterr().err.startswith("DATABASE_URL: must be sqlite:///FILE")


async def test_one_row_is_a_row(url: str, folder: Path, capsys: CapSys) -> None:
    write(folder / "bot.db", "INSERT INTO key_values VALUES ('a', 'x', '2026-01-01 00:00:00')")
    await run("backup", "backup.tar.gz", DATABASE_URL=url)
    await run("restore", "backup.tar.gz", DATABASE_URL=url)
    await run("move-database", "--to", "sqlite:///other.db", DATABASE_URL=url)
    said = capsys.readouterr().out
    assert "Wrote 1 row to" in said
    assert re.search(r"^Restored 1 row of \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00 from", said, re.MULTILINE)
    assert "key_values: 1 row\n" in said
    assert "runs: 0 rows\n" in said


@pytest.mark.parametrize("arguments", [("export",), ("backup",), ("move-database", "--to", "sqlite:///x.db")])
async def test_a_database_of_another_program_is_told_as_such(
    arguments: tuple[str, ...], folder: Path, capsys: CapSys
) -> None:
    write(folder / "theirs.db", "CREATE TABLE songs (title TEXT)")
    assert await run(*arguments, DATABASE_URL="sqlite:///theirs.db") == 2
    assert capsys.readouterr().err == "The database has no tables of the bot. Check DATABASE_URL.\n"


@pytest.mark.parametrize(
    "arguments", [("export",), ("backup", "b.tar.gz"), ("move-database", "--to", "sqlite:///x.db")]
)
async def test_a_damaged_database_is_no_temporary_failure(
    arguments: tuple[str, ...], url: str, folder: Path, capsys: CapSys
) -> None:
    (folder / "bot.db").write_text(
        "a shopping list, and long enough to be taken for more than a header\n" * 3
    )
    assert await run(*arguments, DATABASE_URL=url) == 2
    assert capsys.readouterr().err == (
        f"{folder}/bot.db is not a SQLite database, or it is damaged. Name another file in DATABASE_URL, or "
        "restore a backup.\n"
    )


async def test_a_server_that_does_not_answer_is_named_in_words(
    url: str, folder: Path, capsys: CapSys
) -> None:
    socket = "postgresql://bot@/bot?host=/nowhere"
    for code, setting, source, arguments in (
        (1, "DATABASE_URL", socket, ("backup", "b.tar.gz")),
        (1, "DATABASE_URL", socket, ("move-database", "--to", url)),
        (1, "the target's URL", url, ("move-database", "--to", socket)),
    ):
        assert await run(*arguments, DATABASE_URL=source) == code
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


async def test_a_client_without_the_gateway_logs_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    RestClient(Metrics(lambda: 0.0).discord_trace())
    assert not [record for record in caplog.records if record.levelname == "WARNING"]
