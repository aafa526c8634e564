"""Backups, restoring them, and moving to another database, also by processes that are killed on the way."""

from __future__ import annotations

import asyncio
import errno
import io
import json
import os
import re
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
from sqlalchemy import Connection, insert, inspect, text, update

from bot.config.settings import Settings
from bot.context import App, FormDrafts
from bot.database.rows import insert_rows, new_row
from bot.database.schema import NEWEST
from bot.database.tables import audit, messages, presets, runs
from bot.domain.errors import StartupError
from bot.domain.messages.records import Kind, MessageRef
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
from tests.contract.store.rows import (
    ALICE,
    BOB,
    GUILD,
    MOD,
    audit_log,
    block,
    run_keys,
    stored_rules,
    stored_run,
)
from tests.contract.store.runs import (
    NOW,
    SUCCESS,
    accepted,
    answer_of,
    awaiting_approval,
    brought_to,
    columns,
    fetch,
    is_pending,
    owed,
    posted,
    request,
    started,
    state_of,
)
from tests.databases import Database, PostgresServer, sqlite_url
from tests.unit.factories import app_with

REF = MessageRef(5, 6)
ROWS = 10_000


def settings_of(url: str, **more: Any) -> Settings:
    given = {"discord_token": "t", "comfydeploy_api_key": "k", "comfydeploy_deployment_id": str(GUILD_UUID)}
    return Settings.model_validate({**given, "database_url": url, **more})


GUILD_UUID = "11111111-2222-3333-4444-555555555555"


