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

from sqlalchemy import ColumnElement, Connection, and_, bindparam, delete, func, or_, select

from bot.database.rows import insert_new, set_columns
from bot.database.tables import is_any, runs, usage
from bot.domain.budgets import (
    GIVEN_BACK_A_DAY,
    Charge,
    Spending,
    Usage,
    budget_day,
    charge_of,
    recorded_charge,
)
from bot.domain.runs import IN_FLIGHT, Run, RunState

# The server of what happens outside servers and, as a person of that server, the whole bot.
_NONE = 0
# A run may be settled days after it was charged: it can execute for a day, and be reported late.
_KEPT = timedelta(days=7)
_FIELDS = frozenset(field.name for field in fields(Run))
_GIVEN_BACK = (
    select(usage.c.given_back)
    .where(
        usage.c.day == bindparam("day"),
        usage.c.guild_id == bindparam("guild_id"),
        usage.c.person_id == bindparam("person_id"),
    )
    .with_for_update()
)
# The rows of a person and of the whole bot.
ROWS = select(
    usage.c.guild_id, usage.c.person_id, usage.c.runs, usage.c.seconds, usage.c.weighted_seconds
).where(
    usage.c.day == bindparam("of_day"),
    or_(
        and_(usage.c.guild_id == bindparam("of_guild"), usage.c.person_id == bindparam("of_person")),
        and_(usage.c.guild_id == _NONE, usage.c.person_id == _NONE),
    ),
)
SERVER = select(
    func.coalesce(func.sum(usage.c.runs), 0), func.coalesce(func.sum(usage.c.weighted_seconds), 0.0)
).where(usage.c.day == bindparam("of_day"), usage.c.guild_id == bindparam("of_guild"))
_EXECUTING = select(
    runs.c.guild_id, runs.c.requester_id, runs.c.started_at, runs.c.charged_seconds, runs.c.weight
).where(
    is_any(runs.c.state, IN_FLIGHT), runs.c.started_at.is_not(None), runs.c.charged_on == bindparam("of_day")
)


def read_today(
    connection: Connection, guild_id: int | None, person_id: int, now: datetime, *, server: bool
) -> Usage:
    """Return what the ledger says about today. A run in flight counts at least the time that it has used.

    The server's use is summed up only with `server`.
    """
    day, guild = budget_day(now), guild_id or _NONE
    values = {"of_day": day, "of_guild": guild, "of_person": person_id}
    rows = {tuple(row[:2]): Charge(*row[2:]) for row in connection.execute(ROWS, values)}
    own, used = rows.get((guild, person_id), Charge()), rows.get((_NONE, _NONE), Charge()).seconds
    count, weighted, own_more = 0, 0.0, 0.0
    if server:
        count, weighted = connection.execute(SERVER, {"of_day": day, "of_guild": guild}).one()
    for run in connection.execute(_EXECUTING, {"of_day": day}):
        more = max(0.0, (now - run.started_at).total_seconds() - run.charged_seconds / run.weight)
        used += more
        if (run.guild_id or _NONE) == guild:
            weighted += more * run.weight
            own_more += more * run.weight if run.requester_id == person_id else 0
    return Usage(
        now=now,
        gpu_seconds_today=used,
        person=Spending(own.runs, own.weighted + own_more),
        server=Spending(int(count), weighted),
    )


def reservation(seconds: float, weight: float, today: date) -> dict[str, object]:
    """Return the columns of a run whose reservation is charged today."""
    return {
        "reserved_seconds": seconds,
        "weight": weight,
        "charged_seconds": seconds * weight,
        "charged_on": today,
    }


def charge(connection: Connection, batch: Sequence[Run]) -> None:
    """Charge the new runs of a batch, whose columns are those of `reservation`, to their person."""
    for run in batch:
        if run.charged_on is not None:
            _add(connection, _key(run.charged_on, run.guild_id, run.requester_id), recorded_charge(run))


def by_day(batch: Iterable[Run]) -> list[Run]:
    """Return runs of one person in the order in which a transaction must post their changes."""
    return sorted(batch, key=lambda run: run.charged_on or date.min)


def post(connection: Connection, run: Run, changes: Mapping[str, Any]) -> None:
    """Post what a change to a locked run makes of its cost.

    `run` is the run before the change, and `changes` maps its fields, and maybe other columns, to values. A
    failure counts as a run after all if too many others of its person were given back.
    """
    after = replace(run, **{name: value for name, value in changes.items() if name in _FIELDS})
    old, new = recorded_charge(run), charge_of(after)
    before, day, given_back = run.charged_on, after.charged_on, 0
    is_moved = before is not None and before != day
    if day is not None and not is_moved and new.runs != old.runs:
        if new.runs > old.runs:
            given_back = -1 if run.state is RunState.FAILED else 0
        elif after.state is RunState.FAILED:
            earlier = connection.scalar(_GIVEN_BACK, _key(day, run.guild_id, run.requester_id))
            given_back = int(earlier is not None and earlier < GIVEN_BACK_A_DAY)
            new = new if given_back else new._replace(runs=old.runs)
    difference = _minus(new, old)
    posts = [(before, _minus(Charge(), old)), (day, new)] if is_moved else [(day, difference)]
    for on, more in sorted((on, more) for on, more in posts if on is not None):
        if more[:3] != (0, 0, 0):
            _add(connection, _key(on, run.guild_id, run.requester_id), more, given_back)
    if (old.weighted, old.runs) != (new.weighted, new.runs):
        charged = {"charged_seconds": new.weighted, "counts_as_run": new.runs > 0}
        set_columns(connection, runs, {"key": run.key}, charged)
    if day is not None and difference.started:
        _add(connection, _key(day, None, _NONE), Charge(seconds=difference.started))


def _add(connection: Connection, key: Mapping[str, object], more: Charge, given_back: int = 0) -> None:
    """Add to a row of the ledger, which is created first if there is none, unless something is taken off."""
    add = {"runs": more.runs, "seconds": more.seconds, "weighted_seconds": more.weighted}
    add["given_back"] = given_back
    if not set_columns(connection, usage, key, {}, add) and more.seconds > 0:
        insert_new(connection, usage, [{**key, **dict.fromkeys(add, 0)}])
        set_columns(connection, usage, key, {}, add)


def _key(day: date, guild_id: int | None, person_id: int) -> dict[str, object]:
    return {"day": day, "guild_id": guild_id or _NONE, "person_id": person_id}


def _minus(new: Charge, old: Charge) -> Charge:
    # Rounded, because 42 / 0.7 isn't exactly 60.
    first, *others = (round(more - less, 6) for more, less in zip(new, old, strict=True))
    return Charge(int(first), *others)


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
