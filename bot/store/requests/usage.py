"""Read what counts against a user's budgets: the ledger's use of today, waiting runs, a block, a pause."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    bindparam,
    case,
    func,
    select,
)

from bot.database.engine import Database, reads
from bot.database.tables import runs
from bot.domain.budgets import Running, Usage, day_end
from bot.domain.runs import IN_FLIGHT, NOT_SUBMITTED, RunState
from bot.store.blocks import active_block
from bot.store.ledger import read_today
from bot.store.rules import read_pause


def read_usage(
    connection: Connection, guild_id: int | None, user_id: int, now: datetime, *, server: bool
) -> Usage:
    """Return what counts when a user's new request is judged. The server's use is read only with `server`.

    What waits on this server will start, too, so its seconds count as the whole bot's. What waits on others
    doesn't: one server could otherwise use up the operator's ceiling with requests that nobody approves.

    To decide about a request, call this in a transaction that excludes all others that accept requests.
    """
    today = read_today(connection, guild_id, user_id, now, server=server)
    whose = {"guild": guild_id, "person": user_id}
    waiting = connection.execute(WAITING_PRIVATELY if guild_id is None else WAITING_IN_SERVER, whose).one()
    return Usage(
        now=now,
        day_end=day_end(now),
        gpu_seconds_today=today.seconds + waiting.seconds,
        person=today.person.with_waiting(waiting.own),
        server=today.server.with_waiting(waiting.all),
        block=active_block(connection, guild_id, user_id, now),
        paused=read_pause(connection),
    )


def _waiting(here: ColumnElement[bool]) -> Select[Any]:
    """Select the number of waiting requests, of the user and of all, and the seconds that they reserve.

    A request under review reserves nothing.
    """
    own = case((runs.c.requester_id == bindparam("person"), 1), else_=0)
    reserved = case((runs.c.state == RunState.WAITING, runs.c.reserved_seconds), else_=0.0)
    return select(
        func.coalesce(func.sum(own), 0).label("own"),
        func.count().label("all"),
        func.coalesce(func.sum(reserved), 0.0).label("seconds"),
    ).where(here, runs.c.state.in_(NOT_SUBMITTED))


# Built once, because SQLAlchemy caches a statement's SQL, but not the work of building it.
WAITING_IN_SERVER = _waiting(runs.c.guild_id == bindparam("guild"))
WAITING_PRIVATELY = _waiting(runs.c.guild_id.is_(None))


class UsageStore:
    """Reads usage and active runs. Every method raises StoreUnavailable if the database doesn't answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @reads
    def today(self, connection: Connection, guild_id: int | None, user_id: int, now: datetime) -> Usage:
        """Return a user's and the server's usage today, and any block or pause that forbids requests."""
        return read_usage(connection, guild_id, user_id, now, server=guild_id is not None)

    @reads
    def running(self, connection: Connection, guild_id: int | None, user_id: int) -> Running:
        """Return how many runs a user has in flight on a server, and how many the whole server has.

        If `guild_id` is None, both numbers count the runs outside servers.
        """
        here = runs.c.guild_id == guild_id if guild_id is not None else runs.c.guild_id.is_(None)
        own = func.sum(case((runs.c.requester_id == user_id, 1), else_=0))
        query = select(func.coalesce(own, 0), func.count()).where(runs.c.state.in_(IN_FLIGHT), here)
        person, server = connection.execute(query).one()
        return Running(int(person), int(server))
