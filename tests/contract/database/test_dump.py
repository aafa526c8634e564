"""Backups, restoring them, and moving to another database, also by processes that are killed on the way."""

from __future__ import annotations

import asyncio
import errno
import io
import os
import sqlite3
import sys
import tarfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import Connection, insert, inspect, text

from bot.config.settings import Settings
from bot.context import App, FormDrafts
from bot.database.rows import insert_rows, new_row
from bot.database.tables import audit, messages, requests, runs
from bot.domain.errors import StartupError
from bot.domain.messages.records import Kind
from bot.domain.runs import RunState
from bot.metrics import Metrics
from bot.ops.backups import DailyBackup, back_up_before_migration, backup, claim
from bot.ops.dump import MANIFEST, BackupError, Manifest, back_up, load, verify
from bot.ops.restore import move_database, restore
from bot.outside import Outside
from bot.services import privacy
from bot.store import Store
from bot.workers.worker import Later
from tests.contract.conftest import Stores
from tests.contract.store.changes import Rows, changes, read_all, wrapped
from tests.contract.store.operations import arrange
from tests.contract.store.rows import ALICE, BOB, GUILD, MOD, run_keys, stored_run
from tests.contract.store.runs import NOW, SUCCESS, accepted, fetch, owed, request
from tests.databases import Database, PostgresServer, sqlite_url
from tests.unit.factories import app_with

ROWS = 10_000
UUID = "11111111-2222-3333-4444-555555555555"
# What a restore changes: what waited is told, and nothing is posted or done twice.
SETTLED = """
    answer of batch0: wanted_rev+1 shown_rev+1
    answer of cancelled0, answer of running0: shown_rev+2
    answer of single0: shown_rev+1
    audit outcome: new guild_id=5 subject_id=7 run_key=wan0 deployment=wan outcome=refused
    audit outcome: new run_key=batch0 outcome=refused details={'runs': 2, 'results': '0 of 2'}
    audit outcome: new run_key=cancelled0 outcome=unconfirmed
    audit outcome: new run_key=review0 outcome=refused
    audit outcome: new run_key=running0 outcome=unconfirmed details={'runs': 2, 'results': '0 of 2'}
    audit outcome: new run_key=single0 outcome=unconfirmed
    audit outcome: new run_key=submitting0 outcome=unconfirmed
    audit outcome: new run_key=waiting0 outcome=refused
    key_value synced:1:all: value=
    outcome of batch0: new channel_id=514
    outcome of cancelled0: new shown_rev=1 channel_id=923
    outcome of checked0: shown_rev+1 offered=True
    outcome of posting0: shown_rev+1 attempt=None offered=True
    outcome of review0: new channel_id=658
    outcome of running0: new shown_rev=1 channel_id=769
    outcome of single0: new shown_rev=1 channel_id=642
    outcome of submitting0: new shown_rev=1 channel_id=1094
    outcome of waiting0: new channel_id=755
    outcome of wan0: new channel_id=326
    request checked0, request posting0: lease_owner=None lease_until=None
    review of review0: wanted_rev+1
    run batch0, run batch1, run waiting0, run wan0: state=refused queue_tag=0 ended_at=0s
        failure_code=restored charged_seconds=0.0 counts_as_run=False due_at=None
    run cancelled0, run running0, run running1, run single0, run submitting0: state=unconfirmed
        ended_at=0s failure_code=restored_in_flight due_at=None
    run checked0, run done0, run done1, run held0, run late0, run late1, run offered0, run old0, run
        posting0: due_at=None
    run review0: state=refused ended_at=0s failure_code=restored due_at=None
    usage of 7 +0d: runs-1 seconds-60 weighted_seconds-60
    usage of the person +0d: runs-2 seconds-40 weighted_seconds-40
    usage of the person -1d: runs-1 seconds-20 weighted_seconds-20
"""


def settings_of(url: str, **more: Any) -> Settings:
    given = {"discord_token": "t", "comfydeploy_api_key": "k", "comfydeploy_deployment_id": UUID}
    return Settings.model_validate({**given, "database_url": url, **more})


