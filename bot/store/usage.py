"""What counts against the budgets: read once for all who are judged together, then kept by addition."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    CompoundSelect,
    Select,
    bindparam,
    case,
    cast,
    func,
    literal,
    null,
    or_,
    select,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.database.engine import Database
from bot.database.tables import UtcDateTime, blocks, deliveries, key_values, runs
from bot.domain.budgets import Block, Running, Spending, Usage, budget_day
from bot.domain.policy import Allowed
from bot.domain.runs import FINAL, IN_FLIGHT, OUTCOME_PURPOSES, DeliveryState, RunState
from bot.store.rules import PAUSE_NOTE

# Given back to the count of runs a day, since nothing came out of them.
_NOTHING_CAME = FINAL - {RunState.SUCCEEDED}
_NEVER = cast(null(), UtcDateTime)
_NOBODY = cast(null(), blocks.c.user_id.type)

_PERSONS: BindParameter[Any] = bindparam("persons", expanding=True)

_WAITING = (RunState.WAITING, RunState.AWAITING_APPROVAL)


@dataclass(slots=True, kw_only=True)
class UsageTally:
    """The usage of one server's people, or of those outside servers, on one day. `seconds` are the bot's."""

    day: datetime
    seconds: float
    server: Spending
    persons: dict[int, Spending]
    blocked: Mapping[int, Block]
    paused: str | None

    def of(self, user_id: int, now: datetime) -> Usage:
        """As the person is judged by."""
        block = self.blocked.get(user_id)
        if block is not None and block.until is not None and block.until <= now:
            block = None
        return Usage(
            now=now,
            day_end=self.day + timedelta(days=1),
            gpu_seconds_today=self.seconds,
            person=self.persons.get(user_id, Spending()),
            server=self.server,
            block=block,
            paused=self.paused,
        )

    def copy(self) -> UsageTally:
        """To count on without touching this one."""
        return replace(self, persons=dict(self.persons))

    def add(self, user_id: int, terms: Allowed) -> None:
        """One more was accepted in this transaction: counted as reading it back would count it."""
        self.seconds += terms.reserved_seconds / terms.weight
        self.server = _one_more(self.server, terms)
        self.persons[user_id] = _one_more(self.persons.get(user_id, Spending()), terms)


def _one_more(spent: Spending, terms: Allowed) -> Spending:
    return replace(
        spent,
        runs=spent.runs + 1,
        gpu_seconds=spent.gpu_seconds + terms.reserved_seconds,
        waiting=spent.waiting + 1,
    )


async def read_tally(
    connection: AsyncConnection, guild_id: int | None, person_ids: Iterable[int], day: datetime
) -> UsageTally:
    """Of these persons; where others wait to be judged, in a transaction that excludes them."""
    whose = {"guild": guild_id, "persons": sorted(set(person_ids))}
    spendings = _SPENT_PRIVATELY if guild_id is None else _SPENT_IN_SERVER
    rows = (await connection.execute(spendings, whose | {"day_start": day})).all()
    standing = (await connection.execute(_STANDING, whose)).all()
    paused = [row.reason for row in standing if row.person is None]
    return UsageTally(
        day=day,
        seconds=sum(float(row[1]) for row in rows),
        server=_spent(rows),
        persons={row[0]: _spent([row]) for row in rows if row[0] is not None},
        blocked={
            row.person: Block(reason=row.reason, until=row.until)
            for row in standing
            if row.person is not None
        },
        paused=paused[0] if paused else None,
    )


def _spent(rows: Sequence[Any]) -> Spending:
    return Spending(
        runs=sum(int(row[2]) for row in rows),
        gpu_seconds=sum(float(row[3]) for row in rows),
        waiting=sum(int(row[4]) for row in rows),
    )


def _standing() -> CompoundSelect[Any]:
    """The bot's pause, which is nobody's, and the persons' blocks, in one question."""
    pause = select(_NOBODY.label("person"), key_values.c.value.label("reason"), _NEVER.label("until"))
    block = select(blocks.c.user_id, blocks.c.reason, blocks.c.until)
    return union_all(
        pause.where(key_values.c.name == PAUSE_NOTE),
        block.where(blocks.c.guild_id == bindparam("guild"), blocks.c.user_id.in_(_PERSONS)),
    )


