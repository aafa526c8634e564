"""Judge a stored run by the rules as they are now, in the transaction that acts on the answer.

Read what counts against a user's budgets: the ledger's use of today, waiting runs, a block, a pause.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    bindparam,
    case,
    func,
    literal,
    select,
)

from bot.database.engine import Repository, reads
from bot.database.row_locks import lock_accepting
from bot.database.rows import read_runs
from bot.database.tables import runs
from bot.domain.budgets import Running, Usage, budget_day, day_end, has_daily_limit, weight_of
from bot.domain.errors import RefusedError, RefusedForNow, RunGone
from bot.domain.policy import Offer, OperatorRules, judge, start_of
from bot.domain.requests import ChannelState, Member
from bot.domain.runs import IN_FLIGHT, NOT_SUBMITTED, Run, RunState
from bot.domain.settings.rules_and_defaults import ServerRules
from bot.domain.transitions import end
from bot.store.blocks import active_block, block_of, end_blocked_run
from bot.store.ledger import read_today
from bot.store.reading.figures import expected_seconds
from bot.store.rules import read_pause, read_rules
from bot.store.runs import apply_change


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
        person=replace(today.person, waiting=waiting.own),
        server=replace(today.server, waiting=waiting.all),
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


class UsageStore(Repository):
    """Reads usage and active runs. Every method raises StoreUnavailable if the database doesn't answer."""

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


def judge_run(
    connection: Connection,
    key: str,
    operator: OperatorRules,
    now: datetime,
    *,
    person: Member | None = None,
    channel: ChannelState | None = None,
    offer: Offer | None = None,
    paused: str | None = None,
) -> tuple[Run, RefusedError | None]:
    """Return a run and the refusal that keeps it from starting now, if any. Raises RunGone.

    The budgets of its person and server are judged only if the run isn't charged today: at its approval, and
    at a claim on another day. A run under review is returned with the reservation to charge, and judged
    together with its batch. `person` and `channel` are the requester and the channel as they are now, or
    None if Discord wasn't asked. `offer` is what the operator offers today; with it, today's prices apply.
    `paused` is the reason why the bot is paused.
    """
    found = read_runs(connection, [key])
    if not found:
        raise RunGone(key)
    run = found[0]
    if offer is not None and offer.refusal is not None:
        return run, offer.refusal
    if run.sources and _is_source_deleted(connection, run):
        return run, RefusedError("parent_deleted")
    try:
        rules = read_rules(connection, run.guild_id)
    except RefusedForNow as unreadable:
        # Unreadable rules hold back all runs of their server, but no other server's.
        return run, unreadable
    in_review = run.state is RunState.AWAITING_APPROVAL
    if in_review:
        gpu = offer.gpu if offer is not None else run.expected_gpu
        seconds = expected_seconds(connection, run.deployment, gpu, now)
        run = replace(run, expected_gpu=gpu, weight=weight_of(gpu, rules), reserved_seconds=seconds)
    is_charged = run.charged_on == budget_day(now)
    start = start_of(run, person, channel, offer, is_charged=is_charged)
    block = block_of(connection, run, now)
    usage = Usage(now=now, day_end=day_end(now), block=block, paused=paused)
    if not is_charged or operator.daily_gpu_seconds is not None:
        usage = _with_use_of_today(connection, run, usage, rules, is_charged=is_charged)
    try:
        judge(start, usage, operator, rules, count=run.count if in_review else 1)
    except RefusedError as reason:
        return run, reason
    return run, None


def _is_source_deleted(connection: Connection, run: Run) -> bool:
    """Return whether a result was deleted whose file the run takes, even by way of a repeated request."""
    deleted = runs.c.key.in_(run.sources) & runs.c.deleted_at.is_not(None)
    return connection.scalar(select(literal(1)).where(deleted).limit(1)) is not None


def _with_use_of_today(
    connection: Connection, run: Run, usage: Usage, rules: ServerRules, *, is_charged: bool
) -> Usage:
    if not is_charged:
        # A request that is accepted at the same time can't charge what is judged here.
        lock_accepting(connection, run.server)
    server = not is_charged and has_daily_limit(rules.budgets.server)
    today = read_today(connection, run.guild_id, run.requester_id, usage.now, server=server)
    return replace(usage, gpu_seconds_today=today.seconds, person=today.person, server=today.server)


def refuse(connection: Connection, run: Run, reason: RefusedError, now: datetime) -> None:
    """End a locked run that hasn't been started, because a rule forbids it for good.

    If the requester is blocked, the run ends as a new block would end it. The outcome then doesn't
    show the block's reason, because only the requester may read that.
    """
    block = block_of(connection, run, now)
    if block is not None and end_blocked_run(connection, run, block, now):
        return
    change = end(run, RunState.REFUSED, now, reason.code, reason.params)
    if change is not None:
        apply_change(connection, run, change, now)