async def fill(store: Store, rows: int = 60) -> None:
    """Insert requests, each with a run, an outcome and an audit entry."""
    batch = [request(created_at=NOW + timedelta(seconds=n), seed=n) for n in range(rows // 4)]
    more = {"state": RunState.SUCCEEDED, "run_duration": 0.1 + 0.2, "submitted_at": NOW, "run_id": "é ✓"}
    outcome = {"kind": Kind.OUTCOME, "number": 0, "shown_rev": 1, "posted": (), "stale": ()}
    entry = {"at": NOW, "guild_id": GUILD, "action": "outcome", "details": {"note": "a\nb", "n": [1.5, None]}}

    def work(connection: Connection) -> None:
        insert_rows(connection, [new_row(run) | more for run in batch])
        rows = [{"request_key": run.key, **outcome, "due_at": NOW, "since": NOW} for run in batch]
        connection.execute(insert(messages), rows)
        connection.execute(insert(audit), [{**entry, "subject_id": ALICE, "actor_id": None} for _ in batch])

    await store.database.write(work)


async def rows_in(url: str) -> Rows:
    store = Store(url, Outside())
    try:
        return await store.database.read(read_all)
    finally:
        await store.close()


async def backed_up(store: Store, folder: Path) -> Path:
    await back_up(store.database, folder / "backup.tar.gz", NOW)
    return folder / "backup.tar.gz"


async def restored(url: str, file: Path, **more: Any) -> str:
    """Restore a backup over a database that is closed, and return what the command said."""
    said = io.StringIO()
    assert await restore(settings_of(url, **more), Outside(now=lambda: NOW), file, said) == 0
    return said.getvalue()


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


async def test_a_restore_brings_back_every_row_and_repeats_nothing(
    store: Store, url: str, tmp_path: Path, stores: Stores
) -> None:
    await arrange(store)
    await store.key_values.put("synced:1:all", "known")
    before, said = await rows_in(url), io.StringIO()
    file = tmp_path / "backup.tar.gz"
    assert await backup(settings_of(url), Outside(), file, said) == 0
    assert file.stat().st_mode & 0o777 == 0o600
    assert f"Wrote {verify(file).rows} rows to {file}" in said.getvalue()
    with pytest.raises(StartupError, match="exists"):
        await backup(settings_of(url), Outside(), file, said)
    later, is_file = await accepted(store), store.database.is_sqlite
    old = await rows_in(url)
    await store.close()
    told = await restored(url, file)
    assert wrapped(changes(before, await rows_in(url))) == SETTLED.lstrip("\n")
    # The old data is kept.
    kept = tmp_path / f"{'bot.db' if is_file else file.name}.before-restore"
    assert f"The old data is in {kept}." in told
    if is_file:
        assert await rows_in(sqlite_url(kept)) == old
    assert ".before-restore-2." in await restored(url, file)
    # The bot carries on with new ids, and shows a result that arrives late.
    again = await stores.open(rules=None)
    assert later.key not in await run_keys(again)
    await again.runs.finish((await accepted(again)).key, RunState.REFUSED, NOW, code="internal")
    await again.runs.record_report("running0", SUCCESS._replace(run_id="run-running0"), NOW, NOW)
    assert [row["wanted_rev"] - row["shown_rev"] for row in await owed(again, "running0")] == [1]


async def test_a_backup_sees_one_moment_while_the_bot_writes(
    store: Store, other: Store, tmp_path: Path
) -> None:
    await fill(store, 4000)

    async def write() -> None:
        for _ in range(20):
            await fill(other, 40)

    writing = asyncio.create_task(write())
    manifests = [await back_up(store.database, tmp_path / "a.tar.gz", NOW) for _ in range(3)]
    await writing
    for manifest in manifests:
        rows = {name: total.rows for name, total in manifest.tables.items()}
        assert rows["runs"] == rows["requests"] == rows["messages"] == rows["audit"]


async def test_erasures_after_the_backup_are_repeated(store: Store, url: str, tmp_path: Path) -> None:
    keys = [await stored_run(store, person=person, prompt="secret") for person in (ALICE, BOB, MOD)]
    keys.append((await accepted(store, requester_id=ALICE)).key)
    file = await backed_up(store, tmp_path)
    settings = settings_of(url, backup_dir=str(tmp_path))
    with ThreadPoolExecutor() as files:
        for days, person in ((1, ALICE), (-1, BOB)):
            at = Outside(now=lambda days=days: NOW + timedelta(days=days))
            app = app_with(
                store=store, settings=settings, files=files, drafts=FormDrafts(Random(1)), outside=at
            )
            await privacy.erase(app, person)
    await store.close()
    assert (tmp_path / "erased").stat().st_mode & 0o777 == 0o600
    said = await restored(url, file, backup_dir=str(tmp_path))
    assert "Repeated 1 erasure of people's data." in said
    assert [(await fetch(store, key)).prompt for key in keys] == [None, "secret", "secret", None]


def backing_up(url: str, store: Store, files: ThreadPoolExecutor, folder: Path) -> App:
    settings, metrics = settings_of(url, backup_dir=str(folder)), Metrics(lambda: 0.0)
    return app_with(store=store, settings=settings, files=files, metrics=metrics, outside=Outside())


async def test_the_daily_backup_of_the_running_bot(store: Store, url: str, tmp_path: Path) -> None:
    await fill(store)
    old = [f"bot-2020010{day}-000000.tar.gz" for day in range(1, 9)]
    for name in (*old, "bot-20200101-000000.tar.gz.part", "other.tar.gz"):
        (tmp_path / name).touch()
    with ThreadPoolExecutor() as files:
        daily = DailyBackup(backing_up(url, store, files, tmp_path), tmp_path)
        claimed = await daily.claim(1)
        assert isinstance(claimed, list)
        await daily.handle(claimed[0])
        later = await daily.claim(1)
    assert isinstance(later, Later)
    assert 23 < later.seconds / 3600 <= 24
    # The oldest are gone, and what another process left that was killed while it wrote.
    *kept, made = sorted(name for name in names(tmp_path) if name.startswith("bot-"))
    assert kept == old[2:]
    assert "other.tar.gz" in names(tmp_path)
    assert verify(tmp_path / made).tables["runs"].rows == 15


@pytest.mark.sqlite_only
async def test_a_failed_backup_is_known_until_any_process_makes_one(
    store: Store, url: str, tmp_path: Path
) -> None:
    with ThreadPoolExecutor() as files:
        apps = [backing_up(url, store, files, tmp_path) for _ in range(2)]
        failing, other = DailyBackup(apps[0], tmp_path / "gone"), DailyBackup(apps[1], tmp_path)
        known = []
        for makes in (failing, other):
            await failing.claim(1)
            await makes.handle(datetime.now(UTC))
            await failing.claim(1)
            known.append("backup_failed 1" in apps[0].metrics.text().decode())
    assert known == [True, False]


async def test_one_process_makes_the_backup_of_a_day(store: Store, other: Store) -> None:
    async def claims(now: datetime) -> list[datetime | None]:
        return await asyncio.gather(*(each.database.write(claim, now) for each in (store, other)))

    retry = NOW + timedelta(hours=1)
    assert sorted(map(str, await claims(NOW))) == sorted(map(str, [None, retry]))
    assert await claims(NOW + timedelta(minutes=59)) == [retry, retry]
    assert None in await claims(retry)


async def test_a_database_of_another_program_is_not_touched(
    store: Store, tmp_path: Path, postgres: PostgresServer
) -> None:
    file, elsewhere = await backed_up(store, tmp_path), await postgres.empty_database()
    for url in (elsewhere, sqlite_url(tmp_path / "theirs.db")):
        database = Database(url)
        await database.write(
            lambda connection: connection.execute(text("CREATE TABLE requests (id INTEGER)"))
        )
        with pytest.raises(StartupError, match="tables of another program"):
            await restored(url, file)
        assert await database.read(lambda connection: inspect(connection).get_table_names()) == ["requests"]
        await database.close()


def packed(data: bytes, change: Callable[[str, bytes], bytes | None]) -> bytes:
    """Pack the files of a backup again; `change` returns what a file has then, or None to leave it out."""
    made = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(data)) as old, tarfile.open(fileobj=made, mode="w:gz") as new:
        for member in old.getmembers():
            content = old.extractfile(member)
            assert content is not None
            if (changed := change(member.name, content.read())) is not None:
                new.addfile(member, io.BytesIO(changed))
    return made.getvalue()


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda data: data[: len(data) // 2],
    "a flipped bit": lambda data: data[:1000] + bytes([data[1000] ^ 1]) + data[1001:],
    "no manifest": lambda data: packed(data, lambda name, has: None if name == MANIFEST else has),
    "another row": lambda data: packed(data, lambda _, has: has.replace(b'"flux"', b'"fluX"')),
    "something else": lambda _: b"a shopping list",
}


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_damaged_backup_changes_nothing(damage: str, store: Store, url: str, tmp_path: Path) -> None:
    await fill(store, 400)
    file = await backed_up(store, tmp_path)
    file.write_bytes(DAMAGES[damage](file.read_bytes()))
    await store.close()
    before = await rows_in(url)
    with pytest.raises(StartupError, match=r"damaged|incomplete|aren't those"):
        await restored(url, file)
    assert await rows_in(url) == before
    assert not {path for path in names(tmp_path) if path.endswith((".before-restore", ".new"))}


def set_schema(schema: str) -> Callable[[Connection], object]:
    change = text("UPDATE alembic_version SET version_num = :schema")
    return lambda connection: connection.execute(change, {"schema": schema})


async def test_a_later_schema_is_replaced_but_not_restored(store: Store, url: str, tmp_path: Path) -> None:
    await fill(store)
    before, file = await rows_in(url), await backed_up(store, tmp_path)
    later, more = tmp_path / "later.tar.gz", "CREATE TABLE later (key TEXT REFERENCES requests (key))"
    await store.database.write(set_schema("v9_0001"))
    await back_up(store.database, later, NOW)
    await store.database.write(lambda connection: connection.execute(text(more)))
    await store.close()
    with pytest.raises(StartupError, match=r"schema v9_0001.*Restore it with a version"):
        await restored(url, later)
    await restored(url, file)
    assert await rows_in(url) == before


async def test_a_running_bot_is_refused(store: Store, url: str, tmp_path: Path, opening: Stores) -> None:
    file, coordinator = await backed_up(store, tmp_path), store.database.coordinator()
    await coordinator.open(lambda _: None)
    assert await coordinator.try_acquire("shard 0")
    target = sqlite_url(tmp_path / "target.db")
    await (await opening.open(target)).close()
    try:
        with pytest.raises(StartupError, match="running on this database"):
            await restored(url, file)
        with pytest.raises(StartupError, match="running on the source"):
            await moved(url, target)
        with pytest.raises(StartupError, match="running on the target"):
            await moved(target, url)
    finally:
        await coordinator.close()


@pytest.mark.sqlite_only
async def test_a_damaged_database_is_replaced_but_not_one_that_is_open(
    store: Store, url: str, tmp_path: Path
) -> None:
    await fill(store)
    before, file = await rows_in(url), await backed_up(store, tmp_path)
    with pytest.raises(StartupError, match=r"has .*bot.db open"):
        await restored(url, file)
    await store.close()
    (tmp_path / "bot.db").write_bytes(b"no database at all" * 1000)
    await restored(url, file)
    assert await rows_in(url) == before


@pytest.mark.sqlite_only
async def test_rows_that_cannot_be_moved_out_of_the_log_are_not_taken_for_a_database(
    store: Store, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader stands for a full disk: both keep the rows in the new file's log."""
    await fill(store)
    before, file = await rows_in(url), await backed_up(store, tmp_path)
    readers = list[sqlite3.Connection]()

    def loaded(*arguments: Any) -> None:
        load(*arguments)
        readers.append(sqlite3.connect(next(tmp_path.glob("*.new")), check_same_thread=False))
        readers[-1].execute("BEGIN")
        readers[-1].execute("SELECT * FROM runs").fetchall()

    monkeypatch.setattr("bot.ops.restore.load", loaded)
    await store.close()
    for command in (restored(url, file), moved(url, sqlite_url(tmp_path / "there.db"))):
        with pytest.raises(StartupError, match="the disk is full"):
            await command
    for reader in readers:
        reader.close()
    assert await rows_in(url) == before
    assert not {name for name in names(tmp_path) if ".new" in name or name == "there.db"}


async def test_a_process_that_starts_on_the_way_ends_the_move(
    tmp_path: Path, postgres: PostgresServer, opening: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, file = await postgres.new_database(), tmp_path / "there.db"
    late = (await opening.open(server)).database.coordinator()

    async def backed(*arguments: Any) -> Manifest:
        await late.open(lambda _: None)
        return await back_up(*arguments)

    monkeypatch.setattr("bot.ops.restore.back_up", backed)
    try:
        with pytest.raises(StartupError, match="running on the source"):
            await moved(server, sqlite_url(file))
    finally:
        await late.close()
    assert not {name for name in names(tmp_path) if name.startswith("there.db")} - {"there.db.lock"}


@pytest.mark.sqlite_only
async def test_files_that_cannot_be_reached_are_named(store: Store, tmp_path: Path) -> None:
    file = await backed_up(store, tmp_path)
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StartupError, match=r"file.*: (Not a directory|File exists)"):
        await restored(sqlite_url(tmp_path / "file" / "bot.db"), file)
    (tmp_path / "erased").mkdir()
    with pytest.raises(StartupError, match=r"erased.*: Is a directory"):
        await restored(sqlite_url(tmp_path / "new.db"), file, backup_dir=str(tmp_path))


@pytest.mark.sqlite_only
async def test_a_backup_that_cannot_be_written_leaves_no_part_of_it(
    store: Store, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BackupError, match="No such file"):
        await back_up(store.database, tmp_path / "no folder" / "a.tar.gz", NOW)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(BackupError, match=r"No space left on device\)\. Free some space, or give the bot"):
        await backup(settings_of(url), Outside(), tmp_path / "a.tar.gz", io.StringIO())
    assert not [name for name in names(tmp_path) if "tar.gz" in name]


@pytest.mark.parametrize("with_folder", [True, False])
async def test_a_migration_begins_with_a_backup(
    with_folder: bool, store: Store, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(store)
    settings = settings_of(url, **({"backup_dir": str(tmp_path)} if with_folder else {}))
    await back_up_before_migration(settings, store.database, NOW)
    assert not [name for name in names(tmp_path) if name.startswith("before-")]
    monkeypatch.setattr("bot.ops.backups.NEWEST", "v2_001")
    await back_up_before_migration(settings, store.database, NOW)
    made = [tmp_path / name for name in names(tmp_path) if name.startswith("before-v2_001-")]
    assert len(made) == (with_folder or store.database.is_sqlite)
    assert all(verify(path).tables["runs"].rows == 15 for path in made)


async def moved(source: str, target: str) -> str:
    said = io.StringIO()
    assert await move_database(settings_of(source), Outside(), target, said) == 0
    return said.getvalue()


async def test_from_sqlite_to_postgresql_and_back(
    tmp_path: Path, postgres: PostgresServer, opening: Stores
) -> None:
    first, last = sqlite_url(tmp_path / "first.db"), sqlite_url(tmp_path / "last.db")
    server = await postgres.empty_database()
    store = await opening.open(first)
    await arrange(store)
    await store.close()
    before = await rows_in(first)
    assert f"runs: {len(before[runs])} rows" in await moved(first, server)
    with pytest.raises(StartupError, match=rf"has rows in .*{requests.name}"):
        await moved(first, server)
    await moved(server, last)
    for url in (first, server, last):
        assert changes(before, await rows_in(url)) == []
        # New audit entries get new ids.
        await (await opening.open(url)).runs.finish("submitting0", RunState.REFUSED, NOW, code="internal")
    with pytest.raises(StartupError, match="same database"):
        await moved(first, first)


async def command(url: str, folder: Path, *arguments: str) -> asyncio.subprocess.Process:
    given = {"DISCORD_TOKEN": "t", "COMFYDEPLOY_API_KEY": "k", "COMFYDEPLOY_DEPLOYMENT_ID": UUID}
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", *arguments),
        env={**os.environ, **given, "DATABASE_URL": url, "PYTHONPATH": os.getcwd()},
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
    )


async def killed_then_repeated(url: str, folder: Path, file: str, *arguments: str) -> None:
    """Kill a command as soon as it has written a part of a file, and run it again."""

    def has_begun() -> bool:
        return any(found.stat().st_size >= 1000 for found in folder.glob(file))

    process = await command(url, folder, *arguments)
    while process.returncode is None and not has_begun():  # noqa: ASYNC110  # another process
        await asyncio.sleep(0.002)
    assert process.returncode is None, "it has ended before"
    process.kill()
    await process.wait()
    process = await command(url, folder, *arguments)
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()


async def test_a_killed_backup_and_a_killed_restore_are_repeated(
    store: Store, url: str, tmp_path: Path
) -> None:
    await fill(store, ROWS)
    before, file = await rows_in(url), tmp_path / "own.tar.gz"
    await killed_then_repeated(url, tmp_path, "own.tar.gz.part", "backup", str(file))
    await fill(store, 40)
    await store.close()
    began = "bot.db.new-wal" if store.database.is_sqlite else "own.tar.gz.before-restore"
    await killed_then_repeated(url, tmp_path, began, "restore", str(file))
    assert await rows_in(url) == before


@pytest.mark.parametrize("to", ["sqlite", "postgresql"])
async def test_a_killed_move_is_repeated(
    to: str, tmp_path: Path, postgres: PostgresServer, opening: Stores
) -> None:
    file, server = sqlite_url(tmp_path / "here.db"), await postgres.new_database()
    source, target = (server, file) if to == "sqlite" else (file, server)
    store = await opening.open(source)
    await fill(store, ROWS)
    await store.close()
    before = await rows_in(source)
    began = "here.db.new-wal" if to == "sqlite" else "move-database.tar.gz"
    await killed_then_repeated(source, tmp_path, began, "move-database", "--to", target)
    for url in (source, target):
        assert changes(before, await rows_in(url)) == []
    assert not {path for path in names(tmp_path) if path.startswith("move-database")}