def _spendings(here: ColumnElement[bool]) -> Select[Any]:
    """A row for each of the persons and one for all others: all GPU seconds of today, unweighted; then runs,
    weighted seconds and what waits, in this server. What still runs, or has ended and will be asked about,
    counts as reserved; what waits counts from any day."""
    mine = here & runs.c.requester_id.in_(_PERSONS)
    who = case((mine, runs.c.requester_id), else_=null()).label("who")
    today = runs.c.created_at >= bindparam("day_start")
    unsettled = or_(runs.c.state.not_in(FINAL), runs.c.due_at.is_not(None))
    taken = case(
        (runs.c.run_duration.is_not(None), runs.c.run_duration),
        (unsettled, runs.c.reserved_seconds / runs.c.weight),
        else_=0.0,
    )
    charged = case(
        (runs.c.charged_seconds.is_not(None), runs.c.charged_seconds),
        (unsettled, runs.c.reserved_seconds),
        else_=0.0,
    )
    waiting = runs.c.state.in_(_WAITING)
    came = runs.c.state.not_in(_NOTHING_CAME)
    sums = [
        _sum(today, taken),
        _sum(here & today & came, literal(1)),
        _sum(here & today, charged),
        _sum(here & waiting, literal(1)),
    ]
    return select(who, *sums).where(today | waiting).group_by("who")


def _sum(condition: ColumnElement[bool], value: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.coalesce(func.sum(case((condition, value), else_=0)), 0)


# Built once: putting such a question together takes longer than the answer.
_STANDING = _standing()
_SPENT_IN_SERVER = _spendings(runs.c.guild_id == bindparam("guild"))
_SPENT_PRIVATELY = _spendings(runs.c.guild_id.is_(None))


class RunningStore:
    """Raises StoreUnavailable when the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def count(self, guild_id: int | None, user_id: int) -> Running:
        """`guild_id` None: direct messages."""
        here = runs.c.guild_id == guild_id if guild_id is not None else runs.c.guild_id.is_(None)
        own = func.sum(case((runs.c.requester_id == user_id, 1), else_=0))
        query = select(func.coalesce(own, 0), func.count()).where(runs.c.state.in_(IN_FLIGHT), here)
        async with self._database.read() as connection:
            person, server = (await connection.execute(query)).one()
            return Running(int(person), int(server))


_OPEN = tuple(sorted(set(RunState) - FINAL))


@dataclass(frozen=True, slots=True)
class Gauges:
    """`runs` by (deployment, state), those that have not ended. `oldest`: since when an outcome is owed."""

    runs: Mapping[tuple[str, str], int]
    owed: int
    kept: int
    oldest: datetime | None
    gpu_seconds_today: float


class GaugeStore:
    """Raises StoreUnavailable when the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, now: datetime) -> Gauges:
        async with self._database.read() as connection:
            counted = await connection.execute(_RUNS)
            owed = (await connection.execute(_OWED)).all()
            states = {row.state: row for row in owed}
            tally = await read_tally(connection, None, (), budget_day(now))
            pending, kept = states.get(DeliveryState.PENDING), states.get(DeliveryState.UNDELIVERED)
            return Gauges(
                runs={(row.deployment, row.state): row.number for row in counted},
                owed=pending.number if pending else 0,
                kept=kept.number if kept else 0,
                oldest=pending.oldest if pending else None,
                gpu_seconds_today=tally.seconds,
            )


_RUNS = (
    select(runs.c.deployment, runs.c.state, func.count().label("number"))
    .where(runs.c.state.in_(_OPEN))
    .group_by(runs.c.deployment, runs.c.state)
)
_OWED = (
    select(
        deliveries.c.state,
        func.count().label("number"),
        func.min(deliveries.c.created_at).label("oldest"),
    )
    .where(
        deliveries.c.state.in_((DeliveryState.PENDING, DeliveryState.UNDELIVERED)),
        deliveries.c.purpose.in_(tuple(sorted(OUTCOME_PURPOSES))),
    )
    .group_by(deliveries.c.state)
)
