"""Claim runs to submit and runs to check; update queue positions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, Integer, Select, and_, bindparam, func, or_, select, text, update

from bot.database.engine import Database, Repository, reads, writes, writes_unsynced
from bot.database.key_values import read_value
from bot.database.row_locks import lock, lock_requests, lock_requests_of, lock_rows, lock_run
from bot.database.rows import WITH_REQUEST, read_batches, revise, select_runs, set_columns, set_each, to_run
from bot.database.tables import UtcDateTime, is_any, queues, requests, runs
from bot.domain.errors import CommitUnknown, RefusedError, RefusedForNow
from bot.domain.policy import OperatorRules, budget_day
from bot.domain.run_timing import next_poll
from bot.domain.runs import FINAL, IN_FLIGHT, Run, RunState
from bot.domain.transitions import end
from bot.store.blocks import active_block, end_blocked_run
from bot.store.ledger import by_day, post
from bot.store.queue import (
    ADVANCE,
    NOT_HELD,
    PAUSED,
    hold_queues,
    is_waiting,
    next_candidate,
    number_queues,
    release_queues,
    waiting_for,
)
from bot.store.requests import judge_run, refuse
from bot.store.rules import PAUSE_KEY
from bot.store.runs import apply_change

# The number of due runs is counted up to this.
_COUNTED = 32
# Check before the limit resets, too: it may be raised, or other runs may use less than they reserved.
_ASK_AGAIN_AFTER = timedelta(hours=1)
# How many requests one transaction ends at most.
_PORTION = 100
# How long a run may wait for its start after its request or its approval.
_LONGEST_WAIT = timedelta(days=7)
_EXPIRES = runs.c.state == RunState.AWAITING_APPROVAL
_IS_FOLLOWED = or_(
    is_any(runs.c.state, IN_FLIGHT), and_(is_any(runs.c.state, FINAL), runs.c.run_id.is_not(None))
)
_CLAIMED = select_runs().where(runs.c.state == RunState.SUBMITTING, runs.c.claim_id == bindparam("claim"))
_NOW, _BY = bindparam("now", type_=UtcDateTime()), bindparam("by", type_=UtcDateTime())
# As in the index: with a parameter, neither database would use it.
_IS_USER_INSTALL = text("requests.user_install")
ENDING = select(requests.c.key).where(_IS_USER_INSTALL, requests.c.interaction_expires_at <= _BY)
WAITING = select(
    select(func.count())
    .select_from(select(runs.c.key).where(is_waiting(runs), runs.c.due_at <= _NOW).limit(_COUNTED).subquery())
    .scalar_subquery(),
    select(func.min(runs.c.due_at)).where(is_waiting(runs), runs.c.due_at > _NOW).scalar_subquery(),
    ENDING.exists(),
    select(func.min(requests.c.interaction_expires_at))
    .where(_IS_USER_INSTALL, requests.c.interaction_expires_at > _BY)
    .scalar_subquery(),
    select(queues.c.deployment).where(queues.c.waits_for != PAUSED).exists(),
)
# Without the upper bound, SQLite would read all ended runs.
_NEXT_DUE = select(func.min(runs.c.due_at)).where(runs.c.due_at <= _BY)
NEXT_CHECK, NEXT_EXPIRY = _NEXT_DUE.where(or_(_EXPIRES, _IS_FOLLOWED)), _NEXT_DUE.where(_EXPIRES)
_OVERDUE = (
    select_runs()
    .where(runs.c.due_at <= _NOW)
    .order_by(runs.c.due_at)
    .limit(bindparam("most", type_=Integer()))
    .with_for_update(skip_locked=True, of=runs)
)
_EXPIRED, _DUE = _OVERDUE.where(_EXPIRES), _OVERDUE.where(or_(_EXPIRES, _IS_FOLLOWED))
_ENDING_RUNS = select(runs.c.key, runs.c.request_key).where(is_waiting(runs), runs.c.request_key.in_(ENDING))
_OLD_RUNS = (
    select(runs.c.key, runs.c.request_key)
    .select_from(WITH_REQUEST)
    .where(is_waiting(runs), func.coalesce(requests.c.decided_at, runs.c.created_at) <= _BY)
)


class Waiting(NamedTuple):
    """What waits for a start: how many runs are due, and when the next one is.

    `ends` says whether an interaction of a user install has ended, or will soon, and `next_end` when the next
    one ends. `is_held` says whether messages say that something holds a queue.
    """

    due: int
    due_at: datetime | None
    ends: bool
    next_end: datetime | None
    is_held: bool


def hold(connection: Connection, run: Run, reason: RefusedForNow, now: datetime) -> None:
    """Keep a run waiting until the rule may allow it. Its status message shows the reason."""
    due_at = min(filter(None, (reason.again_at, now + _ASK_AGAIN_AFTER)))
    lock_requests(connection, [run.request_key])
    held = {"due_at": due_at, **waiting_for(reason.code, reason.params)}
    set_columns(connection, runs, {"key": run.key, "state": RunState.WAITING}, held)
    revise(connection, [run.request_key])


def _claim(connection: Connection, run: Run, claim_id: str, now: datetime, reply_by: datetime) -> Run | None:
    """Claim a run that may start. Return it as it is then, or None if it is no longer waiting."""
    lock_requests(connection, [run.request_key])
    values: dict[str, Any] = {
        "state": RunState.SUBMITTING,
        "submitted_at": now,
        "checks": 0,
        "claim_id": claim_id,
        "charged_on": budget_day(now),
        "queue_position": None,
        **NOT_HELD,
    }
    still_waiting = {"key": run.key, "state": RunState.WAITING}
    if not set_columns(connection, runs, still_waiting, {**values, "due_at": reply_by}):
        return None
    if run.queue_position is not None or run.waiting_code is not None:
        # The status message shows what is now wrong. Otherwise it stays until ComfyDeploy responds.
        revise(connection, [run.request_key])
    connection.execute(ADVANCE, {"claimed_from": run.deployment, "claimed": run.key})
    post(connection, run, values)
    return replace(run, **values)


def _refuse(connection: Connection, keys: Collection[str], reason: RefusedError, now: datetime) -> bool:
    """End runs that were found waiting, and return whether any still were.

    The runs of a request end in one transaction, so that nobody sees half a batch. The lock keeps them from
    ending while the queues are numbered, one after the other.
    """
    lock(connection, "submit")
    batches = read_batches(connection, lock_requests_of(connection, keys))
    found = [run for batch in batches.values() for run in batch]
    waiting = [run for run in by_day(found) if run.key in keys and run.state is RunState.WAITING]
    for run in waiting:
        refuse(connection, run, reason, now)
    return bool(waiting)


class ClaimStore(Repository):
    """Claims runs in transactions, so that no two workers get the same run."""

    def __init__(self, database: Database, operator: OperatorRules, random: Random) -> None:
        super().__init__(database)
        self._random = random
        self._operator = operator

    async def claim_submission(
        self, limit: Callable[[str], int | None], now: datetime, reply_by: datetime
    ) -> Run | None:
        """Claim the next run to submit, or return None if no run can start now. The caller makes the queue
        call.

        Each candidate is judged again by the current rules. A run that may not start waits or ends, and the
        next one is tried; its server comes last, so that its many runs delay no other's. `limit` returns how
        many runs of a deployment may be in flight, or None. If the queue call has no answer by `answer_by`,
        the run is checked.
        """
        claim_id = UUID(bytes=self._random.randbytes(16), version=4).hex
        avoided = set[int]()
        try:
            # Each candidate has its own transaction, because turning several away in one would lock rows out
            # of order. Everything is read again, because in between another process may have claimed a run.
            while True:
                run, again = await self._try_next(limit, now, reply_by, claim_id, avoided)
                if not again:
                    return run
        except CommitUnknown:
            # Only this call knows the claim's id, so nobody else makes the queue call of this claim.
            return await self._unconfirmed(claim_id)

    @writes
    def _unconfirmed(self, connection: Connection, claim_id: str) -> Run | None:
        """Return the run of a claim whose commit isn't confirmed, or None if it was rolled back."""
        lock(connection, "submit")
        row = connection.execute(_CLAIMED, {"claim": claim_id}).first()
        return to_run(row) if row is not None else None

    @writes
    def _try_next(
        self,
        connection: Connection,
        limit: Callable[[str], int | None],
        now: datetime,
        reply_by: datetime,
        claim_id: str,
        avoided: set[int],
    ) -> tuple[Run | None, bool]:
        """Claim the next run, or turn it away. Return the claimed run, and whether to try the next one."""
        lock(connection, "submit")
        if read_value(connection, PAUSE_KEY) is not None:
            return None, False
        key = next_candidate(connection, limit, now, avoided)
        if key is None:
            has_left_out = bool(avoided)
            avoided.clear()
            return None, has_left_out
        run, reason = judge_run(connection, key, self._operator, now)
        if reason is None:
            return _claim(connection, run, claim_id, now, reply_by), False
        avoided.add(run.guild_id or 0)
        if isinstance(reason, RefusedForNow):
            hold(connection, run, reason, now)
        else:
            _refuse(connection, [key], reason, now)
        return None, True

    @reads
    def waiting(self, connection: Connection, now: datetime, by: datetime) -> Waiting:
        """Return what is due to start at `now`, or later. Interactions that end at `by` count as ended."""
        return Waiting(*connection.execute(WAITING, {"now": now, "by": by}).one())

    async def refuse_too_late(self, by: datetime, now: datetime) -> bool:
        """End the waiting runs of user installs whose interaction ends at `by` or earlier."""
        return await self._refuse_waiting(_ENDING_RUNS, by, "answer_too_late", now)

    async def expire_waiting(self, now: datetime) -> bool:
        """End the runs that have waited for a week."""
        return await self._refuse_waiting(_OLD_RUNS, now - _LONGEST_WAIT, "waited_too_long", now)

    async def _refuse_waiting(self, which: Select[Any], by: datetime, code: str, now: datetime) -> bool:
        """Refuse the waiting runs that a query finds, and return whether there were any.

        After a long pause these are thousands, so a transaction ends a portion, and others write in between.
        """
        ordered, any_ended = which.order_by(runs.c.created_at, runs.c.request_key), False
        found = await self._database.read(lambda connection: connection.execute(ordered, {"by": by}).all())
        requests_in_order = list(dict.fromkeys(row.request_key for row in found))
        for first in range(0, len(requests_in_order), _PORTION):
            portion = {*requests_in_order[first : first + _PORTION]}
            keys = {row.key for row in found if row.request_key in portion}
            any_ended |= await self._database.write(_refuse, keys, RefusedError(code), now)
        return any_ended

    @writes
    def requeue(
        self,
        connection: Connection,
        claimed: Run,
        due_at: datetime,
        now: datetime,
        *,
        waits_for: str | None = None,
    ) -> None:
        """Requeue a claimed run, because ComfyDeploy can't have accepted a queue call for it.

        Does nothing if the run has an id, has left SUBMITTING or was claimed again. A run that was cancelled
        meanwhile, or whose requester was blocked, ends instead. `waits_for` is the code of a sentence for the
        requester.
        """
        run = lock_run(connection, claimed.key)
        if run.state is not RunState.SUBMITTING or run.run_id is not None or run.claim_id != claimed.claim_id:
            return
        values: dict[str, object] = {"state": RunState.WAITING, "due_at": due_at, "submitted_at": None}
        if waits_for is not None:
            values |= waiting_for(waits_for, {"until": int(due_at.timestamp())})
        set_columns(connection, runs, {"key": run.key}, values)
        revise(connection, [run.request_key])
        waiting = lock_run(connection, run.key)
        if waiting.cancel_requested_at is not None:
            change = end(waiting, RunState.CANCELLED, now, waiting.cancel_code, {})
            if change is not None:
                apply_change(connection, waiting, change, now)
        elif (block := active_block(connection, waiting.guild_id, waiting.requester_id, now)) is not None:
            end_blocked_run(connection, waiting, block, now)
        post(connection, run, values)

    @writes
    def confirm(self, connection: Connection, claimed: Run, reply_by: datetime) -> bool:
        """Move a claim's check to `answer_by`, and return whether its queue call may still be made.

        It may not if the run has ended, has an id or was cancelled meanwhile.
        """
        result = connection.execute(
            update(runs)
            .where(
                runs.c.key == claimed.key,
                runs.c.state == RunState.SUBMITTING,
                runs.c.claim_id == claimed.claim_id,
                runs.c.run_id.is_(None),
                runs.c.cancel_requested_at.is_(None),
            )
            .values(due_at=reply_by)
        )
        return result.rowcount == 1

    @writes
    def hold_queues(self, connection: Connection, code: str, *, deployment: str | None = None) -> bool:
        """Say what the runs of a deployment wait for, or all runs; return whether a message changes."""
        return hold_queues(connection, code, {}, deployment=deployment)

    @writes_unsynced
    def update_queue_positions(
        self, connection: Connection, now: datetime, *, broken: Collection[str] = ()
    ) -> int:
        """Update what the messages say of the queues; return how many change.

        The queues of `broken` deployments stay held. If others were, their messages change first, and the
        positions with the next call, because one transaction locks requests only once.
        """
        lock(connection, "submit")
        ready = (queues.c.waits_for != PAUSED, queues.c.deployment.not_in(broken))
        return release_queues(connection, *ready) or number_queues(connection, now)

    @reads
    def next_check(self, connection: Connection, by: datetime, *, away: bool) -> datetime | None:
        """Return when the next run is due for `claim_checks`, or None if none is by this time."""
        due_at: datetime | None = connection.scalar(NEXT_EXPIRY if away else NEXT_CHECK, {"by": by})
        return due_at

    @writes_unsynced
    def claim_checks(
        self,
        connection: Connection,
        now: datetime,
        interval: timedelta,
        limit: int,
        *,
        away: bool = False,
    ) -> Sequence[Run]:
        """Claim up to `limit` runs to check, the longest overdue first.

        Each is due again after a pause, which begins at `interval` and grows with the number of checks, at
        the latest at its deadline. While the backend is `away`, only expired requests are claimed.
        """
        due = connection.execute(_EXPIRED if away else _DUE, {"now": now, "most": limit})
        claimed = [to_run(row) for row in due]
        later = [({"key": run.key}, {"due_at": next_poll(run, now, interval)}) for run in claimed]
        set_each(connection, runs, later, {"checks": 1})
        return claimed

    @writes
    def make_checks_due(self, connection: Connection, now: datetime) -> None:
        """Make all runs due for a check that the backend has and that are still polled."""
        later = (_IS_FOLLOWED, runs.c.run_id.is_not(None), runs.c.due_at > now)
        owners = select(runs.c.request_key).where(*later)
        if keys := lock_rows(connection, requests.c.key, requests.c.key.in_(owners)):
            due = update(runs).where(runs.c.request_key.in_(keys), *later)
            connection.execute(due.values(due_at=now, checks=0))
