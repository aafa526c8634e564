"""Restore a backup, also into another database.

The old tables are backed up, then replaced in one transaction, while the bot is stopped. So a process that is
killed leaves the database as it was, and the command can be repeated.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import TextIO

from sqlalchemy import Connection, inspect, select, text, update

from bot.config.settings import Settings
from bot.database.engine import Database
from bot.database.rows import is_pending, messages_of, runs_of, select_runs, set_columns, to_run
from bot.database.schema import NEWEST, create_tables, is_damaged, make_file
from bot.database.tables import alembic_version, is_any, key_values, messages, requests, runs
from bot.domain.errors import StartupError, StoreUnavailable
from bot.domain.messages import OUTCOMES, Act, Claim, Purpose, Shows, decide, wants
from bot.domain.runs import FINAL, NOT_SUBMITTED, Run, RunState
from bot.domain.transitions import Change, end
from bot.effects import Effects
from bot.ops.backups import back_up, counted, load, opened, require_stopped, tables_in, verify
from bot.store.erasure import erase_chunk
from bot.store.runs import apply_change

ERASED = "erased"
# An erasure is written down before it is made.
_ERASURE_SECONDS = timedelta(minutes=5)
_CHUNK = 200
# The failure codes of runs that waited when the backup was made, and of those that were in flight.
NOT_STARTED, INTERRUPTED = "restored", "restored_in_flight"


async def restore(
    settings: Settings, effects: Effects, file: Path, out: TextIO, *, is_moved: bool = False
) -> int:
    """Replace the database by a backup, and keep the old one. Return the exit code 0.

    With `is_moved`, the bot hasn't run since the backup, so its requests continue. Raises StartupError before
    anything changes.
    """
    manifest, rows = verify(file)
    if manifest.schema != NEWEST:
        raise StartupError(
            f"{file} has the schema {manifest.schema}, and this version of the bot reads {NEWEST}. Restore "
            "it with a version that has this schema (the changelog names them), then upgrade."
        )
    if is_moved and not manifest.stopped:
        raise StartupError(
            f"{file} was made while the bot ran, so its runs may have started since. Stop the bot and make "
            "another backup, or restore this one without --moved."
        )
    ended: Counter[RunState] = Counter()
    async with opened(settings, effects) as (database, coordinator):
        persons = erased_since(datetime.fromisoformat(manifest.made_at), settings.backup_dir, file.parent)

        def replace(connection: Connection) -> None:
            _drop_tables(connection)
            create_tables(connection)
            load(connection, file, rows)
            if not is_moved:
                ended.update(settle(connection, effects.now(), persons))

        make_file(database)
        await require_stopped(database, coordinator)
        before = await _keep_old(database, file, effects.now())
        await require_stopped(database, coordinator)  # on PostgreSQL, one may have started meanwhile
        await database.migrate(replace)
    made_at = datetime.fromisoformat(manifest.made_at).isoformat(timespec="seconds")
    out.write(f"Restored {counted(rows, 'row')} of {made_at} from {file}.\n")
    if not is_moved:
        out.write(
            f"Runs that waited and weren't started: {ended[RunState.REFUSED]}; "
            f"in flight, and not followed any more: {ended[RunState.UNCONFIRMED]}.\n"
        )
        if persons:
            out.write(f"Repeated {counted(len(persons), 'erasure')} of people's data.\n")
    if before is not None:
        out.write(f"The old data is in {before}.\n")
    return 0


async def _keep_old(database: Database, file: Path, now: datetime) -> Path | None:
    """Back up a database beside the file that replaces it. Return the backup, or None of an empty database.

    A damaged SQLite file is renamed instead.
    """
    before = _free(file.with_name(f"{file.name}.before-restore"))
    try:
        if not await database.read(_own_tables):
            return None
        await back_up(database, before, now, stopped=True)
    except StoreUnavailable as error:
        if database.file is None or not is_damaged(error):
            raise
        await database.close()
        before = _free(database.file.with_name(f"{database.file.name}.before-restore"))
        for suffix in ("-wal", "-shm", ""):  # a log that stays would be applied to the new file
            with suppress(FileNotFoundError):
                database.file.with_name(database.file.name + suffix).rename(f"{before}{suffix}")
        make_file(database)
    return before


def _free(path: Path) -> Path:
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.name}-{number}")
    return free


def _drop_tables(connection: Connection) -> None:
    """Drop the bot's tables, those that a backup of the old data has. Raises StartupError."""
    names = {*(table.name for table in tables_in(connection)), alembic_version.name}
    cascade = "" if connection.dialect.name == "sqlite" else "CASCADE"
    for name in names & _own_tables(connection):
        connection.execute(text(f'DROP TABLE "{name}" {cascade}'))


