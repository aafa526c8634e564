"""The runs: accepting, recording what happened, ending. Each change is one transaction, so a kill leaves
either all of it or none; the row count of its conditional UPDATE says who won."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from operator import itemgetter

from sqlalchemy import RowMapping, bindparam, case, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.errors import BotError
from bot.policy import RESERVED_SECONDS, Decision, Refused, Usage
from bot.request import GenerationRequest
from bot.runs import FINAL, REVIVABLE, Run, RunReport, RunState
from bot.store.database import Database
from bot.store.rows import (
    DeliveryState,
    Purpose,
    nothing_shown,
    owe,
    request_values,
    run_columns,
    to_run,
)
from bot.store.tables import deliveries, runs
from bot.transitions import Change, apply_report, belongs, end

# Built once: putting forty columns together takes longer than the query.
_BY_KEY = select(*run_columns()).where(runs.c.key == bindparam("wanted"))
_BY_KEY_LOCKED = _BY_KEY.with_for_update()
_NEW = insert(runs).returning(*run_columns())


class ForeignReport(BotError):
    """A report under a run's key that names another run of ComfyDeploy's."""


class RunStore:
    """Reads and changes runs. Every method raises StoreUnavailable when the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def accept(
        self,
        request: GenerationRequest,
        decide: Callable[[GenerationRequest, Usage], Decision],
        now: datetime,
        hold: timedelta,
    ) -> Run:
        """Stores the intent, if the rules allow it. Raises RefusedError.

        The decision and the row are one exclusive transaction. `hold` keeps the queue call back while the
        interaction is being answered; `release` ends it early, a crash lets it run out.
        """
        async with self._database.exclusive("accept", urgent=True) as connection:
            decision = decide(request, await _usage(connection, now))
            if isinstance(decision, Refused):
                raise decision.reason
            values = request_values(request, now) | {"state": RunState.WAITING, "due_at": now + hold}
            stored = await connection.execute(_NEW, values)
            return to_run(stored.mappings().one())

    async def release(self, key: str, status_message_id: int | None, now: datetime) -> None:
        """The interaction is answered: the queue call may go out, the status message is known."""
        async with self._database.write() as connection:
            due_at = case((runs.c.state == RunState.WAITING, now), else_=runs.c.due_at)
            await connection.execute(
                update(runs)
                .where(runs.c.key == key)
                .values(status_message_id=status_message_id, due_at=due_at)
            )

    async def withdraw(self, key: str) -> bool:
        """Takes back a request whose interaction was not answered; False when it has gone out already."""
        async with self._database.write() as connection:
            result = await connection.execute(
                runs.delete().where(
                    runs.c.key == key, runs.c.state == RunState.WAITING, runs.c.submissions == 0
                )
            )
            return result.rowcount == 1

    async def get(self, key: str) -> Run | None:
        async with self._database.read() as connection:
            row = await _find(connection, key)
            return to_run(row) if row is not None else None

    async def record(
        self, key: str, report: RunReport, now: datetime, next_check: datetime, *, asked: bool = False
    ) -> Change | None:
        """The one door for everything ComfyDeploy says. None when it changes nothing.

        Raises KeyError for an unknown key, ForeignReport when the key belongs to another run of theirs.
        """
        async with self._database.write() as connection:
            run = to_run(await locked_row(connection, key))
            if not belongs(run, report):
                raise ForeignReport(f"run {key} is {run.run_id}, not {report.run_id}")
            change = apply_report(run, report, now, asked=asked)
            if change is None:
                return None
            values = {"due_at": next_check, "checks": 0, **change.values}
            if run.state in FINAL - REVIVABLE:
                values["due_at"] = None
            await apply_change(connection, run, change, values, now)
            return change

    async def finish(
        self,
        key: str,
        target: RunState,
        now: datetime,
        *,
        code: str,
        params: Mapping[str, object] | None = None,
    ) -> Run | None:
        """Our own verdict. None when it came too late (the run is elsewhere by now)."""
        async with self._database.write() as connection:
            run = to_run(await locked_row(connection, key))
            change = end(run, target, now, code, params or {})
            if change is None:
                return None
            await apply_change(connection, run, change, dict(change.values), now)
            return run

    async def request_cancel(self, key: str, now: datetime) -> Run | None:
        """Notes the wish to cancel and returns the run as it was; a run that waits here ends at once."""
        async with self._database.write() as connection:
            run = to_run(await locked_row(connection, key))
            if run.final:
                return run
            wish: dict[str, object] = {"cancel_requested_at": run.cancel_requested_at or now}
            change = end(run, RunState.CANCELLED, now, "cancelled_by_requester", {})
            if run.state in (RunState.WAITING, RunState.AWAITING_APPROVAL) and change is not None:
                await apply_change(connection, run, change, wish | dict(change.values), now)
            else:
                values = wish | ({"due_at": now} if run.run_id else {})
                await apply_change(connection, run, Change(run.state, visible=True), values, now)
            return run

    async def refuse_cancel(self, key: str) -> None:
        """ComfyDeploy can't stop this run: the wish is taken back, and the status message says so."""
        async with self._database.write() as connection:
            await connection.execute(
                update(runs)
                .where(runs.c.key == key, runs.c.state.not_in(FINAL))
                .values(cancel_requested_at=None, note="not_cancellable", rev=runs.c.rev + 1)
            )

    async def explain(self, key: str, code: str, params: Mapping[str, object]) -> None:
        """Adds the reason to a failure that came without one, if nobody has been told yet."""
        async with self._database.write() as connection:
            told = select(deliveries.c.id).where(deliveries.c.run_key == key, ~nothing_shown())
            await connection.execute(
                update(runs)
                .where(runs.c.key == key, runs.c.state == RunState.FAILED, ~told.exists())
                .values(failure_code=code, failure_params=dict(params))
            )

    async def forget_answer(self, key: str) -> None:
        """The command's answer has done its work, and with it the interaction's token."""
        async with self._database.write() as connection:
            await connection.execute(
                update(runs)
                .where(runs.c.key == key)
                .values(status_message_id=None, interaction_token=None, interaction_expires_at=None)
            )

    async def save_progress(self, news: Mapping[str, RunReport], now: datetime) -> None:
        """Progress of many runs at once; older news than what is stored is passed over by `apply_report`."""
        async with self._database.write() as connection:
            # Locked, and in one order everywhere, so that two processes neither lose news nor deadlock.
            for key, report in sorted(news.items(), key=itemgetter(0)):
                row = await _find(connection, key, lock=True)
                run = to_run(row) if row is not None else None
                if run is None or run.state is not report.state or not belongs(run, report):
                    continue
                change = apply_report(run, report, now)
                if change is not None:
                    await apply_change(connection, run, change, dict(change.values), now)


