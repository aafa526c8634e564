"""Read today's usage and the active runs.

A run counts on the day it starts. A waiting run reserves its share of today's budget, no matter when it was
requested. But runs that wait on other servers reserve nothing of the operator's limit, because a server's
owner decides how many may wait, and for how long.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    CompoundSelect,
    Connection,
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

from bot.database.column_types import UtcDateTime
from bot.database.engine import Database, reads
from bot.database.tables import WITH_REQUEST, blocks, key_values, requests, runs
from bot.domain.budgets import MADE_NOTHING, Block, Running, Spending, Usage, budget_day
from bot.domain.policy import Allowed
from bot.domain.runs import FINAL, IN_FLIGHT, NOT_SUBMITTED
from bot.store.rules import PAUSE_KEY

_NEVER = cast(null(), UtcDateTime)
_NOBODY = cast(null(), blocks.c.user_id.type)

_PERSONS: BindParameter[Any] = bindparam("persons", expanding=True)


@dataclass(slots=True, kw_only=True)
class UsageTally:
    """The usage of one day, on one server or outside servers.

    The tally includes the reservations of runs that wait there. It is read once for a group of requests, and
    each accepted request is then added to it. `seconds` are the unweighted GPU seconds used on all servers.
    """

    day: datetime
    seconds: float
    server: Spending
    persons: dict[int, Spending]
    blocked: Mapping[int, Block]
    paused: str | None

    def of(self, user_id: int, now: datetime) -> Usage:
        """Return the usage that counts when a user's request is judged."""
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
        """Return a copy to which requests can be added without changing this tally."""
        return replace(self, persons=dict(self.persons))

    def add(self, user_id: int, terms: Allowed) -> None:
        """Add a request accepted in this transaction, exactly as reading it back would count it."""
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


def read_started(
    connection: Connection, guild_id: int | None, person_id: int, day: datetime
) -> tuple[float, Spending, Spending]:
    """Read the usage of the runs that were started on a day.

    Returns the unweighted GPU seconds on all servers, then the spending of the user and of the server.
    """
    whose = {"guild": guild_id, "persons": [person_id], **_bounds(day)}
    started = STARTED_PRIVATELY if guild_id is None else STARTED_IN_SERVER
    rows = connection.execute(started, whose).all()
    own = [row for row in rows if row.person is not None]
    return sum(float(row.taken) for row in rows), _spent(own), _spent(rows)


def read_tally(
    connection: Connection, guild_id: int | None, person_ids: Iterable[int], day: datetime
) -> UsageTally:
    """Read the usage of some users.

    To decide about requests, call this in a transaction that excludes all others that accept requests.
    """
    whose = {"guild": guild_id, "persons": sorted(set(person_ids))}
    spendings = RESERVED_PRIVATELY if guild_id is None else RESERVED_IN_SERVER
    rows = (connection.execute(spendings, {**whose, **_bounds(day)})).all()
    standing = connection.execute(_STANDING, whose).all()
    paused = [row.reason for row in standing if row.person is None]
    return UsageTally(
        day=day,
        seconds=sum(float(row.taken) for row in rows),
        server=_spent(rows),
        persons={row.person: _spent([row]) for row in rows if row.person is not None},
        blocked={
            row.person: Block(reason=row.reason, until=row.until)
            for row in standing
            if row.person is not None
        },
        paused=paused[0] if paused else None,
    )


def _bounds(day: datetime) -> Mapping[str, datetime]:
    return {"day_start": day, "day_end": day + timedelta(days=1)}


def _spent(rows: Sequence[Any]) -> Spending:
    return Spending(
        runs=sum(int(row.runs) for row in rows),
        gpu_seconds=sum(float(row.charged) for row in rows),
        waiting=sum(int(row.waiting) for row in rows),
    )


