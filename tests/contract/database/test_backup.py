"""The commands of docs/operations.md for backup and restore, done while the store is open."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from sqlalchemy import make_url

from tests.contract.conftest import Stores
from tests.contract.store.runs import accepted, fetch
from tests.databases import PostgresServer

BACK_UP = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).backup(sqlite3.connect(sys.argv[2]))"


async def run(*command: str | Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *map(str, command), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()


async def test_a_backup_of_the_sqlite_file_contains_the_whole_store(tmp_path: Path, opening: Stores) -> None:
    store = await opening.open(f"sqlite:///{tmp_path}/bot.db")
    run_before = await accepted(store)
    await run(sys.executable, "-c", BACK_UP, tmp_path / "bot.db", tmp_path / "backup.db")
    later = await accepted(store)
    with closing(sqlite3.connect(tmp_path / "backup.db")) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    restored = await opening.open(f"sqlite:///{tmp_path}/backup.db")
    assert await fetch(restored, run_before.key) == run_before
    assert await restored.runs.get(later.key) is None
    assert await restored.key_values.secret("webhook_secret")


async def test_a_dump_contains_the_whole_store(
    tmp_path: Path, postgres: PostgresServer, opening: Stores
) -> None:
    url, fresh = await postgres.new_database(), await postgres.empty_database()
    store = await opening.open(url)
    run_before = await accepted(store)
    secret = await store.key_values.secret("webhook_secret")
    tools = Path(postgres.server.bin_path)
    await run(tools / "pg_dump", "--format=custom", f"--file={tmp_path}/bot.dump", _plain(url))
    await run(
        tools / "pg_restore",
        "--no-owner",
        "--exit-on-error",
        f"--dbname={_plain(fresh)}",
        tmp_path / "bot.dump",
    )
    restored = await opening.open(fresh)
    assert await fetch(restored, run_before.key) == run_before
    assert await restored.key_values.secret("webhook_secret") == secret


def _plain(url: str) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
