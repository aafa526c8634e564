"""The record of who did what: written in the same transaction as what it records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.store.tables import audit


class AuditAction(StrEnum):
    """What can stand in the record."""

    REQUEST = "request"
    REFUSAL = "refusal"
    OUTCOME = "outcome"
    APPROVE = "approve"
    REJECT = "reject"
    EXPIRE = "expire"
    CANCEL = "cancel"
    DELETE = "delete"
    REPORT = "report"
    DISMISS = "dismiss"
    BLOCK = "block"
    UNBLOCK = "unblock"
    SETTINGS = "settings"
    PAUSE = "pause"
    RESUME = "resume"
    PRIVACY = "privacy"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One line of the record. `actor_id` None is the bot itself; `details` is small JSON without secrets."""

    at: datetime
    guild_id: int | None
    action: AuditAction
    actor_id: int | None = None
    subject_id: int | None = None
    run_key: str | None = None
    deployment: str | None = None
    outcome: str | None = None
    details: Mapping[str, object] = field(default_factory=dict)


async def note(connection: AsyncConnection, entry: AuditEntry) -> None:
    """Writes the line in the caller's transaction."""
    await connection.execute(
        insert(audit).values(
            at=entry.at,
            guild_id=entry.guild_id,
            actor_id=entry.actor_id,
            subject_id=entry.subject_id,
            action=entry.action,
            run_key=entry.run_key,
            deployment=entry.deployment,
            outcome=entry.outcome,
            details=dict(entry.details),
        )
    )
