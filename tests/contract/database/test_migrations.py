"""Databases of other versions are brought up to date, or a sentence says why not.

`tests/samples/schema/` has the tables of each released schema, and a backup with rows of each table. They are
never changed; `WRITE_SNAPSHOTS=1` writes the tables of a new schema.
"""

from __future__ import annotations

import asyncio
import gzip
import io
import os
import re
import resource
import shutil
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_mock_engine, text

from bot import cli
from bot.database.schema import NEWEST, alembic_config, create_tables, schema_of
from bot.database.tables import metadata, usage
from bot.domain.errors import StartLater, StartupError
from bot.domain.runs import RunState
from bot.effects import Effects
from bot.ops.backups import back_up, backup, export, load
from bot.ops.check import inspect_database
from bot.ops.restore import restore
from bot.store import Store
from tests.contract.conftest import Stores
from tests.contract.database.test_dump import rows_in, settings_of
from tests.contract.store.runs import NOW, accepted
from tests.databases import Database, sqlite_url
from tests.logs import own_logging

SAMPLES = Path(__file__).parents[2] / "samples" / "schema"
CHANGELOG = Path(__file__).parents[3] / "CHANGELOG.md"
RELEASED = sorted(file.stem for file in SAMPLES.glob("*.jsonl"))
Definitions = tuple[list[object], list[str]]
# SQLite's expression indexes can't be compared as objects, but their statements can.
pytestmark = pytest.mark.filterwarnings("ignore:.*expression-based index")


def statements_of(dialect: str) -> str:
    """Return what creates the tables of this version."""
    said: list[str] = []

    def compiled(statement: Any, *_: object) -> None:
        text = str(statement.compile(dialect=engine.dialect, compile_kwargs={"literal_binds": True}))
        said.append(re.sub(r"\s*\n", "\n", text.strip()) + ";\n")

    engine: Any = create_mock_engine(f"{dialect}://", compiled)
    create_tables(engine.connect())
    return "".join(said)


async def changed(url: str, statements: str, work: Callable[[Connection], object] = bool) -> Any:
    """Execute statements in a transaction, then a function, and return its result."""
    database = Database(url)

    def change(connection: Connection) -> object:
        for statement in filter(str.strip, statements.split(";")):
            connection.exec_driver_sql(statement)
        return work(connection)

    try:
        return await database.write(change)
    finally:
        await database.close()


def definitions(connection: Connection) -> Definitions:
    """Return how the tables differ from those of the code, and the definitions of the indexes."""
    options = {"compare_type": True, "compare_server_default": True}
    unlike = compare_metadata(MigrationContext.configure(connection, opts=options), metadata)
    query = "SELECT sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    if connection.dialect.name == "postgresql":
        query = "SELECT indexdef FROM pg_indexes WHERE tablename IN (SELECT relname FROM pg_stat_user_tables)"
    indexes = connection.scalars(text(query))
    return list(unlike), sorted(re.sub(r"[\s\"]+", " ", each) for each in indexes)


def test_each_released_schema_has_its_samples() -> None:
    """A released schema is frozen; what changes its tables afterwards needs a migration."""
    if os.environ.get("WRITE_SNAPSHOTS"):
        for dialect in ("sqlite", "postgresql"):
            if not (file := SAMPLES / f"{NEWEST}.{dialect}.sql").exists():
                file.write_text(statements_of(dialect), encoding="utf-8")
    released = re.split(r"\n## (?=\d)", CHANGELOG.read_text(encoding="utf-8"), maxsplit=1)[1]
    assert sorted(set(re.findall(r"`(v\d+_\d+)`", released))) == RELEASED
    steps = [step.revision for step in ScriptDirectory.from_config(alembic_config()).walk_revisions()]
    assert steps[0] == NEWEST
    assert {*RELEASED} <= {*steps}


@pytest.fixture
async def expected(empty_url: str, opening: Stores) -> Definitions:
    """Return the definitions of a new database."""
    new = await opening.open(f"{empty_url}.new" if empty_url.startswith("sqlite") else empty_url, rules=None)
    found = await new.database.write(definitions)
    if not new.database.is_sqlite:
        await changed(empty_url, f"DROP TABLE {', '.join([*metadata.tables, 'alembic_version'])}")
    assert found[0] == []
    return found


