"""Rows to records and back."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, Text, and_, cast, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.runs import Output, Run, RunState
from bot.runs.request import GenerationRequest
from bot.store.tables import deliveries, runs

_RUN_COLUMNS = tuple(runs.c[field.name] for field in fields(Run))


class DeliveryState(StrEnum):
    """KEPT: every way to show it failed; `/runs` still has it."""

    PENDING = "pending"
    SENT = "sent"
    KEPT = "kept"


class Purpose(StrEnum):
    """Which message a run owes; at most one of each, and the letter is in the nonce."""

    OUTCOME = "o"
    LATE = "l"  # a success that came after we had given it up
    REVIEW = "r"  # the card that asks the moderators
    CARD = "c"  # that card once nobody has to decide any more
    NOTICE = "d"  # the reason of a rejection, to the requester directly
    REPORT = "p"  # the card that reports a result
    REMOVAL = "x"  # not a message: the result's messages go


# Those that show how a run ended.
OUTCOMES = frozenset({Purpose.OUTCOME, Purpose.LATE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A claimed message, with the run as it is now. `messages`: (channel, message) ids sent so far.

    Of the outcome of several `together` are all of them, `late` the keys of those that come by themselves.
    """

    id: int
    run: Run
    purpose: Purpose
    tries: int
    rung: int
    attempted: bool
    attempted_at: datetime | None
    messages: tuple[tuple[int, int], ...]
    together: tuple[Run, ...] = ()
    late: frozenset[str] = frozenset()

    @property
    def beside_others(self) -> bool:
        """A late success of one of several: it leaves the answer and the outcome to all of them."""
        return self.purpose is Purpose.LATE and self.run.batch_key is not None


def run_columns() -> tuple[Any, ...]:
    """The columns of `runs` that make a Run."""
    return _RUN_COLUMNS


def to_run(row: RowMapping) -> Run:
    """A Run from a row that holds `run_columns()`."""
    values = {column.name: row[column.name] for column in _RUN_COLUMNS}
    values["state"] = RunState(values["state"])
    values["outputs"] = tuple(Output(**item) for item in values["outputs"])
    return Run(**values)


def request_values(request: GenerationRequest, now: datetime) -> dict[str, object]:
    """The row of a new request. Of several, the first alone is answered in the interaction."""
    unanswered = {"interaction_token": None} if request.batch_index else {}
    return {
        **request.model_dump(exclude={"origin", "expected_seconds"}),
        **request.origin.model_dump(exclude={"age_restricted"}),
        "created_at": now,
        "outputs": [],
        "failure_params": {},
        **unanswered,
    }


def nothing_shown() -> ColumnElement[bool]:
    """A message of which nothing can have reached Discord: neither a part sent nor one under way."""
    return and_(
        deliveries.c.state == DeliveryState.PENDING,
        ~deliveries.c.attempted,
        cast(deliveries.c.messages, Text) == "[]",
    )


async def owe(
    connection: AsyncConnection, key: str, purpose: Purpose, due_at: datetime, now: datetime
) -> None:
    """Notes that a message is owed; in the same transaction as the change that owes it."""
    await connection.execute(
        insert(deliveries).values(
            run_key=key,
            purpose=purpose,
            state=DeliveryState.PENDING,
            due_at=due_at,
            messages=[],
            created_at=now,
        )
    )
