"""Migrations create the tables of the code, keep the rows, and refuse unsuitable databases."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import (
    JSON,
    Column,
    Connection,
    MetaData,
    Table,
    TypeDecorator,
    func,
    inspect,
    make_url,
    select,
    text,
)

from bot.database.column_types import UtcDateTime
from bot.database.schema import alembic_config
from bot.database.tables import metadata
from bot.domain.errors import StartLater, StartupError
from bot.domain.moderation.audit import AuditAction, AuditEntry, AuditFilter
from bot.domain.presets import Holder
from bot.outside import Outside
from bot.store import Store
from tests.contract.conftest import Stores
from tests.contract.store import batches
from tests.contract.store.rows import ALICE, BOB, GUILD, audit_log, stored_run
from tests.contract.store.runs import accepted, at, fetch, request, take
from tests.databases import PostgresServer
from tests.unit.factories import made_preset


@pytest.fixture
def url(empty_url: str) -> str:
    return empty_url


# SQLite's expression indexes can't be compared; the tests of the store show that theirs is used.
pytestmark = pytest.mark.filterwarnings("ignore:.*expression-based index")


def _config(connection: Connection) -> Config:
    config = alembic_config()
    config.attributes["connection"] = connection
    return config


def _differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(
        connection, opts={"compare_type": True, "compare_server_default": True}
    )
    return list(compare_metadata(context, metadata))


async def test_the_migrations_create_the_tables_of_the_code(store: Store) -> None:
    assert await store.database.write(_differences) == []


async def test_all_migrations_can_be_downgraded_and_repeated(store: Store) -> None:
    def down(connection: Connection) -> list[str]:
        command.downgrade(_config(connection), "base")
        return inspect(connection).get_table_names()

    assert await store.database.write(down) == ["alembic_version"]
    await store.open()
    assert await store.database.write(_differences) == []


async def test_reopening_keeps_the_rows(store: Store, stores: Stores) -> None:
    run = await accepted(store)
    await store.close()
    assert await fetch(await stores.open(), run.key) == run


async def test_several_processes_may_open_an_empty_database_at_once(stores: Stores) -> None:
    *_, last = await asyncio.gather(*(stores.open(rules=None) for _ in range(4)))
    run = await accepted(await stores.open())
    assert await fetch(last, run.key) == run


async def test_the_schema_of_a_later_version_is_refused(store: Store, stores: Stores) -> None:
    await store.database.write(
        lambda connection: connection.execute(text("UPDATE alembic_version SET version_num = '9999_later'"))
    )
    with pytest.raises(StartupError, match="schema 9999_later, which this version of the bot doesn't know"):
        await stores.open()


async def test_the_folder_of_the_file_is_created(tmp_path: Path, opening: Stores) -> None:
    await opening.open(f"sqlite:///{tmp_path}/a/b/bot.db")
    assert (tmp_path / "a" / "b" / "bot.db").is_file()


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("{folder}/file/bot.db", "Check DATABASE_URL, and that its folder can be written"),
        ("file:{folder}/empty.db?mode=ro&uri=true", "folder can be written"),
        ("{folder}/file", "not a SQLite database"),
    ],
    ids=["the folder can't be made", "read-only", "not a database"],
)
async def test_an_unusable_file_is_refused_with_a_sentence(
    tmp_path: Path, opening: Stores, address: str, sentence: str
) -> None:
    picture = b"a picture, perhaps" * 500
    (tmp_path / "file").write_bytes(picture)
    (tmp_path / "empty.db").touch()
    with pytest.raises(StartupError, match=sentence):
        await opening.open(f"sqlite:///{address.format(folder=tmp_path)}")
    assert (tmp_path / "file").read_bytes() == picture


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://bot:hunter2secret@127.0.0.1:9/bot",
        "postgresql://bot:hunter2secret@/bot?host=/nowhere",
        "postgresql://bot:hunter2secret@nobody.invalid/bot",
    ],
)
async def test_an_unreachable_server_is_reported_without_the_password(opening: Stores, url: str) -> None:
    with pytest.raises(StartLater, match="PostgreSQL can't be reached") as caught:
        await opening.open(url)
    assert "hunter2secret" not in str(caught.value)


FIRST_SCHEMA = ScriptDirectory.from_config(alembic_config()).get_base()
# Values for the columns that have to hold something readable; other columns get any value of their type.
VALUES: dict[str, object] = {
    "key": "abcdefgh12345678",
    "run_key": "abcdefgh12345678",
    "batch_key": "abcdefgh12345678",
    "state": "succeeded",
    "inputs": {"prompt": "a fox"},
    "outputs": [
        {"kind": "images", "url": "https://outputs.example/a.png", "filename": "a.png", "text": None}
    ],
    "messages": [[1, 2]],
    "earlier_messages": [[1, 1]],
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
    if isinstance(column.type, JSON):
        return {}
    naive = datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None)
    made: dict[type, object] = {int: 1, float: 1.0, bool: False, str: "x", datetime: naive}
    kind = column.type.impl_instance if isinstance(column.type, TypeDecorator) else column.type
    return made[kind.python_type]


def _fill_first_schema(connection: Connection) -> list[str]:
    """Create the first schema with a row in every table, and return the tables' names."""
    command.upgrade(_config(connection), str(FIRST_SCHEMA))
    reflected = MetaData()
    reflected.reflect(connection)
    tables = [table for table in reflected.sorted_tables if table.name != "alembic_version"]
    for table in tables:
        # SQLite doesn't reflect every type, so columns that still exist have the code's.
        known = metadata.tables.get(table.name, table)
        types = {column.name: column.type for column in (*table.columns, *known.columns)}
        writable = Table(table.name, MetaData(), *(Column(c.name, types[c.name]) for c in table.columns))
        connection.execute(writable.insert().values({c.name: _value(c) for c in writable.columns}))
    return [table.name for table in tables]