@pytest.mark.parametrize("schema", RELEASED)
async def test_a_released_database_becomes_that_of_the_code_and_keeps_its_rows(
    schema: str, dialect: str, empty_url: str, opening: Stores, expected: Definitions, tmp_path: Path
) -> None:
    rows = (SAMPLES / f"{schema}.jsonl").read_bytes()
    file, count = tmp_path / "rows.jsonl.gz", rows.count(b"\n") - 2
    file.write_bytes(gzip.compress(rows))
    made = (SAMPLES / f"{schema}.{dialect}.sql").read_text(encoding="utf-8")
    await changed(empty_url, made, lambda connection: load(connection, file, count))
    upgraded = await opening.open(empty_url, rules=None)
    assert await upgraded.database.write(definitions) == expected
    assert sum(map(len, (await rows_in(empty_url)).values())) == count
    # The bot goes on with the requests of the old version, and takes new ones.
    await upgraded.runs.finish("waiting0", RunState.REFUSED, NOW, code="internal")
    await accepted(upgraded)


MIGRATION = """
from alembic import op

revision, down_revision, destructive = {}, {}, False
branch_labels = depends_on = None

def upgrade():
"""
CHANGES = """
    op.alter_column("runs", "gpu_wanted", new_column_name="expected_gpu")
    op.alter_column("usage", "who", new_column_name="person_id")
    op.drop_column("presets", "legacy")
    with op.batch_alter_table("blocks") as batch:
        batch.alter_column("reason", nullable=True)
"""
ROW = "ALTER TABLE presets ADD COLUMN legacy TEXT; INSERT INTO usage VALUES ('2026-05-04', 1, 2, 3, 4, 5, 6)"
MakeOld = Callable[..., Awaitable[str]]


@pytest.fixture
def old(empty_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeOld:
    """Return a function that makes a database with a row, one migration older, and plants the migration."""

    async def make(changes: str = CHANGES, migration: str = MIGRATION) -> str:
        planted, base = tmp_path / "migrations", "'v0_999'"
        shutil.copytree(alembic_config().get_main_option("script_location") or "", planted)
        for file in (planted / "versions").glob("v*.py"):
            file.unlink()
        (planted / "versions" / "older.py").write_text(migration.format(base, None) + "    pass\n")
        (planted / "versions" / "newer.py").write_text(migration.format(f"'{NEWEST}'", base) + changes)
        monkeypatch.setattr("bot.database.schema._MIGRATIONS", planted)
        older = statements_of(empty_url.partition(":")[0]).replace(NEWEST, "v0_999")
        older = older.replace("expected_gpu", "gpu_wanted").replace("reason TEXT", "reason TEXT NOT NULL")
        await changed(empty_url, re.sub(r"\bperson_id\b", "who", older) + ROW)
        return empty_url

    return make


def copies(folder: Path) -> list[Path]:
    return sorted(folder.glob("*before-migration*"))


async def test_of_several_processes_one_migrates_and_the_others_wait(
    old: MakeOld, tmp_path: Path, opening: Stores, expected: Definitions, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "bot.database.schema")
    url = await old()
    stamps = [f"bot.db.before-migration-2020010{day}-000000" for day in range(1, 5)]
    for name in stamps:
        (tmp_path / name).touch()
    found = await asyncio.gather(*(opening.open(url, rules=None) for _ in range(4)))
    assert await found[0].database.write(definitions) == expected
    assert [row["person_id"] for row in (await rows_in(url))[usage]] == [2]
    *said, last = [record.getMessage() for record in caplog.records]
    assert last == f"migrated the database from v0_999 to {NEWEST}"
    if found[0].database.is_sqlite:
        *kept, copy = copies(tmp_path)
        assert [each.name for each in kept] == stamps[2:]
        assert said == [f"copied the database to {copy} before its migration; the last 3 copies are kept"]
        assert copy.stat().st_mode & 0o777 == 0o600
        who = text("SELECT who FROM usage")
        assert await changed(sqlite_url(copy), "", lambda connection: connection.scalar(who)) == 2


async def test_a_migration_that_fails_changes_nothing(old: MakeOld, tmp_path: Path) -> None:
    url = await old(f'{CHANGES}    op.drop_table("nowhere")\n')
    store = Store(url, Effects())
    for _ in range(2):
        with pytest.raises(StartupError, match="nowhere"):
            await store.open()
        assert await changed(url, "", schema_of) == "v0_999"
    assert copies(tmp_path) == []  # a start in a loop leaves the copies of earlier migrations alone
    if store.database.is_sqlite:
        keys = text("PRAGMA foreign_keys")
        assert await store.database.write(lambda connection: connection.scalar(keys)) == 1
    await store.close()


@pytest.mark.sqlite_only
@pytest.mark.parametrize(
    ("share", "told"),
    [
        (0.5, r"copied to .*\. Free 1 MB there, and start again: nothing was"),
        (1, "disk of .* is full or broken"),
    ],
)
async def test_a_disk_that_is_too_full_for_a_copy_or_for_the_commit_leaves_all_as_it_was(
    share: float, told: str, old: MakeOld, tmp_path: Path, opening: Stores, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "bot.database.schema")
    url = await old(f'{CHANGES}    op.execute("CREATE TABLE large AS SELECT zeroblob(300000)")\n')
    kept = tmp_path / "bot.db.before-migration-20200101-000000"
    kept.touch()
    limits, size = resource.getrlimit(resource.RLIMIT_FSIZE), (tmp_path / "bot.db").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(size * share), limits[1]))  # files stop growing there
    try:
        with pytest.raises(StartLater, match=told):
            await opening.open(url)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (await changed(url, "", schema_of), copies(tmp_path), caplog.messages) == ("v0_999", [kept], [])
    kept.unlink()
    await opening.open(url)
    assert (await changed(url, "", schema_of), len(copies(tmp_path))) == (NEWEST, 1)


