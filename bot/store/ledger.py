"""The ledger: what each person and the whole bot used on each day.

A run is charged to its person when it is accepted or approved, and to the whole bot when it is claimed, in
both cases with its reservation. Each later change of its cost is posted as a difference, on the day that the
run is charged to, so posting it twice changes nothing. What a server used is the sum over its people.

Today's use is never forgotten: neither by retention nor by an erasure.

These rows are locked after runs and messages: first those of a person, by day, then the whole bot's, with
the last statement of the transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, bindparam, case, delete, func, or_, select

from bot.database.rows import insert_new, set_columns
from bot.database.tables import is_any, runs, usage
from bot.domain.policy import GIVEN_BACK_A_DAY, Spending, Usage, budget_day
from bot.domain.runs import IN_FLIGHT, Charge, Run

# The server of what happens outside servers and, as a person of that server, the whole bot.
_NONE = 0
# A run may be settled days after it was charged: it can execute for a day, and be reported late.
_KEPT = timedelta(days=7)
_FIELDS = frozenset(field.name for field in fields(Run))
# A person's failures count as runs, apart from the first ones of a day.
_COUNTED = usage.c.runs + case(
    (usage.c.failures > GIVEN_BACK_A_DAY, usage.c.failures - GIVEN_BACK_A_DAY), else_=0
)
_IS_OWN = usage.c.person_id == bindparam("of_person")
_IS_BOT = and_(usage.c.guild_id == _NONE, usage.c.person_id == _NONE)


def _sum(column: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.coalesce(func.sum(column), 0)


# The use of a person, of their server, and of the whole bot, whose row has neither runs nor weighted seconds.
TODAY = select(
    _sum(case((_IS_OWN, _COUNTED))),
    _sum(case((_IS_OWN, usage.c.weighted_seconds))),
    _sum(_COUNTED),
    _sum(usage.c.weighted_seconds),
    _sum(case((_IS_BOT, usage.c.seconds))),
).where(usage.c.day == bindparam("of_day"), or_(usage.c.guild_id == bindparam("of_guild"), _IS_BOT))
_EXECUTING = select(
    runs.c.guild_id, runs.c.requester_id, runs.c.started_at, runs.c.reserved_seconds, runs.c.weight
).where(
    is_any(runs.c.state, IN_FLIGHT), runs.c.started_at.is_not(None), runs.c.charged_on == bindparam("of_day")
)


def read_today(connection: Connection, guild_id: int | None, person_id: int, now: datetime) -> Usage:
    """Return what the ledger says about today. A run in flight counts at least the time that it has used."""
    day, guild = budget_day(now), guild_id or _NONE
    values = {"of_day": day, "of_guild": guild, "of_person": person_id}
    own_runs, own, server_runs, server, bot = connection.execute(TODAY, values).one()
    for run in connection.execute(_EXECUTING, {"of_day": day}):
        more = max(0.0, (now - run.started_at).total_seconds() - run.reserved_seconds)
        bot += more
        if (run.guild_id or _NONE) == guild:
            server += more * run.weight
            own += more * run.weight if run.requester_id == person_id else 0
    return Usage(
        now=now,
        gpu_seconds_today=bot,
        person=Spending(int(own_runs), own),
        server=Spending(int(server_runs), server),
    )


def charge(connection: Connection, batch: Sequence[Run]) -> None:
    """Charge the new runs of a batch to their person."""
    for run in batch:
        if run.charged_on is not None:
            _add(connection, _key(run.charged_on, run.guild_id, run.requester_id), run.charge)


def by_day(batch: Iterable[Run]) -> list[Run]:
    """Return runs of one person in the order in which a transaction must post their changes."""
    return sorted(batch, key=lambda run: run.charged_on or date.min)


def post(connection: Connection, run: Run, changes: Mapping[str, Any]) -> None:
    """Post what a change to a locked run makes of its cost.

    `run` is the run before the change, and `changes` maps its fields, and maybe other columns, to values.
    """
    after = replace(run, **{name: value for name, value in changes.items() if name in _FIELDS})
    old, new = run.charge, after.charge
    before, day, difference = run.charged_on, after.charged_on, _minus(new, old)
    by_date = {day: difference} if before == day else {before: _minus(Charge(), old), day: new}
    for on, more in sorted((on, more) for on, more in by_date.items() if on is not None):
        if any(more[:-1]):
            _add(connection, _key(on, run.guild_id, run.requester_id), more)
    if day is not None and difference.started:
        _add(connection, _key(day, None, _NONE), Charge(seconds=difference.started))


def _add(connection: Connection, key: Mapping[str, object], more: Charge) -> None:
    """Add to a row of the ledger, which is created first if there is none, unless something is taken off."""
    add = {
        "runs": more.runs,
        "failures": more.failures,
        "seconds": more.seconds,
        "weighted_seconds": more.weighted,
    }
    if not set_columns(connection, usage, key, {}, add) and more.seconds > 0:
        insert_new(connection, usage, [{**key, **dict.fromkeys(add, 0)}])
        set_columns(connection, usage, key, {}, add)


def _key(day: date, guild_id: int | None, person_id: int) -> dict[str, object]:
    return {"day": day, "guild_id": guild_id or _NONE, "person_id": person_id}


def _minus(new: Charge, old: Charge) -> Charge:
    # Rounded, because 0.3 - 0.1 isn't exactly 0.2.
    return Charge._make(round(more - less, 6) for more, less in zip(new, old, strict=True))


def remove_old(connection: Connection, now: datetime) -> int:
    return _remove(connection, usage.c.day < budget_day(now - _KEPT))


def erase(connection: Connection, person_id: int, today: date) -> int:
    """Remove a person's use of the days before today, whose use would renew the budget."""
    return _remove(connection, usage.c.person_id == person_id, usage.c.day < today)


def _remove(connection: Connection, *which: ColumnElement[bool]) -> int:
    # Locked in the order of all transactions: by day, and the whole bot's row last.
    order = (usage.c.day, usage.c.person_id.desc(), usage.c.guild_id)
    connection.execute(select(usage.c.day).where(*which).order_by(*order).with_for_update()).all()
    return connection.execute(delete(usage).where(*which)).rowcount