def _standing() -> CompoundSelect[Any]:
    """Select the bot's pause, as a row without a user, and the users' blocks."""
    pause = select(_NOBODY.label("person"), key_values.c.value.label("reason"), _NEVER.label("until"))
    block = select(blocks.c.user_id, blocks.c.reason, blocks.c.until)
    return union_all(
        pause.where(key_values.c.name == PAUSE_KEY),
        block.where(blocks.c.guild_id == bindparam("guild"), blocks.c.user_id.in_(_PERSONS)),
    )


def _spendings(here: ColumnElement[bool], *, reserved: bool) -> Select[Any]:
    """Select a row for each user, and one that sums up all other runs.

    `taken` are today's unweighted GPU seconds on all servers. `runs`, the weighted seconds `charged`, and
    `waiting` are of this server. A run without a duration counts what it was charged, or, until it is
    settled, its reserved seconds. With `reserved`, the runs that wait here are included, no matter when they
    were requested.
    """
    mine = here & requests.c.requester_id.in_(_PERSONS)
    person = case((mine, requests.c.requester_id), else_=null()).label("person")
    unsettled = or_(runs.c.state.not_in(FINAL), runs.c.due_at.is_not(None))
    taken = case(
        (runs.c.run_duration.is_not(None), runs.c.run_duration),
        (runs.c.charged_seconds.is_not(None), runs.c.charged_seconds / requests.c.weight),
        (unsettled, runs.c.reserved_seconds / requests.c.weight),
        else_=0.0,
    )
    charged = case(
        (runs.c.charged_seconds.is_not(None), runs.c.charged_seconds),
        (unsettled, runs.c.reserved_seconds),
        else_=0.0,
    )
    # The upper bound leaves out runs that started while the clock was ahead; they count on their own day.
    started = (runs.c.submitted_at >= bindparam("day_start")) & (runs.c.submitted_at < bindparam("day_end"))
    waiting = runs.c.state.in_(NOT_SUBMITTED)
    came = or_(runs.c.state.not_in(MADE_NOTHING), runs.c.partial)
    sums = [
        func.coalesce(func.sum(taken), 0).label("taken"),
        _sum(here & came, literal(1)).label("runs"),
        _sum(here, charged).label("charged"),
        _sum(here & waiting, literal(1)).label("waiting"),
    ]
    return (
        select(person, *sums)
        .select_from(WITH_REQUEST)
        .where(started | (here & waiting) if reserved else started)
        .group_by("person")
    )


def _sum(condition: ColumnElement[bool], value: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.coalesce(func.sum(case((condition, value), else_=0)), 0)


# Built once, because SQLAlchemy caches a statement's SQL, but not the work of building it.
_STANDING = _standing()
_IN_SERVER = requests.c.guild_id == bindparam("guild")
_PRIVATELY = requests.c.guild_id.is_(None)
RESERVED_IN_SERVER, RESERVED_PRIVATELY = (
    _spendings(here, reserved=True) for here in (_IN_SERVER, _PRIVATELY)
)
STARTED_IN_SERVER, STARTED_PRIVATELY = (_spendings(here, reserved=False) for here in (_IN_SERVER, _PRIVATELY))


class UsageStore:
    """Reads usage and active runs. Every method raises StoreUnavailable if the database doesn't answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @reads
    def today(self, connection: Connection, guild_id: int | None, user_id: int, now: datetime) -> Usage:
        """Return a user's and the server's usage today, and any block or pause that forbids requests."""
        tally = read_tally(connection, guild_id, [user_id], budget_day(now))
        return tally.of(user_id, now)

    @reads
    def running(self, connection: Connection, guild_id: int | None, user_id: int) -> Running:
        """Return how many runs a user has in flight on a server, and how many the whole server has.

        If `guild_id` is None, both numbers count the runs outside servers.
        """
        here = requests.c.guild_id == guild_id if guild_id is not None else requests.c.guild_id.is_(None)
        own = func.sum(case((requests.c.requester_id == user_id, 1), else_=0))
        query = (
            select(func.coalesce(own, 0), func.count())
            .select_from(WITH_REQUEST)
            .where(runs.c.state.in_(IN_FLIGHT), here)
        )
        person, server = connection.execute(query).one()
        return Running(int(person), int(server))