async def run(*arguments: str, url: str) -> int:
    with own_logging():
        return await cli.main(arguments, {"DATABASE_URL": url}, Effects())


async def test_a_destructive_migration_is_refused_on_postgresql_until_it_is_told(
    old: MakeOld, dialect: str, tmp_path: Path, opening: Stores, capsys: pytest.CaptureFixture[str]
) -> None:
    url = await old(migration=MIGRATION.replace("False", "True"))
    if dialect == "postgresql":
        refused = "The database has the schema v0_999, and its migration deletes data. Stop the bot, back up"
        with pytest.raises(StartupError, match=refused):
            await opening.open(url)
        store = Store(url, Effects())
        assert "its migration deletes data." in (await inspect_database(store))[0].summary
        await store.close()
        assert await run("backup", str(tmp_path / "old.jsonl.gz"), url=url) == 0
        assert (await run("migrate", url=url), await changed(url, "", schema_of)) == (2, "v0_999")
        assert refused in capsys.readouterr().err
    assert await run("migrate", "--destructive", url=url) == 0
    assert f"The database has the schema {NEWEST}, up to date." in capsys.readouterr().out
    await opening.open(url)


RETYPED = "ALTER TABLE presets DROP COLUMN gpu; ALTER TABLE presets ADD COLUMN gpu"
UNRELEASED = {
    "requests.run_timeout is missing.": "ALTER TABLE requests DROP COLUMN run_timeout",
    "requests.run_timeout is missing (1 more).": "ALTER TABLE requests RENAME run_timeout TO timeout_s",
    "key_values.by_whom is unknown.": "ALTER TABLE key_values ADD COLUMN by_whom TEXT",
    "presets.gpu is INTEGER, not TEXT.": f"{RETYPED} INTEGER",
    "presets.gpu is TEXT NOT NULL, not TEXT.": f"{RETYPED} TEXT NOT NULL DEFAULT ''",
    "the index requests_interaction is missing.": "DROP INDEX requests_interaction",
    "queues.deployment is missing (4 more).": "DROP TABLE queues; DROP INDEX presets_name",
}


@pytest.mark.parametrize("difference", UNRELEASED)
async def test_a_database_of_an_unreleased_version_is_told_apart_and_replaced(
    difference: str, url: str, store: Store, stores: Stores, tmp_path: Path
) -> None:
    await accepted(store)
    before, settings, said = await rows_in(url), settings_of(url), io.StringIO()
    sound, other = tmp_path / "sound.jsonl.gz", tmp_path / "other.jsonl.gz"
    await back_up(store.database, sound, NOW, stopped=True)
    await store.key_values.put("name", "value")
    await store.close()
    await changed(url, UNRELEASED[difference])
    sentence = f"was made by an unreleased version: {difference}"
    commands = partial(backup, settings, Effects(), other, said), partial(export, settings, Effects(), said)
    for failing in (stores.open, *commands):
        with pytest.raises(StartupError, match=f"^The database {re.escape(sentence)} Use that"):
            await failing()
    assert sentence in (await inspect_database(store))[0].summary
    await back_up(store.database, other, NOW)  # as the unreleased version does
    await store.close()
    if "requests." in difference or "key_values." in difference:
        with pytest.raises(StartupError, match=f"other.jsonl.gz {re.escape(sentence)} Use it with that"):
            await restore(settings, Effects(), other, said)
    assert await restore(settings, Effects(), sound, said, is_moved=True) == 0
    assert await rows_in(url) == before
    await stores.open(rules=None)
