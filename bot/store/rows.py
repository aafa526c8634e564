"""Rows to records and back."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, Text, and_, cast, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.domain.requests import GenerationRequest
from bot.domain.runs import DeliveryState, Output, Purpose, Run, RunState
from bot.store.tables import deliveries, runs

_RUN_COLUMNS = tuple(runs.c[field.name] for field in fields(Run))


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
