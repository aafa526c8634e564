"""The schema's history leads to the tables as the code knows them, and back."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Column, Connection, MetaData, Table, func, inspect, make_url, select, text

from bot.database.schema import alembic_config
from bot.database.tables import UtcDateTime, metadata
from bot.domain.errors import StartLater, StartupError
from bot.store import Store
from tests.contract.conftest import Stores
from tests.contract.store.runs import accepted, fetch
from tests.databases import PostgresServer


@pytest.fixture
def url(empty_url: str) -> str:
    return empty_url


def _differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(
        connection, opts={"compare_type": True, "compare_server_default": True}
    )
    return list(compare_metadata(context, metadata))


async def test_the_migrations_lead_to_the_tables_of_the_code(store: Store) -> None:
    async with store.database.write() as connection:
        assert await connection.run_sync(_differences) == []


async def test_the_whole_history_can_be_taken_back_and_made_again(store: Store) -> None:
    def down(connection: Connection) -> list[str]:
        config = alembic_config()
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
        return inspect(connection).get_table_names()

    async with store.database.write() as connection:
        assert await connection.run_sync(down) == ["alembic_version"]
    await store.open()
    async with store.database.write() as connection:
        assert await connection.run_sync(_differences) == []


async def test_opening_again_keeps_everything(store: Store, stores: Stores) -> None:
    run = await accepted(store)
    await store.close()
    assert await fetch(await stores.open(), run.key) == run


async def test_several_processes_may_open_an_empty_database_at_once(stores: Stores) -> None:
    opened = await asyncio.gather(*(stores.open() for _ in range(4)))
    run = await accepted(opened[0])
    assert await fetch(opened[3], run.key) == run


async def test_the_schema_of_a_later_version_is_refused_in_words(store: Store, stores: Stores) -> None:
    async with store.database.write() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StartupError, match="schema 9999, which this version of the bot doesn't know"):
        await stores.open()


async def test_a_folder_is_made_for_the_file(tmp_path: Path, opening: Stores) -> None:
    await opening.open(f"sqlite+aiosqlite:///{tmp_path}/a/b/bot.db")
    assert (tmp_path / "a" / "b" / "bot.db").is_file()


async def test_a_folder_that_cannot_be_made_is_told_in_words(tmp_path: Path, opening: Stores) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StartupError, match="Check DATABASE_URL, and that its folder can be written"):
        await opening.open(f"sqlite+aiosqlite:///{tmp_path}/file/bot.db")


async def test_a_database_that_cannot_be_written_is_told_in_words(tmp_path: Path, opening: Stores) -> None:
    (tmp_path / "bot.db").touch()
    read_only = f"sqlite+aiosqlite:///file:{tmp_path}/bot.db?mode=ro&uri=true"
    with pytest.raises(StartupError, match="folder can be written"):
        await opening.open(read_only)


async def test_a_file_that_is_no_database_is_told_in_words(tmp_path: Path, opening: Stores) -> None:
    (tmp_path / "bot.db").write_bytes(b"a picture, perhaps" * 500)
    with pytest.raises(StartupError, match="not a database"):
        await opening.open(f"sqlite+aiosqlite:///{tmp_path}/bot.db")
    assert (tmp_path / "bot.db").read_bytes().startswith(b"a picture")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+asyncpg://bot:hunter2secret@127.0.0.1:9/bot",
        "postgresql+asyncpg://bot:hunter2secret@/bot?host=/nowhere",
        "postgresql+asyncpg://bot:hunter2secret@nobody.invalid/bot",
    ],
)
async def test_a_server_that_is_not_there_is_told_in_words_without_the_password(
    opening: Stores, url: str
) -> None:
    with pytest.raises(StartLater, match="PostgreSQL can't be reached") as caught:
        await opening.open(url)
    assert "hunter2secret" not in str(caught.value)


REVISIONS = [step.revision for step in ScriptDirectory.from_config(alembic_config()).walk_revisions()][::-1]
# What a row has to hold to be read again; other columns get something of their type.
VALUES: dict[str, object] = {
    "key": "abcdefgh12345678",
    "run_key": "abcdefgh12345678",
    "state": "succeeded",
    "inputs": {"prompt": "a fox"},
    "outputs": [],
    "messages": [[1, 2]],
    "failure_params": {},
    "rules": {},
    "details": {},
    "purpose": "o",
    "holder": "p",
}


def _value(column: Column[Any]) -> object:
    if column.name in VALUES:
        return VALUES[column.name]
    if isinstance(column.type, UtcDateTime):
        return datetime(2026, 1, 1, tzinfo=UTC)
    made: dict[type, object] = {int: 1, float: 1.0, bool: False, str: "x"}
    return made[column.type.python_type]


def _fill(connection: Connection, revision: str) -> dict[str, int]:
    """The schema of an earlier version with a row in every table; returns how many rows each has."""
    config = alembic_config()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
    there = MetaData()
    there.reflect(connection)
    counts = {}
    for table in there.sorted_tables:
        if table.name == "alembic_version":
            continue
        # Reflected, SQLite's columns do not tell that they hold JSON or times as the code has them.
        known = metadata.tables.get(table.name)
        columns = [known.c[c.name] if known is not None and c.name in known.c else c for c in table.columns]
        row = {c.name: _value(c) for c in columns if not c.nullable}
        here = Table(table.name, MetaData(), *(Column(c.name, c.type) for c in columns))
        connection.execute(here.insert().values(row))
        counts[table.name] = 1
    return counts


@pytest.mark.parametrize("revision", REVISIONS)
async def test_rows_of_every_earlier_schema_are_there_after_the_upgrade(
    stores: Stores, revision: str
) -> None:
    before = Store(stores.url)
    async with before.database.write() as connection:
        counts = await connection.run_sync(_fill, revision)
    await before.close()
    store = await stores.open(rules=None)
    async with store.database.write() as connection:
        assert await connection.run_sync(_differences) == []
        for table, many in counts.items():
            assert await connection.scalar(select(func.count()).select_from(text(table))) == many, table
    run = await store.runs.get(str(VALUES["key"]))
    assert run is not None
    assert run.inputs == VALUES["inputs"]


async def test_a_migration_may_take_its_time(postgres: PostgresServer, opening: Stores) -> None:
    """What somebody waits for gives up after two seconds; a new index on a big table must not."""
    store = await opening.open(await postgres.empty_database())
    async with store.database.changing_schema() as connection:
        assert await connection.scalar(text("SHOW lock_timeout")) == "0"
    async with store.database.write() as connection:
        assert await connection.scalar(text("SHOW lock_timeout")) == "2s"


async def test_a_server_that_is_too_old_is_told_in_words(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.database.schema._OLDEST", {"sqlite": (99, 1), "postgresql": (99,)})
    with pytest.raises(StartupError, match=r"The database is \w+ [\d.]+, and the bot needs 99.* or newer"):
        await stores.open()


async def test_a_server_that_turns_the_bot_away_is_told_apart(
    postgres: PostgresServer, opening: Stores
) -> None:
    there = make_url(await postgres.empty_database())
    for changed, sentence in (
        (there.set(username="stranger"), "turns the user of DATABASE_URL away"),
        (there.set(database="not_made_yet"), "doesn't have the database"),
    ):
        with pytest.raises(StartupError, match=sentence) as caught:
            await opening.open(changed.render_as_string(hide_password=False))
        assert not isinstance(caught.value, StartLater)
        assert "<class" not in str(caught.value)


async def test_tables_of_another_program_are_left_alone(opening: Stores, empty_url: str) -> None:
    before = await opening.open(empty_url)
    async with before.database.write() as connection:
        await connection.exec_driver_sql("DROP TABLE alembic_version")
    with pytest.raises(StartupError, match="a database of its own"):
        await opening.open(empty_url)


async def test_a_migration_that_is_broken_off_leaves_nothing(store: Store) -> None:
    """As by a stop during the start: what it did is taken back, and whoever comes next finds all in order."""
    already_sent = asyncio.Event()
    count = (
        "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {}) SELECT max(n) FROM s"
    )

    async def migrate() -> None:
        async with store.database.changing_schema() as connection:
            await connection.execute(text("CREATE TABLE halfway (n INTEGER)"))
            already_sent.set()
            await connection.execute(text(count.format(3_000_000)))

    migration = asyncio.create_task(migrate())
    await already_sent.wait()
    migration.cancel()
    with pytest.raises(asyncio.CancelledError):
        await migration
    await store.open()
    async with store.database.read() as connection:
        tables = await connection.run_sync(lambda c: inspect(c).get_table_names())
        assert "halfway" not in tables
        assert "runs" in tables
        if store.database.is_sqlite:
            assert await connection.scalar(text("PRAGMA foreign_keys")) == 1
