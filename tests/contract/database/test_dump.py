"""Backups, and restoring them, also into another database and by a process that is killed on the way."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import Connection, Table
from sqlalchemy.util import await_only

from bot.config.settings import Settings
from bot.context import FormDrafts
from bot.database.tables import runs
from bot.domain.errors import StartupError
from bot.domain.runs import RunState
from bot.effects import Effects
from bot.metrics import Metrics
from bot.ops.backups import DailyBackup, back_up, backup, rows_of
from bot.ops.restore import restore
from bot.services import exports
from bot.store import Store
from bot.worker import Later
from tests.contract.conftest import Stores
from tests.contract.store.changes import Rows, changes, read_all, wrapped
from tests.contract.store.operations import arrange
from tests.contract.store.rows import ALICE, BOB, run_keys, stored_run
from tests.contract.store.runs import NOW, SUCCESS, accepted, fetch, owed
from tests.databases import PostgresServer, sqlite_url
from tests.unit.factories import app_with

UUID = "11111111-2222-3333-4444-555555555555"
# What a restore changes: what waited is told, and nothing is posted or done twice.
SETTLED = """
    answer of batch0: wanted_rev+2 shown_rev+2
    answer of cancelled0, answer of checked0, answer of held0, answer of offered0, answer of old0, answer
        of posting0, answer of running0: shown_rev+2
    answer of done0, answer of late0: shown_rev+4
    answer of lost0, answer of single0: shown_rev+1
    answer of review0, answer of waiting0, answer of wan0: wanted_rev+1 shown_rev+1
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
        failure_code=restored due_at=None
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


async def rows_in(url: str) -> Rows:
    store = Store(url, Effects())
    try:
        return await store.database.read(read_all)
    finally:
        await store.close()


async def backed_up(store: Store, folder: Path, name: str = "backup.jsonl.gz") -> Path:
    await back_up(store.database, folder / name, NOW)
    return folder / name


async def restored(url: str, file: Path, *, is_moved: bool = False, **more: Any) -> str:
    """Restore a backup over a database that is closed, and return what the command said."""
    said, effects = io.StringIO(), Effects(now=lambda: NOW)
    assert await restore(settings_of(url, **more), effects, file, said, is_moved=is_moved) == 0
    return said.getvalue()


def tables_in(file: Path) -> Counter[str]:
    """Return how many rows of each table a backup has."""
    with gzip.open(file, "rt") as lines:
        return Counter(line[0] for line in map(json.loads, lines) if isinstance(line, list))


def names(folder: Path, pattern: str) -> list[str]:
    return sorted(path.name for path in folder.glob(pattern))


async def test_a_restore_brings_back_every_row_and_repeats_nothing(
    store: Store, url: str, tmp_path: Path, stores: Stores
) -> None:
    await arrange(store)
    await store.key_values.put("synced:1:all", "known")
    before, said = await rows_in(url), io.StringIO()
    file = tmp_path / "backup.jsonl.gz"
    assert await backup(settings_of(url), Effects(), file, said) == 0
    assert file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(StartupError, match="exists"):
        await backup(settings_of(url), Effects(), file, said)
    later, old = await accepted(store), await rows_in(url)
    await store.close()
    told = await restored(url, file)
    assert wrapped(changes(before, await rows_in(url))) == SETTLED.lstrip("\n")
    # The old data is kept.
    kept = tmp_path / f"{file.name}.before-restore"
    assert f"The old data is in {kept}." in told
    await restored(url, kept, is_moved=True)
    assert await rows_in(url) == old
    assert ".before-restore-2." in await restored(url, file)
    # The bot carries on with new ids, and shows a result that arrives late.
    again = await stores.open(rules=None)
    assert later.key not in await run_keys(again)
    await again.runs.finish((await accepted(again)).key, RunState.REFUSED, NOW, code="internal")
    await again.runs.record_update("running0", SUCCESS._replace(run_id="run-running0"), NOW, NOW)
    assert [row["wanted_rev"] - row["shown_rev"] for row in await owed(again, "running0")] == [1]


