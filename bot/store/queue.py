"""The queues of the deployments, in the order of `bot.domain.run_timing.next_tag`.

A claim reads the index `runs_queue` from the front. It skips the runs at the limit of their user or server
inside the database, so a long queue costs neither rows nor statements.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    bindparam,
    exists,
    false,
    func,
    literal,
    literal_column,
    select,
    tuple_,
    update,
)

from bot.database.row_locks import lock, lock_requests_of, lock_rows
from bot.database.rows import insert_new, revise
from bot.database.tables import UtcDateTime, is_any, queues, requests, runs
from bot.domain.run_timing import FIRST_TURN, NO_TURN, PLACES, next_tag
from bot.domain.runs import IN_FLIGHT, RunState

# How many runs behind the front are told their place at once.
_AT_ONCE = 200
PAUSED = "paused"
# The columns of a run that no rule keeps waiting.
NOT_HELD: Mapping[str, object] = {"waiting_code": None, "waiting_params": None}


def is_waiting(table: FromClause) -> Any:
    """Match waiting runs by a literal, as the partial indexes do."""
    return table.c.state == literal_column(f"'{RunState.WAITING}'")


def _server(table: FromClause) -> Any:
    return func.coalesce(table.c.guild_id, literal_column("0"))  # NULL would equal nothing


_NOW = bindparam("now", type_=UtcDateTime())
_queued = runs.alias("queued")
_busy = runs.alias("busy")
_IS_NEXT = (
    is_waiting(_queued),
    # An expression, because SQLite would prefer an index by `due_at` to the one in the queue's order.
    func.coalesce(_queued.c.due_at <= _NOW, false()),
)
_ORDER = (_queued.c.queue_tag, _queued.c.created_at, _queued.c.key)


def _full(*whose: Any) -> Select[Any]:
    """Select each server, or each user of a server, with every limit that its runs in flight reach.

    These are the numbers from 1 to how many it has. So a run is at its limit if the limit is among them, and
    a hashed set answers that for 10,000 runs in a millisecond.
    """
    number = func.row_number().over(partition_by=whose)
    return select(*whose, number).where(is_any(_busy.c.state, IN_FLIGHT))


_HAS_ROOM = (
    tuple_(_server(_queued), func.coalesce(_queued.c.server_limit, 0)).not_in(_full(_server(_busy))),
    tuple_(_server(_queued), _queued.c.requester_id, func.coalesce(_queued.c.user_limit, 0)).not_in(
        _full(_server(_busy), _busy.c.requester_id)
    ),
)
_in_flight = (
    select(_busy.c.deployment, func.count().label("number"))
    .where(is_any(_busy.c.state, IN_FLIGHT))
    .group_by(_busy.c.deployment)
    .subquery()
)
# The deployments with waiting runs, and how many runs each has in flight.
_QUEUES = (
    select(queues.c.deployment, func.coalesce(_in_flight.c.number, 0).label("in_flight"))
    .outerjoin_from(queues, _in_flight, _in_flight.c.deployment == queues.c.deployment)
    .where(exists().where(_queued.c.deployment == queues.c.deployment, is_waiting(_queued)))
)
_first = (
    select(_queued.c.key)
    .where(
        _queued.c.deployment == queues.c.deployment,
        *_IS_NEXT,
        *_HAS_ROOM,
        _server(_queued).not_in(bindparam("avoided", expanding=True)),
    )
    .order_by(*_ORDER)
    .limit(1)
    .correlate(queues)
    .scalar_subquery()
)
# The first run of each open deployment, and of these the one that was requested first. As one statement,
# PostgreSQL would read all runs to join them.
FIRST = select(_first).where(queues.c.deployment.in_(bindparam("open", expanding=True)))
_EARLIEST = (
    select(runs.c.key)
    .where(runs.c.key.in_(bindparam("keys", expanding=True)))
    .order_by(runs.c.created_at, runs.c.key)
    .limit(1)
)
_claimed_tag = select(runs.c.queue_tag).where(runs.c.key == bindparam("claimed")).scalar_subquery()
# Lets a queue's virtual time follow a claim. A run that was requeued may have a smaller tag.
ADVANCE = (
    update(queues)
    .where(queues.c.deployment == bindparam("claimed_from"), queues.c.virtual_time < _claimed_tag)
    .values(virtual_time=_claimed_tag)
)
# A queue, and the last tag of a person in it. Tags below the virtual time don't matter to the next one.
TURN = select(
    queues.c.virtual_time,
    queues.c.waits_for,
    queues.c.waits_params,
    select(func.max(runs.c.queue_tag))
    .where(
        runs.c.deployment == queues.c.deployment,
        runs.c.requester_id == bindparam("person"),
        runs.c.queue_tag >= queues.c.virtual_time,
    )
    .correlate(queues)
    .scalar_subquery()
    .label("last_tag"),
).where(queues.c.deployment == bindparam("of_deployment"))
FRONT = (
    select(*_ORDER, _queued.c.queue_position)
    .where(_queued.c.deployment == bindparam("of_deployment"), *_IS_NEXT)
    .order_by(*_ORDER)
    .limit(PLACES)
)
_shown_place = func.coalesce(_queued.c.queue_position, literal_column("0"))
# Runs behind the front that show a place in it, or none yet.
BEHIND = (
    select(_queued.c.key)
    .where(
        _queued.c.deployment == bindparam("of_deployment"),
        _shown_place <= literal(PLACES),
        *_IS_NEXT,
        tuple_(*_ORDER) > tuple_(*(bindparam(f"last_{each.name}", type_=each.type) for each in _ORDER)),
    )
    # In the order of `runs_places`. Otherwise PostgreSQL may expect many of them, and read all rows.
    .order_by(_shown_place)
    .limit(_AT_ONCE)
)
_PLACE = (
    update(runs)
    .where(runs.c.key == bindparam("moved"), runs.c.state == RunState.WAITING)
    .values(queue_position=bindparam("position"), **NOT_HELD)
)


def join_queue(
    connection: Connection, deployment: str, person: int | None, number: int
) -> tuple[list[int], Mapping[str, Any]]:
    """Return the tags of a person's new runs, and the fields of a run with what holds the queue, if anything.

    Without a person, the runs can't start yet and get no tags, but the queue is created.
    """
    queue = connection.execute(TURN, {"of_deployment": deployment, "person": person}).first()
    if queue is None:
        insert_new(connection, queues, [{"deployment": deployment, "virtual_time": FIRST_TURN}])
    if person is None:
        return [NO_TURN] * number, NOT_HELD
    time, tag = (queue.virtual_time, queue.last_tag or NO_TURN) if queue else (FIRST_TURN, NO_TURN)
    tags = [tag := next_tag(time, tag) for _ in range(number)]
    held = {"waiting_code": queue.waits_for, "waiting_params": queue.waits_params} if queue else NOT_HELD
    return tags, held


def next_candidate(
    connection: Connection, limit: Callable[[str], int | None], now: datetime, avoided: Collection[int]
) -> str | None:
    """Return the key of the next run to start, or None if limits hold back all of them.

    `limit` returns how many runs of a deployment may be in flight. The runs of the servers `avoided` are left
    out; 0 stands for those outside servers.
    """
    free = [
        row.deployment
        for row in connection.execute(_QUEUES)
        if (most := limit(row.deployment)) is None or row.in_flight < most
    ]
    if not free:
        return None
    first = connection.execute(FIRST, {"open": free, "now": now, "avoided": sorted(avoided)}).scalars()
    keys: list[str] = [key for key in first if key is not None]
    earliest: str | None = connection.scalar(_EARLIEST, {"keys": keys}) if len(keys) > 1 else None
    return earliest or next(iter(keys), None)


def waiting_for(code: str, params: Mapping[str, object]) -> dict[str, object]:
    """Return the columns of a run that a rule keeps waiting. A sentence tells the requester why."""
    return {"waiting_code": code, "waiting_params": dict(params), "queue_position": None}


def hold_queues(
    connection: Connection, code: str, params: Mapping[str, object], *, deployment: str | None = None
) -> bool:
    """Say what the runs in the queue of a deployment, or in all queues, wait for; return whether a message
    changes.

    During a pause, the messages name the pause.
    """
    which: list[ColumnElement[bool]] = [func.coalesce(queues.c.waits_for, "").not_in((code, PAUSED))]
    if deployment is not None:
        which.append(queues.c.deployment == deployment)
    return _tell(connection, code, dict(params), *which) > 0


def release_queues(connection: Connection, *which: ColumnElement[bool]) -> int:
    """Say that nothing holds these queues any more; return how many messages change."""
    return _tell(connection, None, None, queues.c.waits_for.is_not(None), *which)


def _tell(
    connection: Connection, code: str | None, params: dict[str, object] | None, *which: ColumnElement[bool]
) -> int:
    lock(connection, "submit")
    told = update(queues).where(*which).values(waits_for=code, waits_params=params)
    names = connection.execute(told.returning(queues.c.deployment)).scalars().all()
    if not names:
        return 0
    waiting = select(runs.c.request_key).where(is_waiting(runs), runs.c.deployment.in_(names))
    keys = lock_rows(connection, requests.c.key, requests.c.key.in_(waiting))
    if keys:
        revise(connection, keys)
    return len(keys)


def ask_again(connection: Connection, guild_id: int, now: datetime) -> None:
    """Make the runs due that a rule of this server keeps waiting, so that they are judged again."""
    held = (is_waiting(runs), runs.c.guild_id == guild_id, runs.c.waiting_code.is_not(None))
    lock_rows(connection, requests.c.key, requests.c.key.in_(select(runs.c.request_key).where(*held)))
    connection.execute(update(runs).where(*held).values(due_at=now))


def number_queues(connection: Connection, now: datetime) -> int:
    """Write the places of waiting runs that changed; return how many.

    Each of the first PLACES runs of a queue has its own. Those behind share the next one, so that a long
    queue isn't rewritten each time it moves.
    """
    moved: list[dict[str, object]] = []
    for deployment in connection.execute(_QUEUES).scalars().all():
        values = {"of_deployment": deployment, "now": now}
        front = connection.execute(FRONT, values).all()
        places = enumerate(front, 1)
        moved += [{"moved": row.key, "position": n} for n, row in places if row.queue_position != n]
        if len(front) == PLACES:
            last = {f"last_{name}": value for name, value in front[-1]._mapping.items()}
            behind = connection.execute(BEHIND, values | last).scalars()
            moved += [{"moved": key, "position": PLACES + 1} for key in behind]
    if moved:
        revised = lock_requests_of(connection, [str(each["moved"]) for each in moved])
        connection.execute(_PLACE, moved)
        revise(connection, revised)
    return len(moved)
