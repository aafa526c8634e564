"""Taking requests in: the decision, the row and its line in the record are one transaction."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import Select, case, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.moderation.people import Person
from bot.moderation.rules import ServerRules
from bot.policy import Allowed, Block, Decision, Refused, Spent, Usage
from bot.request import GenerationRequest
from bot.runs import FINAL, Run, RunState
from bot.store.audit import AuditAction, AuditEntry, note
from bot.store.database import Database
from bot.store.rows import Purpose, owe, request_values, run_columns, to_run
from bot.store.server_rules import read_rules
from bot.store.tables import blocks, notes, runs

PAUSE_NOTE = "pause"
# Given back to the count of runs a day, since nothing came out of them.
_NOTHING_CAME = FINAL - {RunState.SUCCEEDED}
_WAITING = (RunState.WAITING, RunState.AWAITING_APPROVAL)

Decide = Callable[[GenerationRequest, Person, Usage, ServerRules], Decision]


class IntakeStore:
    """Raises StoreUnavailable when the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def accept(
        self, request: GenerationRequest, person: Person, decide: Decide, now: datetime, hold: timedelta
    ) -> Run:
        """Stores the intent, if the rules allow it. Raises RefusedError, which stands in the record too.

        Exclusive over all processes, so that a budget can't be overdrawn. `hold` keeps the queue call back
        while the interaction is being answered; `release` ends it early, a crash lets it run out.
        """
        async with self._database.exclusive("accept") as connection:
            rules = await read_rules(connection, request.origin.guild_id)
            usage = await _usage(connection, request, now)
            decision = decide(request, person, usage, rules)
            if isinstance(decision, Allowed):
                await _store(connection, request, person, decision, now=now, hold=hold)
            await note(connection, _entry(request, decision, now))
            if isinstance(decision, Allowed):
                found = await connection.execute(select(*run_columns()).where(runs.c.key == request.key))
                return to_run(found.mappings().one())
        raise decision.reason

    async def usage_of(self, guild_id: int | None, person_id: int, now: datetime) -> Usage:
        """What counts against a person's and the server's budgets today."""
        async with self._database.read() as connection:
            return await _usage_of(connection, guild_id, person_id, now)


async def _store(
    connection: AsyncConnection,
    request: GenerationRequest,
    person: Person,
    terms: Allowed,
    *,
    now: datetime,
    hold: timedelta,
) -> None:
    in_review = terms.review_channel_id is not None
    values = request_values(request, now) | {
        "state": RunState.AWAITING_APPROVAL if in_review else RunState.WAITING,
        "due_at": terms.approval_ends if in_review else now + hold,
        "person_limit": terms.limits.at_once,
        "server_limit": terms.limits.server_at_once,
        "weight": terms.weight,
        "reserved_seconds": terms.reserved_seconds,
        "spoiler": terms.spoiler,
        "review_channel_id": terms.review_channel_id,
        "requester_joined_at": person.joined_at,
    }
    await connection.execute(insert(runs).values(values))
    if in_review:
        await owe(connection, request.key, Purpose.REVIEW, now + hold, now)


def _entry(request: GenerationRequest, decision: Decision, now: datetime) -> AuditEntry:
    refused = isinstance(decision, Refused)
    return AuditEntry(
        at=now,
        guild_id=request.origin.guild_id,
        actor_id=request.requester_id,
        subject_id=request.requester_id,
        action=AuditAction.REFUSAL if refused else AuditAction.REQUEST,
        run_key=None if refused else request.key,
        deployment=request.deployment,
        outcome=decision.reason.code if isinstance(decision, Refused) else None,
        details={"gpu": request.gpu} if request.gpu else {},
    )


async def _usage(connection: AsyncConnection, request: GenerationRequest, now: datetime) -> Usage:
    return await _usage_of(connection, request.origin.guild_id, request.requester_id, now)


async def _usage_of(
    connection: AsyncConnection, guild_id: int | None, person_id: int, now: datetime
) -> Usage:
    day_start = now.replace(hour=0, minute=0, second=0, microsecond=0)
    here = runs.c.guild_id == guild_id if guild_id is not None else runs.c.guild_id.is_(None)
    mine = here & (runs.c.requester_id == person_id)
    return Usage(
        now=now,
        day_end=day_start + timedelta(days=1),
        gpu_seconds_today=float(await connection.scalar(_all_seconds(day_start)) or 0),
        person=await _spent(connection, _spendings(day_start).where(mine)),
        server=await _spent(connection, _spendings(day_start).where(here)),
        block=await _block(connection, guild_id, person_id, now),
        paused=await connection.scalar(select(notes.c.value).where(notes.c.name == PAUSE_NOTE)),
    )


def _all_seconds(day_start: datetime) -> Select[float]:
    """Unweighted; what runs is taken as reserved at weight 1."""
    seconds = case(
        (runs.c.run_duration.is_not(None), runs.c.run_duration),
        (runs.c.state.not_in(FINAL), runs.c.reserved_seconds / runs.c.weight),
        else_=0.0,
    )
    return select(func.coalesce(func.sum(seconds), 0.0)).where(runs.c.created_at >= day_start)


def _spendings(day_start: datetime) -> Select[int, float, int]:
    """Runs of today, weighted seconds of today, and what waits, whenever it was asked for."""
    today = runs.c.created_at >= day_start
    seconds = case(
        (runs.c.charged_seconds.is_not(None), runs.c.charged_seconds),
        (runs.c.state.not_in(FINAL), runs.c.reserved_seconds),
        else_=0.0,
    )
    counted = case((today & runs.c.state.not_in(_NOTHING_CAME), 1), else_=0)
    waiting = case((runs.c.state.in_(_WAITING), 1), else_=0)
    return select(
        func.coalesce(func.sum(counted), 0),
        func.coalesce(func.sum(case((today, seconds), else_=0.0)), 0.0),
        func.coalesce(func.sum(waiting), 0),
    ).where(today | runs.c.state.in_(_WAITING))


async def _spent(connection: AsyncConnection, query: Select[int, float, int]) -> Spent:
    row = (await connection.execute(query)).one()
    return Spent(runs=int(row[0]), gpu_seconds=float(row[1]), waiting=int(row[2]))


async def _block(
    connection: AsyncConnection, guild_id: int | None, person_id: int, now: datetime
) -> Block | None:
    found = await connection.execute(
        select(blocks.c.reason, blocks.c.until).where(
            blocks.c.guild_id == guild_id, blocks.c.user_id == person_id
        )
    )
    row = found.first()
    if row is None or (row.until is not None and row.until <= now):
        return None
    return Block(reason=row.reason, until=row.until)