def _own_tables(connection: Connection) -> set[str]:
    """Return the names of the tables. Raises StartupError if they are another program's."""
    found = set(inspect(connection).get_table_names())
    if found and not {"requests", "runs", "messages", alembic_version.name} <= found:
        raise StartupError("The database has tables of another program. Give the bot a database of its own.")
    return found


def settle(connection: Connection, now: datetime, erased: Collection[int] = ()) -> Counter[RunState]:
    """End the runs of a restored backup that hadn't ended, and return how many ended in which state.

    What waited may have been started since, so it ends as not started. What was in flight may have been
    shown, so no result is posted; `/runs` offers those that aren't known as shown. The data of the people who
    erased it since is erased again.
    """
    connection.execute(update(requests).values(lease_owner=None, lease_until=None))
    # Discord may have newer commands than those that the backup knows, so all are sent again.
    connection.execute(update(key_values).where(key_values.c.name.startswith("synced:")).values(value=""))
    ended: Counter[RunState] = Counter()
    open_runs = select_runs().where(runs.c.state.not_in(FINAL)).order_by(runs.c.key)
    for run in [to_run(row) for row in connection.execute(open_runs)]:
        change = _end_of(run, now)
        ended[change.state] += 1
        apply_change(connection, run, change, now)
    # A late success may have been shown since, and deleted.
    connection.execute(update(runs).where(is_any(runs.c.state, FINAL)).values(due_at=None))
    pending = select(messages.c.request_key).where(is_pending).distinct()
    for key in connection.execute(pending).scalars().all():
        _keep_quiet(connection, key, erased)
    for person in sorted(erased):
        while erase_chunk(connection, person, now, _CHUNK):
            pass
    return ended


def _end_of(run: Run, now: datetime) -> Change:
    if run.state in NOT_SUBMITTED and (change := end(run, RunState.REFUSED, now, NOT_STARTED, {})):
        return change
    values = {"failure_code": INTERRUPTED, "failure_params": {}, "ended_at": now, "due_at": None}
    if run.outputs:
        values["partial"] = True
    return Change(RunState.UNCONFIRMED, values, ends_run=True)


def _keep_quiet(connection: Connection, key: str, erased: Collection[int]) -> None:
    """Keep the messenger from posting about a request, unless it is that its runs weren't started."""
    batch, found = runs_of(connection, key), messages_of(connection, key)
    is_erased = batch[0].requester_id in erased
    unstarted = all(run.failure_code == NOT_STARTED for run in batch) and not is_erased
    for message in found.values():
        claim = Claim(lease="", message=message, runs=batch, messages=found)
        shows = wants(claim) if message.purpose is not Purpose.STATUS else Shows.NOTHING
        posts = message.purpose is Purpose.STATUS or decide(message, shows) in (Act.POST, Act.CONTINUE)
        is_told = unstarted and message.purpose is Purpose.OUTCOME
        if message.is_pending and (posts or is_erased) and not is_told:
            which = {"request_key": key, "purpose": message.purpose, "number": message.number}
            offered = message.offered or (message.purpose in OUTCOMES and shows > Shows.NOTICE)
            quiet = {"shown_rev": message.wanted_rev, "attempt": None}
            set_columns(connection, messages, which, {**quiet, "offered": offered})


def erased_since(time: datetime, *folders: Path | None) -> frozenset[int]:
    """Return the people who erased their data after a backup was made, as the files `erased` say."""
    found = set[int]()
    files = [folder / ERASED for folder in folders if folder is not None]
    for file in files:
        for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else ():
            try:
                at, person = line.split()
                if datetime.fromisoformat(at) > time - _ERASURE_SECONDS:
                    found.add(int(person))
            except (ValueError, TypeError):
                raise StartupError(f"{file}: {line!r} is no time and id. Correct or remove it.") from None
    return frozenset(found)
