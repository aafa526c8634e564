"""Postpone runs that a rule keeps from starting, and decide when the rule is checked again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, select, update

from bot.database.row_locks import lock_requests
from bot.database.rows import revise
from bot.database.tables import runs
from bot.domain.errors import RefusedForNow
from bot.domain.runs import Run, RunState

PAUSED = "paused"
# Check before the limit resets, too: it may be raised, or other runs may use less than they reserved.
_ASK_AGAIN_AFTER = timedelta(hours=1)
# How many runs one statement changes.
_AT_ONCE = 500
# How long a run is postponed if Discord doesn't answer the checks before the queue call.
DISCORD_PAUSE = timedelta(minutes=1)
_HERE = (runs.c.guild_id, "guild_id")
_OWN = (runs.c.requester_id, "requester_id")
_AS_EXPENSIVE = (runs.c.reserved_seconds, "reserved_seconds")
# Only a reservation of another day has to fit into today's budgets.
_OF_THAT_DAY = (runs.c.charged_on, "charged_on")
# For each refusal, the columns that all affected runs share. A refusal without an entry affects one run.
_SHARED: Mapping[str, tuple[tuple[ColumnElement[Any], str], ...]] = {
    PAUSED: (),
    "daily_limit": (_AS_EXPENSIVE,),
    "rules_unreadable": (_HERE,),
    "server_budget_runs": (_HERE, _OF_THAT_DAY),
    "server_budget_gpu": (_HERE, _OF_THAT_DAY, _AS_EXPENSIVE),
    "budget_runs": (_HERE, _OF_THAT_DAY, _OWN),
    "budget_gpu": (_HERE, _OF_THAT_DAY, _OWN, _AS_EXPENSIVE),
}


def hold_back(connection: Connection, run: Run, reason: RefusedForNow, now: datetime) -> None:
    """Postpone a waiting run and other due runs to which the same refusal applies.

    Their status messages show the reason. At most `_AT_ONCE` are postponed, so that other transactions don't
    wait long; the next claims postpone the rest.
    """
    later = now + _ASK_AGAIN_AFTER
    due_at = min(reason.again_at, later) if reason.again_at is not None else later
    shared = _SHARED.get(reason.code)
    alike = (
        [runs.c.key == run.key]
        if shared is None
        else [
            runs.c.due_at <= now,
            *(column.is_not_distinct_from(getattr(run, name)) for column, name in shared),
        ]
    )
    values = {"due_at": due_at, **waiting_for(reason.code, reason.params)}
    change_waiting(connection, alike, values, at_most=_AT_ONCE)


def ask_again(connection: Connection, which: ColumnElement[bool], now: datetime) -> None:
    """Make the postponed runs that match `which` due now, so that the submitter judges them again."""
    held = [which, runs.c.waiting_code.is_not(None)]
    change_waiting(connection, held, {"due_at": now, **NOT_HELD})


def waiting_for(code: str, params: Mapping[str, object]) -> dict[str, object]:
    """Return the columns of a postponed run, which has no position in the queue.

    `code` and `params` determine the sentence that tells the requester why the run waits.
    """
    return {"waiting_code": code, "waiting_params": dict(params), "queue_position": None}


# The columns of a run that no rule keeps waiting.
NOT_HELD: Mapping[str, object] = {"waiting_code": None, "waiting_params": None}


def change_waiting(
    connection: Connection,
    which: Sequence[ColumnElement[bool]],
    values: Mapping[str, object],
    *,
    at_most: int | None = None,
) -> bool:
    """Change the waiting runs that match, and have their status messages edited; return whether any did."""
    waiting = (runs.c.state == RunState.WAITING, *which)
    affected = select(runs.c.request_key).where(*waiting).order_by(runs.c.request_key).limit(at_most)
    locked = lock_requests(connection, set(connection.execute(affected).scalars()))
    # PostgreSQL allows 32,767 parameters in a statement.
    for start in range(0, len(locked), _AT_ONCE):
        some = locked[start : start + _AT_ONCE]
        # Asked again under the locks.
        connection.execute(update(runs).where(runs.c.request_key.in_(some), *waiting).values(values))
        revise(connection, some)
    return bool(locked)
