"""Taking requests in: the decision, the row and its line in the record are one transaction."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Select,
    bindparam,
    case,
    cast,
    func,
    insert,
    literal,
    null,
    select,
    union_all,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.errors import AlreadyTaken
from bot.moderation.people import Person
from bot.moderation.rules import ServerRules
from bot.policy import Allowed, Block, Decision, Refused, Spent, Usage
from bot.request import GenerationRequest
from bot.runs import FINAL, Run, RunState
from bot.store.audit import AuditAction, AuditEntry, note
from bot.store.database import Database
from bot.store.pause import PAUSE_NOTE
from bot.store.rows import Purpose, owe, request_values, run_columns, to_run
from bot.store.server_rules import read_rules
from bot.store.tables import UtcDateTime, blocks, notes, runs

# Given back to the count of runs a day, since nothing came out of them.
_NOTHING_CAME = FINAL - {RunState.SUCCEEDED}
_NEVER = cast(null(), UtcDateTime)
_WAITING = (RunState.WAITING, RunState.AWAITING_APPROVAL)

Decide = Callable[[GenerationRequest, Person, Usage, ServerRules], Decision]


class IntakeStore:
    """Raises StoreUnavailable when the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def accept(
        self, request: GenerationRequest, person: Person, decide: Decide, now: datetime, hold: timedelta
    ) -> Run:
        """Stores the intent, if the rules allow it.

        Raises RefusedError, which stands in the record too, and AlreadyTaken for an interaction that another
        process stored first.

        Exclusive over all processes, so that a budget can't be overdrawn. `hold` keeps the queue call back
        while the interaction is being answered; `release` ends it early, a crash lets it run out.
        """
        try:
            return await self._accept(request, person, decide, now, hold)
        except IntegrityError as error:
            if request.origin.interaction_id is None:
                raise
            raise AlreadyTaken(f"interaction {request.origin.interaction_id}") from error

    async def _accept(
        self, request: GenerationRequest, person: Person, decide: Decide, now: datetime, hold: timedelta
    ) -> Run:
        async with self._database.write(urgent=True) as connection:
            rules = await read_rules(connection, request.origin.guild_id)
            await self._database.lock(connection, "accept")
            usage = await _usage_of(connection, request.origin.guild_id, request.requester_id, now)
            decision = decide(request, person, usage, rules)
            await note(connection, _entry(request, decision, now))
            if isinstance(decision, Allowed):
                return await _store(connection, request, person, decision, now=now, hold=hold)
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
) -> Run:
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
    stored = await connection.execute(_NEW, values)
    if in_review:
        await owe(connection, request.key, Purpose.REVIEW, now + hold, now)
    return to_run(stored.mappings().one())


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


async def _usage_of(
    connection: AsyncConnection, guild_id: int | None, person_id: int, now: datetime
) -> Usage:
    day_start = now.replace(hour=0, minute=0, second=0, microsecond=0)
    whose = {"guild": guild_id, "person": person_id}
    spendings = _SPENT_PRIVATELY if guild_id is None else _SPENT_IN_SERVER
    spent = (await connection.execute(spendings, whose | {"day_start": day_start})).one()
    standing = (await connection.execute(_STANDING, whose)).all()
    blocked = [row for row in standing if row.kind == "block" and (row.until is None or row.until > now)]
    paused = [row for row in standing if row.kind == "pause"]
    return Usage(
        now=now,
        day_end=day_start + timedelta(days=1),
        gpu_seconds_today=float(spent[0]),
        person=Spent(runs=int(spent[1]), gpu_seconds=float(spent[2]), waiting=int(spent[3])),
        server=Spent(runs=int(spent[4]), gpu_seconds=float(spent[5]), waiting=int(spent[6])),
        block=Block(reason=blocked[0].reason, until=blocked[0].until) if blocked else None,
        paused=paused[0].reason if paused else None,
    )


def _standing() -> CompoundSelect[Any]:
    """The bot's pause and the person's block, in one question."""
    pause = select(literal("pause").label("kind"), notes.c.value.label("reason"), _NEVER.label("until"))
    block = select(literal("block"), blocks.c.reason, blocks.c.until)
    return union_all(
        pause.where(notes.c.name == PAUSE_NOTE),
        block.where(blocks.c.guild_id == bindparam("guild"), blocks.c.user_id == bindparam("person")),
    )


def _spendings(here: ColumnElement[bool]) -> Select[Any]:
    """All GPU seconds of today, unweighted; then runs, weighted seconds and what waits, of the person in
    this server and of the server. What still runs counts as reserved; what waits counts from any day."""
    today = runs.c.created_at >= bindparam("day_start")
    mine = here & (runs.c.requester_id == bindparam("person"))
    open_run = runs.c.state.not_in(FINAL)
    taken = case(
        (runs.c.run_duration.is_not(None), runs.c.run_duration),
        (open_run, runs.c.reserved_seconds / runs.c.weight),
        else_=0.0,
    )
    charged = case(
        (runs.c.charged_seconds.is_not(None), runs.c.charged_seconds),
        (open_run, runs.c.reserved_seconds),
        else_=0.0,
    )
    waiting = runs.c.state.in_(_WAITING)
    came = runs.c.state.not_in(_NOTHING_CAME)
    sums: list[ColumnElement[Any]] = [_sum(today, taken)]
    for whose in (mine, here):
        sums += [_sum(whose & today & came, 1), _sum(whose & today, charged), _sum(whose & waiting, 1)]
    return select(*sums).where(today | waiting)


def _sum(condition: ColumnElement[bool], value: ColumnElement[Any] | int) -> ColumnElement[Any]:
    return func.coalesce(func.sum(case((condition, value), else_=0)), 0)


# Built once: putting such a question together takes longer than the answer.
_STANDING = _standing()
_SPENT_IN_SERVER = _spendings(runs.c.guild_id == bindparam("guild"))
_SPENT_PRIVATELY = _spendings(runs.c.guild_id.is_(None))
_NEW = insert(runs).returning(*run_columns())
