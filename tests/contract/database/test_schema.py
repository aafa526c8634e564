"""Opening a database creates the tables, keeps the rows, and refuses what isn't suitable."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import Connection, event, inspect, make_url, text

from bot.database.schema import alembic_config
from bot.domain.errors import StartLater, StartupError
from bot.domain.messages import Attempt, MessageRef
from bot.domain.runs import RunState
from bot.effects import Effects
from bot.store import Store
from tests.contract.conftest import Stores
from tests.contract.store.runs import NOW, SOON, accepted, brought_to, claimed, fetch, part_of
from tests.databases import PostgresServer


@pytest.fixture
def url(empty_url: str) -> str:
    return empty_url


@pytest.mark.sqlite_only
async def test_a_full_disk_is_a_temporary_failure(url: str) -> None:
    store = Store(url, Effects())

    def leave_two_pages(driver: sqlite3.Connection, _: object) -> None:
        driver.execute("PRAGMA max_page_count=2")

    event.listen(store.database.engine, "connect", leave_two_pages)
    try:
        with pytest.raises(StartLater, match="full or broken"):
            await store.open()
    finally:
        await store.close()


@pytest.mark.sqlite_only
async def test_others_do_not_read_a_new_file(store: Store) -> None:
    assert store.database.file is not None
    assert store.database.file.stat().st_mode & 0o777 == 0o600


async def test_several_processes_may_open_an_empty_database_at_once(
    postgres: PostgresServer, opening: Stores
) -> None:
    url = await postgres.empty_database()
    *_, last = await asyncio.gather(*(opening.open(url, rules=None) for _ in range(4)))
    run = await accepted(await opening.open(url))
    assert await fetch(last, run.key) == run


async def test_the_schema_of_a_later_version_is_refused(store: Store, stores: Stores) -> None:
    await store.database.write(
        lambda connection: connection.execute(text("UPDATE alembic_version SET version_num = 'v9_0001'"))
    )
    with pytest.raises(StartupError, match="schema v9_0001, which this version of the bot doesn't know"):
        await stores.open()


@pytest.mark.parametrize(
    ("url", "raised", "sentence"),
    [
        ("sqlite:///{folder}/file/bot.db", StartupError, r"\(File exists\)\. Check DATABASE_URL, and that"),
        ("sqlite:///{folder}", StartupError, "folder can be written"),
        ("sqlite:///{folder}/file", StartupError, "not a SQLite database"),
        ("postgresql://bot:secret@127.0.0.1:9/bot", StartLater, r"reached \(Connection refused\)\."),
        ("postgresql://bot:secret@/bot?host=/nowhere", StartLater, r"reached \(No such file or directory\)"),
        ("postgresql://bot:secret@nobody.invalid/bot", StartLater, "the name can't be resolved"),
    ],
)
async def test_why_a_database_is_unusable_is_said_without_the_password(
    tmp_path: Path, opening: Stores, url: str, raised: type[StartupError], sentence: str
) -> None:
    picture = b"a picture, perhaps" * 500
    (tmp_path / "file").write_bytes(picture)
    with pytest.raises(StartupError, match=sentence) as caught:
        await opening.open(url.format(folder=tmp_path))
    assert type(caught.value) is raised
    assert "secret" not in str(caught.value)
    assert (tmp_path / "file").read_bytes() == picture


async def test_a_migration_has_no_lock_timeout(postgres: PostgresServer, opening: Stores) -> None:
    """A request gives up after two seconds; a new index on a large table must not."""
    store = await opening.open(await postgres.empty_database())
    shown = text("SHOW lock_timeout")
    assert await store.database.migrate(lambda connection: connection.scalar(shown)) == "0"
    assert await store.database.write(lambda connection: connection.scalar(shown)) == "2s"


async def test_a_server_that_is_too_old_is_refused(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.database.schema._OLDEST", {"sqlite": (99, 1), "postgresql": (99,)})
    with pytest.raises(StartupError, match=r"The database is \w+ [\d.]+, and the bot needs 99.* or newer"):
        await stores.open()


async def test_a_rejected_login_is_reported_as_such(postgres: PostgresServer, opening: Stores) -> None:
    there = make_url(await postgres.empty_database())
    for changed, sentence in (
        (there.set(username="stranger"), "rejects the user in DATABASE_URL"),
        (there.set(database="not_made_yet"), "doesn't have the database"),
    ):
        with pytest.raises(StartupError, match=sentence) as caught:
            await opening.open(changed.render_as_string(hide_password=False))
        assert not isinstance(caught.value, StartLater)
        assert "<class" not in str(caught.value)


async def test_tables_of_another_program_are_refused(opening: Stores, empty_url: str) -> None:
    before = await opening.open(empty_url)
    await before.database.write(lambda connection: connection.exec_driver_sql("DROP TABLE alembic_version"))
    with pytest.raises(StartupError, match="its own database"):
        await opening.open(empty_url)


async def test_messages_of_the_first_schema_keep_their_parts(store: Store) -> None:
    run = await brought_to(store, RunState.SUCCEEDED)
    claim = await claimed(store)
    part = part_of(claim, MessageRef(1, 2), files=('"form":.png', "form"))
    claim = claim.with_part(part).changed(attempt=Attempt(NOW, replace(part, index=1)))
    assert await store.messages.begin(claim, SOON)
    before = await store.messages.of_request(run.request_key)

    def there_and_back(connection: Connection) -> None:
        config = alembic_config()
        config.attributes["connection"] = connection
        command.downgrade(config, "v1_001")
        assert {"kind", "form"} <= {column["name"] for column in inspect(connection).get_columns("messages")}
        assert '"form": 0' in str(
            connection.scalar(text("SELECT CAST(posted AS TEXT) FROM messages WHERE kind = 'outcome'"))
        )
        command.upgrade(config, "head")

    await store.database.migrate(there_and_back)
    assert await store.messages.of_request(run.request_key) == before