async def _usage(connection: AsyncConnection, now: datetime) -> Usage:
    day_start = now.replace(hour=0, minute=0, second=0, microsecond=0)
    seconds = case(
        (runs.c.run_duration.is_not(None), runs.c.run_duration),
        (runs.c.state.in_([s for s in RunState if s not in FINAL]), RESERVED_SECONDS),
        else_=0.0,
    )
    total = await connection.scalar(
        select(func.coalesce(func.sum(seconds), 0.0)).where(runs.c.created_at >= day_start)
    )
    return Usage(gpu_seconds_today=float(total or 0), day_end=day_start + timedelta(days=1))


async def _find(connection: AsyncConnection, key: str, *, lock: bool = False) -> RowMapping | None:
    result = await connection.execute(_BY_KEY_LOCKED if lock else _BY_KEY, {"wanted": key})
    return result.mappings().first()


async def locked_row(connection: AsyncConnection, key: str) -> RowMapping:
    """The run's row, locked until the transaction ends. Raises KeyError."""
    row = await _find(connection, key, lock=True)
    if row is None:
        raise KeyError(key)
    return row


async def apply_change(
    connection: AsyncConnection, run: Run, change: Change, values: dict[str, object], now: datetime
) -> None:
    """The conditional UPDATE, and the message it owes."""
    values["state"] = change.state
    if change.visible:
        values["rev"] = runs.c.rev + 1
    result = await connection.execute(
        update(runs).where(runs.c.key == run.key, runs.c.state == run.state).values(values)
    )
    if result.rowcount != 1 or not change.owed:
        return
    purpose = Purpose.OUTCOME
    if run.state in REVIVABLE:
        # The verdict that nobody has seen yet is simply replaced: the courier shows the run as it is then.
        untold = select(deliveries.c.id).where(deliveries.c.run_key == run.key, nothing_shown())
        if await connection.scalar(untold) is not None:
            return
        await _close_verdict(connection, run.key, now)
        purpose = Purpose.LATE
    await owe(connection, run.key, purpose, change.owed_at or now, now)


async def _close_verdict(connection: AsyncConnection, key: str, now: datetime) -> None:
    """A verdict seen in part or under way is done with: its next try would show the success a second time."""
    await connection.execute(
        update(deliveries)
        .where(deliveries.c.run_key == key, deliveries.c.state == DeliveryState.PENDING)
        .values(state=DeliveryState.SENT, done_at=now, lease_owner=None, lease_until=None)
    )