async def fill(store: Store, rows: int = 60) -> None:
    """Insert a preset and as many other rows, each request with a run, an outcome and an audit entry."""
    batch = [request(created_at=NOW + timedelta(seconds=n), seed=n) for n in range(rows // 4)]
    more = {"state": RunState.SUCCEEDED, "run_duration": 0.1 + 0.2, "submitted_at": NOW, "run_id": "é ✓"}
    outcome = {"kind": Kind.OUTCOME, "number": 0, "shown_rev": 1, "posted": (), "stale": ()}
    preset = {
        "holder": "p",
        "holder_id": ALICE,
        "name": "Fox",
        "folded": os.urandom(4).hex(),
        "deployment": "flux",
    }
    entry = {"at": NOW, "guild_id": GUILD, "action": "outcome", "details": {"note": "a\nb", "n": [1.5, None]}}

    def work(connection: Connection) -> None:
        insert_rows(connection, [new_row(run) | more for run in batch])
        rows = [{"request_key": run.key, **outcome, "due_at": NOW, "since": NOW} for run in batch]
        connection.execute(insert(messages), rows)
        connection.execute(insert(audit), [{**entry, "subject_id": ALICE, "actor_id": None} for _ in batch])
        connection.execute(insert(presets).values(**preset, inputs={"a": 1}, created_at=NOW))

    await store.database.write(work)


async def contents(url: str, folder: Path) -> Manifest:
    """Return the totals of a database's tables."""
    store = Store(url, Outside())
    try:
        return await back_up(store.database, folder / f"contents-{os.urandom(4).hex()}", NOW)
    finally:
        await store.close()


async def backed_up(store: Store, folder: Path, at: datetime = NOW) -> Path:
    await back_up(store.database, folder / "backup.tar.gz", at)
    return folder / "backup.tar.gz"


async def restored(store: Store, file: Path, stores: Stores, **more: Any) -> tuple[Store, str]:
    """Restore a backup over a store, which this closes; return another store, and what the command said."""
    await store.close()
    said = io.StringIO()
    url = store.database.url.render_as_string(hide_password=False)
    assert await restore(settings_of(url, **more), Outside(), file, said) == 0
    return await stores.open(rules=None), said.getvalue()


async def test_a_backup_holds_every_row_and_is_readable_by_its_owner_only(
    store: Store, url: str, tmp_path: Path
) -> None:
    await fill(store)
    await accepted(store, created_at=datetime(2026, 1, 1, tzinfo=UTC), inputs={"text": 'ü "\\ \ud83d\ude00'})
    await block(store, BOB, at=NOW, reason="spam")
    secret = await store.key_values.secret("webhook_secret")
    said = io.StringIO()
    file = tmp_path / "backup.tar.gz"
    assert await backup(settings_of(url), Outside(), file, said) == 0
    assert file.stat().st_mode & 0o777 == 0o600
    manifest = verify(file)
    assert f"Wrote {manifest.rows} rows to {file}" in said.getvalue()
    assert {name: total.rows for name, total in manifest.tables.items() if total.rows} == {
        "requests": 16,
        "runs": 16,
        "messages": 16,
        "audit": 17,
        "presets": 1,
        "blocks": 1,
        "key_values": 1,
        "queues": 1,
        "server_rules": 1,
        "usage": 1,
    }
    with tarfile.open(file) as archive:
        (chunk,) = (archive.extractfile(name) for name in archive.getnames() if name.startswith("key_"))
        assert chunk is not None
        assert json.loads(chunk.read())["value"] == secret
    with pytest.raises(StartupError, match="exists"):
        await backup(settings_of(url), Outside(), file, said)


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


async def test_a_restored_database_is_that_of_the_backup(
    store: Store, url: str, tmp_path: Path, stores: Stores
) -> None:
    await fill(store)
    file, before = await backed_up(store, tmp_path), await contents(url, tmp_path)
    later = await accepted(store)
    old = await contents(url, tmp_path)
    again, said = await restored(store, file, stores)
    assert later.key not in await run_keys(again)
    assert (await contents(url, tmp_path)).tables == before.tables
    kept, is_file = Path(re.findall(r"The old data is in (.+)\.\n", said)[0]), store.database.is_sqlite
    assert kept.name == ("bot.db" if is_file else file.name) + ".before-restore"
    found = await contents(sqlite_url(kept), tmp_path) if is_file else verify(kept)
    assert found.tables == old.tables
    # New ids go on, and what is kept is never overwritten.
    last = (await audit_log(again))[-1].id
    await again.runs.finish((await accepted(again)).key, RunState.REFUSED, NOW, code="internal")
    assert (await audit_log(again))[-1].id > last
    _, said = await restored(again, file, stores)
    assert ".before-restore-2." in said


async def test_what_waited_ends_as_not_started(store: Store, tmp_path: Path, stores: Stores) -> None:
    waits, in_review = await accepted(store), await awaiting_approval(store)
    again, said = await restored(store, await backed_up(store, tmp_path), stores)
    for run in (waits, in_review):
        assert await state_of(again, run) == (RunState.REFUSED, "restored")
        (outcome,) = [row for row in await owed(again, run.key) if row["kind"] == Kind.OUTCOME]
        assert is_pending(outcome)
        assert not is_pending(await answer_of(again, run.key))
    assert "weren't started: 2;" in said
    assert not await again.claims.claim_submission(lambda _: None, NOW, NOW)


async def test_what_was_in_flight_ends_quietly(store: Store, tmp_path: Path, stores: Stores) -> None:
    runs = [await brought_to(store, state) for state in (RunState.SUBMITTING, RunState.RUNNING)]
    again, said = await restored(store, await backed_up(store, tmp_path), stores)
    for run in runs:
        assert await state_of(again, run) == (RunState.UNCONFIRMED, "restored_in_flight")
        assert (await columns(again, run.key))["due_at"] is None
    assert not await again.messages.next_due(NOW + timedelta(days=9), ())
    assert "not followed any more: 2." in said
    # One that is still executing is shown when ComfyDeploy reports it.
    await again.runs.record_report(runs[1].key, SUCCESS, NOW, NOW)
    assert [is_pending(row) for row in await owed(again, runs[1].key)] == [True]


async def test_results_are_not_posted_again_but_offered(store: Store, tmp_path: Path, stores: Stores) -> None:
    shown, pending = await brought_to(store, RunState.SUCCEEDED), None
    await posted(store, REF)
    pending = await brought_to(store, RunState.SUCCEEDED)
    again, _ = await restored(store, await backed_up(store, tmp_path), stores)
    assert [(row["offered"], is_pending(row)) for row in await owed(again, shown.key)] == [(False, False)]
    assert [(row["offered"], is_pending(row)) for row in await owed(again, pending.key)] == [(True, False)]
    assert not await again.messages.next_due(NOW + timedelta(days=9), ())


async def test_erasures_after_the_backup_are_repeated(
    store: Store, url: str, tmp_path: Path, stores: Stores
) -> None:
    keys = [await stored_run(store, person=person, prompt="secret") for person in (ALICE, BOB, MOD)]
    waiting = await accepted(store, requester_id=ALICE)
    file = await backed_up(store, tmp_path)
    settings = settings_of(url, backup_dir=str(tmp_path))
    with ThreadPoolExecutor() as files:
        for days, person in ((1, ALICE), (-1, BOB)):
            at = Outside(now=lambda days=days: NOW + timedelta(days=days))
            app = app_with(
                store=store, settings=settings, files=files, drafts=FormDrafts(Random(1)), outside=at
            )
            await privacy.erase(app, person)
    assert (tmp_path / "erased").stat().st_mode & 0o777 == 0o600
    again, said = await restored(store, file, stores, backup_dir=str(tmp_path))
    assert [(await fetch(again, key)).prompt for key in keys] == [None, "secret", "secret"]
    assert (await fetch(again, waiting.key)).prompt is None
    assert "Repeated 1 erasure of people's data." in said


def backing_up(url: str, store: Store, files: ThreadPoolExecutor, folder: Path) -> App:
    settings, metrics = settings_of(url, backup_dir=str(folder)), Metrics(lambda: 0.0)
    return app_with(store=store, settings=settings, files=files, metrics=metrics, outside=Outside())


async def test_the_daily_backup_of_the_running_bot(store: Store, url: str, tmp_path: Path) -> None:
    await fill(store)
    old = [f"bot-2020010{day}-000000.tar.gz" for day in range(1, 9)]
    for name in (*old, "bot-20200101-000000.tar.gz.part", "other.tar.gz"):
        (tmp_path / name).touch()
    with ThreadPoolExecutor() as files:
        app = backing_up(url, store, files, tmp_path)
        daily = DailyBackup(app, tmp_path)
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


async def test_a_failed_backup_is_known_until_any_process_makes_one(
    store: Store, url: str, tmp_path: Path
) -> None:
    await fill(store)
    with ThreadPoolExecutor() as files:
        apps = [backing_up(url, store, files, tmp_path) for _ in range(2)]
        failing, other = DailyBackup(apps[0], tmp_path / "gone"), DailyBackup(apps[1], tmp_path)
        metrics = apps[0].metrics
        await failing.claim(1)
        await failing.handle(now := datetime.now(UTC))
        assert "backup_failed 1" in metrics.text().decode()
        await failing.claim(1)
        assert "backup_failed 1" in metrics.text().decode()
        await other.handle(now)
        await failing.claim(1)
    assert "backup_failed 0" in metrics.text().decode()


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
            await restore(settings_of(url), Outside(), file, io.StringIO())
        assert await database.read(lambda connection: inspect(connection).get_table_names()) == ["requests"]
        await database.close()


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def flipped(data: bytes) -> bytes:
    return data[:1000] + bytes([data[1000] ^ 1]) + data[1001:]


def without_manifest(data: bytes) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(data)) as old, tarfile.open(fileobj=made, mode="w:gz") as new:
        for member in old.getmembers():
            if member.name != MANIFEST:
                new.addfile(member, old.extractfile(member))
    return made.getvalue()


@pytest.mark.sqlite_only
async def test_a_backup_with_another_row_is_refused(store: Store, url: str, tmp_path: Path) -> None:
    await fill(store)
    file, made = await backed_up(store, tmp_path), tmp_path / "changed.tar.gz"
    with tarfile.open(file) as old, tarfile.open(made, mode="w:gz") as new:
        for member in old.getmembers():
            content = old.extractfile(member)
            assert content is not None
            new.addfile(member, io.BytesIO(content.read().replace(b'"flux"', b'"fluX"')))
    with pytest.raises(StartupError, match="its rows aren't those that its manifest names"):
        verify(made)


@pytest.mark.parametrize("change", [cut, flipped, without_manifest, lambda _: b"a shopping list", None])
async def test_a_damaged_backup_changes_nothing(
    change: Callable[[bytes], bytes] | None, store: Store, url: str, tmp_path: Path
) -> None:
    await fill(store, 400)
    file = await backed_up(store, tmp_path)
    if change is None:
        file.unlink()
    else:
        file.write_bytes(change(file.read_bytes()))
    await accepted(store)
    before = await contents(url, tmp_path)
    await store.close()
    with pytest.raises(StartupError, match=r"damaged|incomplete|no file"):
        await restore(settings_of(url), Outside(), file, io.StringIO())
    assert (await contents(url, tmp_path)).tables == before.tables
    assert not {path for path in names(tmp_path) if path.endswith((".before-restore", ".new"))}


def set_schema(schema: str) -> Callable[[Connection], object]:
    change = text("UPDATE alembic_version SET version_num = :schema")
    return lambda connection: connection.execute(change, {"schema": schema})


async def test_a_backup_of_another_schema_is_refused(store: Store, url: str, tmp_path: Path) -> None:
    await store.database.write(set_schema("v9_0001"))
    file = await backed_up(store, tmp_path)
    await store.database.write(set_schema(NEWEST))
    await store.close()
    with pytest.raises(StartupError, match=r"schema v9_0001.*Restore it with a version"):
        await restore(settings_of(url), Outside(), file, io.StringIO())


async def test_a_database_of_a_later_schema_is_replaced(
    store: Store, url: str, tmp_path: Path, stores: Stores
) -> None:
    await fill(store)
    file, before = await backed_up(store, tmp_path), await contents(url, tmp_path)

    def work(connection: Connection) -> None:
        set_schema("v9_0001")(connection)
        connection.execute(text("CREATE TABLE later (key TEXT REFERENCES requests (key), more INTEGER)"))

    await store.database.write(work)
    await restored(store, file, stores)
    assert (await contents(url, tmp_path)).tables == before.tables


async def test_a_running_bot_is_refused(store: Store, url: str, tmp_path: Path, opening: Stores) -> None:
    file, coordinator = await backed_up(store, tmp_path), store.database.coordinator()
    await coordinator.open(lambda _: None)
    assert await coordinator.try_acquire("shard 0")
    settings, target = settings_of(url), sqlite_url(tmp_path / "target.db")
    await (await opening.open(target)).close()
    try:
        with pytest.raises(StartupError, match="running on this database"):
            await restore(settings, Outside(), file, io.StringIO())
        with pytest.raises(StartupError, match="running on the source"):
            await move_database(settings, Outside(), target, io.StringIO())
        with pytest.raises(StartupError, match="running on the target"):
            await move_database(settings_of(target), Outside(), url, io.StringIO())
    finally:
        await coordinator.close()


@pytest.mark.sqlite_only
async def test_a_damaged_database_is_replaced(store: Store, url: str, tmp_path: Path, stores: Stores) -> None:
    await fill(store)
    file, before = await backed_up(store, tmp_path), await contents(url, tmp_path)
    await store.close()
    (tmp_path / "bot.db").write_bytes(b"no database at all" * 1000)
    await restored(store, file, stores)
    assert (await contents(url, tmp_path)).tables == before.tables


@pytest.mark.sqlite_only
async def test_a_file_that_another_program_has_open_is_refused(
    store: Store, url: str, tmp_path: Path
) -> None:
    file = await backed_up(store, tmp_path)
    with pytest.raises(StartupError, match=r"has .*bot.db open"):
        await restore(settings_of(url), Outside(), file, io.StringIO())


@pytest.mark.sqlite_only
async def test_rows_that_cannot_be_moved_out_of_the_log_are_not_taken_for_a_database(
    store: Store, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader stands for a full disk: both keep the rows in the new file's log."""
    await fill(store)
    file = await backed_up(store, tmp_path)
    await accepted(store)
    before = await contents(url, tmp_path)
    readers = list[sqlite3.Connection]()

    def loaded(*arguments: Any) -> None:
        load(*arguments)
        readers.append(sqlite3.connect(next(tmp_path.glob("*.new")), check_same_thread=False))
        readers[-1].execute("BEGIN")
        readers[-1].execute("SELECT * FROM runs").fetchall()

    monkeypatch.setattr("bot.ops.restore.load", loaded)
    await store.close()
    with pytest.raises(StartupError, match="the disk is full"):
        await restore(settings_of(url), Outside(), file, io.StringIO())
    with pytest.raises(StartupError, match="the disk is full"):
        await move_database(settings_of(url), Outside(), sqlite_url(tmp_path / "there.db"), io.StringIO())
    for reader in readers:
        reader.close()
    assert (await contents(url, tmp_path)).tables == before.tables
    assert not {name for name in names(tmp_path) if ".new" in name or name == "there.db"}


async def test_a_process_that_starts_on_the_way_ends_the_move(
    tmp_path: Path, postgres: PostgresServer, opening: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, file = await postgres.new_database(), tmp_path / "there.db"
    store = await opening.open(server)
    await fill(store)
    late = store.database.coordinator()

    async def backed(*arguments: Any) -> Manifest:
        await late.open(lambda _: None)
        return await back_up(*arguments)

    monkeypatch.setattr("bot.ops.restore.back_up", backed)
    try:
        with pytest.raises(StartupError, match="running on the source"):
            await move_database(settings_of(server), Outside(), sqlite_url(file), io.StringIO())
    finally:
        await late.close()
    assert not file.exists()
    assert not {name for name in names(tmp_path) if name.startswith("there.db.new")}


async def test_what_may_have_been_shown_since_is_not_asked_again(
    store: Store, tmp_path: Path, stores: Stores
) -> None:
    run = await brought_to(store, RunState.TIMED_OUT)
    asking = update(runs).values(due_at=NOW)
    await store.database.write(lambda connection: connection.execute(asking))
    again, _ = await restored(store, await backed_up(store, tmp_path), stores)
    assert (await columns(again, run.key))["due_at"] is None


async def test_the_commands_are_sent_again_after_a_restore(
    store: Store, tmp_path: Path, stores: Stores
) -> None:
    await store.key_values.put("synced:1:all", "known")
    again, _ = await restored(store, await backed_up(store, tmp_path), stores)
    assert await again.key_values.with_prefix("synced:1:") == {"all": ""}


@pytest.mark.sqlite_only
@pytest.mark.parametrize("problem", ["no folder", "no permission"])
async def test_files_that_cannot_be_reached_are_named(problem: str, store: Store, tmp_path: Path) -> None:
    await fill(store)
    file = await backed_up(store, tmp_path)
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    settings = settings_of(sqlite_url(blocked / "bot.db"))
    if problem == "no permission":
        settings = settings_of(sqlite_url(tmp_path / "new.db"), backup_dir=str(tmp_path))
        (tmp_path / "erased").mkdir()
    with pytest.raises(StartupError, match=r"(file|erased).*: (Not a directory|File exists|Is a directory)"):
        await restore(settings, Outside(), file, io.StringIO())


async def test_a_backup_that_cannot_be_written_leaves_no_part_of_it(
    store: Store, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(store)
    with pytest.raises(BackupError, match="No such file"):
        await back_up(store.database, tmp_path / "no folder" / "a.tar.gz", NOW)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(BackupError, match=r"No space left on device\)\. Free some space, or give the bot"):
        await backup(settings_of(url), Outside(), tmp_path / "a.tar.gz", io.StringIO())
    assert not [name for name in names(tmp_path) if "tar.gz" in name]


async def test_one_process_makes_the_backup_of_a_day(store: Store, other: Store) -> None:
    async def claims(now: datetime) -> list[datetime | None]:
        return await asyncio.gather(*(each.database.write(claim, now) for each in (store, other)))

    retry = NOW + timedelta(hours=1)
    assert sorted(map(str, await claims(NOW))) == sorted(map(str, [None, retry]))
    assert await claims(NOW + timedelta(minutes=59)) == [retry, retry]
    assert None in await claims(retry)


@pytest.mark.parametrize("with_folder", [True, False])
async def test_a_migration_begins_with_a_backup(
    with_folder: bool,
    store: Store,
    url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await fill(store)
    settings = settings_of(url, **({"backup_dir": str(tmp_path)} if with_folder else {}))
    await back_up_before_migration(settings, store.database, NOW)
    assert not [name for name in names(tmp_path) if name.startswith("before-")]
    monkeypatch.setattr("bot.ops.backups.NEWEST", "v2_001")
    with caplog.at_level("INFO"):
        await back_up_before_migration(settings, store.database, NOW)
    assert "the schema changes from v1_001 to v2_001" in caplog.text
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
    await fill(store)
    await stored_rules(store, GUILD + 1, None)  # as JSON
    running = await accepted(store)
    await started(store)
    await store.close()
    before = await contents(first, tmp_path)
    assert "runs: 16 rows" in await moved(first, server)
    with pytest.raises(StartupError, match=r"has rows in .*requests"):
        await moved(first, server)
    await moved(server, last)
    for url in (first, server, last):
        assert (await contents(url, tmp_path)).tables == before.tables
    for url in (server, last):
        there = await opening.open(url)
        ids = [entry.id for entry in await audit_log(there)]
        assert (await fetch(there, running.key)).state is RunState.SUBMITTING
        await there.runs.finish(running.key, RunState.UNCONFIRMED, NOW, code="comfy_timeout")
        assert (await audit_log(there))[-1].id == max(ids) + 1
    with pytest.raises(StartupError, match="same database"):
        await moved(first, first)


async def command(url: str, folder: Path, *arguments: str) -> asyncio.subprocess.Process:
    given = {"DISCORD_TOKEN": "t", "COMFYDEPLOY_API_KEY": "k", "COMFYDEPLOY_DEPLOYMENT_ID": GUILD_UUID}
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", *arguments),
        env={**os.environ, **given, "DATABASE_URL": url, "PYTHONPATH": os.getcwd()},
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
    )


async def killed_then_repeated(url: str, folder: Path, began: Callable[[], object], *arguments: str) -> None:
    """Kill a command as soon as it has begun to write, and run it again."""
    process = await command(url, folder, *arguments)
    while process.returncode is None and not began():  # noqa: ASYNC110  # another process
        await asyncio.sleep(0.002)
    assert process.returncode is None, "it has ended before"
    process.kill()
    await process.wait()
    process = await command(url, folder, *arguments)
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()


def a_file(folder: Path, name: str, size: int) -> Callable[[], bool]:
    return lambda: any(found.stat().st_size >= size for found in folder.glob(name))


async def test_a_killed_backup_and_a_killed_restore_are_repeated(
    store: Store, url: str, tmp_path: Path
) -> None:
    await fill(store, ROWS)
    before = await contents(url, tmp_path)
    file, part = tmp_path / "own.tar.gz", a_file(tmp_path, "own.tar.gz.part", 1000)
    await killed_then_repeated(url, tmp_path, part, "backup", str(file))
    assert verify(file).tables == before.tables
    await fill(store, 40)
    await store.close()
    name = "bot.db.new-wal" if store.database.is_sqlite else "own.tar.gz.before-restore"
    began = a_file(tmp_path, name, 1000)
    await killed_then_repeated(url, tmp_path, began, "restore", str(file))
    assert (await contents(url, tmp_path)).tables == before.tables


@pytest.mark.parametrize("to", ["sqlite", "postgresql"])
async def test_a_killed_move_is_repeated(
    to: str, tmp_path: Path, postgres: PostgresServer, opening: Stores
) -> None:
    file, server = sqlite_url(tmp_path / "here.db"), await postgres.new_database()
    source, target = (server, file) if to == "sqlite" else (file, server)
    store = await opening.open(source)
    await fill(store, ROWS)
    await store.close()
    before = await contents(source, tmp_path)
    began = a_file(tmp_path, "here.db.new-wal" if to == "sqlite" else "move-database.tar.gz", 1000)
    await killed_then_repeated(source, tmp_path, began, "move-database", "--to", target)
    for url in (source, target):
        assert (await contents(url, tmp_path)).tables == before.tables
    assert not {path for path in names(tmp_path) if path.startswith("move-database")}