async def test_a_backup_sees_one_moment_while_the_bot_writes(
    store: Store, other: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()

    def rows(connection: Connection, table: Table) -> Iterator[dict[str, Any]]:
        """Accept a request before each table is read; on SQLite this is a reader's thread."""
        if store.database.is_sqlite:
            asyncio.run_coroutine_threadsafe(accepted(other), loop).result()
        else:
            await_only(accepted(other))
        return rows_of(connection, table)

    monkeypatch.setattr("bot.ops.backups.rows_of", rows)
    file = await backed_up(store, tmp_path)
    assert tables_in(file).keys().isdisjoint({"runs", "requests", "messages", "audit"})
    assert len(await run_keys(store)) > 1


async def test_erasures_after_the_backup_are_repeated(store: Store, url: str, tmp_path: Path) -> None:
    keys = [await stored_run(store, person=person, prompt="secret") for person in (ALICE, BOB)]
    keys.append((await accepted(store, requester_id=ALICE)).key)
    file, settings = await backed_up(store, tmp_path), settings_of(url, backup_dir=str(tmp_path))
    for days, person in ((1, ALICE), (-1, BOB)):
        with ThreadPoolExecutor() as files:
            effects = Effects(now=lambda days=days: NOW + timedelta(days=days))
            more = {"files": files, "drafts": FormDrafts(Random(1)), "effects": effects}
            await exports.erase(app_with(store=store, settings=settings, **more), person)
    await store.close()
    assert (tmp_path / "erased").stat().st_mode & 0o777 == 0o600
    said = await restored(url, file, backup_dir=str(tmp_path))
    assert "Repeated 1 erasure of people's data." in said
    assert [(await fetch(store, key)).prompt for key in keys] == [None, "secret", None]


async def test_the_daily_backup_of_the_running_bot(store: Store, url: str, tmp_path: Path) -> None:
    folder, metrics = tmp_path / "backups", Metrics(lambda: 0.0)
    settings = settings_of(url, backup_dir=str(folder))

    async def attempt() -> tuple[int, bool]:
        """Return in how many hours the next backup is due, and whether this one failed."""
        await daily.handle(app.now())
        later = await daily.claim(1)
        assert isinstance(later, Later)
        failed = metrics.registry.get_sample_value("comfydeploy_bot_backup_failed")
        return round(later.seconds / 3600), failed == 1

    with ThreadPoolExecutor() as files:
        app = app_with(store=store, settings=settings, files=files, metrics=metrics, effects=Effects())
        daily = DailyBackup(app, folder)
        assert isinstance(await daily.claim(1), list)
        assert await attempt() == (1, True)
        folder.mkdir()
        old = [f"bot-2020010{day}-000000.jsonl.gz" for day in range(1, 9)]
        for name in (*old, "bot-20200101-000000.jsonl.gz.part", "other.jsonl.gz"):
            (folder / name).touch()
        assert await attempt() == (24, False)
    # The oldest are gone, and what another process left that was killed while it wrote.
    *kept, made, other = names(folder, "*")
    assert (kept, other) == (old[2:], "other.jsonl.gz")
    assert tables_in(folder / made)["server_rules"] == 1


def packed(data: bytes, change: Callable[[list[bytes]], list[bytes]]) -> bytes:
    """Pack a backup again, with other lines."""
    return gzip.compress(b"".join(change(gzip.decompress(data).splitlines(keepends=True))))


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda data: data[: len(data) // 2],
    "a flipped bit": lambda data: data[:1000] + bytes([data[1000] ^ 1]) + data[1001:],
    "a missing row": lambda data: packed(data, lambda lines: [*lines[:5], *lines[6:]]),
    "no end": lambda data: packed(data, lambda lines: lines[:-1]),
    "a later schema": lambda data: packed(data, lambda lines: [lines[0].replace(b'"v', b'"v9'), *lines[1:]]),
}


async def test_a_damaged_backup_changes_nothing(store: Store, url: str, tmp_path: Path) -> None:
    await arrange(store)
    before, sound = await rows_in(url), (await backed_up(store, tmp_path)).read_bytes()
    await store.close()
    for name, damaged in DAMAGES.items():
        (tmp_path / "damaged").write_bytes(damaged(sound))
        with pytest.raises(StartupError, match=r"damaged|incomplete|has the schema v9"):
            await restored(url, tmp_path / "damaged")
        assert await rows_in(url) == before, name
    assert names(tmp_path, "*.before-restore*") == []


async def test_a_later_schema_is_replaced_and_another_programs_tables_are_not(
    store: Store, url: str, tmp_path: Path
) -> None:
    await stored_run(store)
    before, file = await rows_in(url), await backed_up(store, tmp_path)

    async def execute(*statements: str) -> None:
        for statement in statements:
            await store.database.write(lambda connection, of=statement: connection.exec_driver_sql(of))
        await store.close()

    await execute("ALTER TABLE alembic_version RENAME TO theirs")
    with pytest.raises(StartupError, match="tables of another program"):
        await restored(url, file)
    await execute("ALTER TABLE theirs RENAME TO alembic_version")
    assert await rows_in(url) == before
    await execute(
        "UPDATE alembic_version SET version_num = 'v9_0001'",
        "CREATE TABLE later (key TEXT REFERENCES requests (key))",
        "DELETE FROM runs",
    )
    await restored(url, file)
    assert await rows_in(url) == before


async def test_a_running_bot_is_refused(
    store: Store, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, coordinator = await backed_up(store, tmp_path), store.database.coordinator()

    async def starts_meanwhile(*arguments: Any, stopped: bool) -> int:
        await coordinator.open(lambda _: None)
        return await back_up(*arguments, stopped=stopped)

    try:
        if store.database.is_sqlite:  # whose lock keeps the bot from starting meanwhile
            await coordinator.open(lambda _: None)
        else:
            monkeypatch.setattr("bot.ops.restore.back_up", starts_meanwhile)
            with pytest.raises(StartupError, match="or another command, uses this database"):
                await restored(url, file)
            monkeypatch.undo()
        assert await coordinator.acquire("shard 0", 10.0)  # the refused restore may still be disconnecting
        with pytest.raises(StartupError, match="or another command, uses this database"):
            await restored(url, file)
        await backup(settings_of(url), Effects(), tmp_path / "running.jsonl.gz", io.StringIO())
    finally:
        await coordinator.close()
    with pytest.raises(StartupError, match="made while the bot ran"):
        await restored(url, tmp_path / "running.jsonl.gz", is_moved=True)


@pytest.mark.sqlite_only
async def test_a_damaged_database_is_replaced(store: Store, url: str, tmp_path: Path) -> None:
    await stored_run(store)
    before, file = await rows_in(url), await backed_up(store, tmp_path)
    await store.close()
    (tmp_path / "bot.db").write_bytes(b"no database at all" * 1000)
    assert "bot.db.before-restore." in await restored(url, file)
    assert await rows_in(url) == before


async def test_from_sqlite_to_postgresql_and_back(
    tmp_path: Path, postgres: PostgresServer, opening: Stores
) -> None:
    url, server, last = sqlite_url(tmp_path / "a.db"), await postgres.empty_database(), tmp_path / "b.db"
    store, foreign = await opening.open(url), "CREATE TABLE songs AS SELECT 'another program''s' AS row"
    await arrange(store)
    for target, key in ((server, "submitting0"), (sqlite_url(last), "waiting0")):
        before, file = await rows_in(url), tmp_path / f"{key}.jsonl.gz"
        await store.close()
        await backup(settings_of(url), Effects(), file, io.StringIO())
        await restored(target, file, is_moved=True)
        assert changes(before, await rows_in(target)) == []
        store, url = await opening.open(target), target
        # New audit entries get new ids.
        await store.runs.finish(key, RunState.REFUSED, NOW, code="internal")
        await store.database.write(lambda connection: connection.exec_driver_sql(foreign))


class Killed(BaseException):
    """The end of a process, which no code handles."""


async def test_a_backup_and_a_restore_that_are_killed_change_nothing_and_are_repeated(
    store: Store, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Any) -> None:
        raise Killed

    await arrange(store)
    before = await rows_in(url)
    (tmp_path / "own.jsonl.gz.part").write_bytes(b"half" * 1000)  # of an earlier process
    file = await backed_up(store, tmp_path, "own.jsonl.gz")
    await accepted(store)
    old = await rows_in(url)
    await store.close()
    # When the old data is kept, and when everything is loaded.
    for place in ("pathlib.Path.replace", "bot.ops.restore.settle"):
        monkeypatch.setattr(place, killed)
        with pytest.raises(Killed):
            await restored(url, file)
        monkeypatch.undo()
        assert await rows_in(url) == old, place
    await restored(url, file)
    assert len((await rows_in(url))[runs]) == len(before[runs])
