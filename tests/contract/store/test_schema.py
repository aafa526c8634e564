"""The schema's history leads to the tables as the code knows them, and back."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, inspect, text

from bot.errors import StartupError
from bot.store import Store
from bot.store.schema import alembic_config
from bot.store.tables import metadata
from tests.contract.store.conftest import Stores
from tests.contract.store.scenes import accepted, fetch


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
    with pytest.raises(StartupError, match="database can't be opened") as caught:
        await opening.open(url)
    assert "hunter2secret" not in str(caught.value)