async def test_a_filled_database_of_the_first_schema_is_upgraded(stores: Stores) -> None:
    """Every later migration runs here on rows, on both databases."""
    before = Store(stores.url, Outside())
    tables = await before.database.write(_fill_first_schema)
    await before.close()
    store = await stores.open(rules=None)

    def work(connection: Connection) -> Any:
        assert _differences(connection) == []
        for table in tables:
            assert connection.scalar(select(func.count()).select_from(text(table))) == 1, table

    await store.database.write(work)
    run = await store.runs.get(str(VALUES["key"]))
    assert run is not None
    assert (run.inputs, run.outputs[0].filename) == (VALUES["inputs"], "a.png")
    assert (run.partial, run.failure_log, run.outputs_since) == (False, None, None)
    assert not run.channel_age_restricted


async def test_the_upgrade_marks_the_runs_that_were_erased_before_it(store: Store) -> None:
    """0010: the audit log knows when; a request of today without inputs still has its requester's roles."""
    emptied = {"inputs": {}, "prompt": None, "seed": None, "ended_at": at(10)}
    for seconds in (5, 20, 30):
        erasure = {"action": AuditAction.PRIVACY, "actor_id": ALICE, "subject_id": ALICE}
        await store.audit.add(AuditEntry(at=at(seconds), guild_id=None, **erasure))
    recorded = await stored_run(store, **emptied, outputs=[])
    unrecorded = await stored_run(store, **emptied, person=BOB)
    for more in ({"requester_roles": []}, {"prompt": "a fox"}, {"seed": 7}, {"inputs": {"width": 512}}):
        await stored_run(store, **{**emptied, **more})
    await store.database.write(lambda c: command.downgrade(_config(c), "0009_durations"))
    await store.open()
    found = {
        run.key: run.erased_at
        for person in (ALICE, BOB)
        async for runs in store.privacy.runs_of(person)
        for run in runs
    }
    assert {key: when for key, when in found.items() if when is not None} == {
        recorded: at(20),
        unrecorded: at(10),
    }
    assert len(found) == 6


async def test_the_upgrade_lists_earlier_batches_once(store: Store) -> None:
    """0011: only entries about all runs of a batch get its key, and channel defaults keep their preset."""
    batch = await batches.accepted(store, 3)
    await accepted(store, now=at(1))
    for number, run in enumerate(batch):
        assert await take(store, at(2)) is not None
        await batches.ended(store, run, now=at(3 + number))
    await store.reviews.report(batch[0].key, BOB, 9, at(9))
    await store.presets.put(made_preset(holder=Holder.SERVER, holder_id=GUILD), at(9))
    await store.presets.set_default(GUILD, 5, "noir", by=ALICE, now=at(9))
    filled = [entry.batch_key for entry in await audit_log(store)]
    page = await store.audit.page(GUILD, AuditFilter(), 10)
    await store.database.write(lambda c: command.downgrade(_config(c), "0010_erased_at"))
    await store.open()
    assert [entry.batch_key for entry in await audit_log(store)] == filled
    assert await store.audit.page(GUILD, AuditFilter(), 10) == page
    assert [line.count for line in page.lines] == [1, 1, 1, 3, 1, 3]
    (default,) = await store.presets.channel_defaults(GUILD)
    assert (default.preset.name, default.set_by, default.set_at) == ("noir", None, None)


async def test_the_upgrade_takes_the_channels_of_earlier_runs_for_unrestricted(store: Store) -> None:
    """0013: nobody knows what they were; the rest of a row stays."""
    origin = request().origin.model_copy(update={"age_restricted": True})
    before = await accepted(store, origin=origin)
    assert before.channel_age_restricted
    await store.database.write(lambda c: command.downgrade(_config(c), "0012_deleted_copies"))
    await store.open()
    assert await fetch(store, before.key) == replace(before, channel_age_restricted=False)
    assert (await accepted(store, origin=origin)).channel_age_restricted


@pytest.mark.parametrize("schema", ["0001", "0009"])
async def test_a_discontinued_schema_is_refused(stores: Stores, schema: str) -> None:
    before = Store(stores.url, Outside())

    def work(connection: Connection) -> Any:
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"))
        connection.execute(text("INSERT INTO alembic_version VALUES (:schema)"), {"schema": schema})

    await before.database.write(work)
    await before.close()
    sentence = f"has the schema {schema} of a development version.*Name a new database in DATABASE_URL"
    with pytest.raises(StartupError, match=sentence):
        await stores.open()


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


async def test_a_failed_migration_is_rolled_back(store: Store) -> None:
    def fail_halfway(connection: Connection) -> None:
        connection.execute(text("CREATE TABLE halfway (n INTEGER)"))
        raise LookupError("halfway")

    with pytest.raises(LookupError):
        await store.database.migrate(fail_halfway)
    await store.open()
    tables = await store.database.read(lambda connection: inspect(connection).get_table_names())
    assert "halfway" not in tables
    assert "runs" in tables
    if store.database.is_sqlite:
        keys = text("PRAGMA foreign_keys")
        assert await store.database.write(lambda connection: connection.scalar(keys)) == 1
