"""The custom_ids of the buttons under `/audit`, which contain the whole filter."""

from __future__ import annotations

import base64
import re
import struct
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from bot.domain.errors import RefusedError
from bot.domain.moderation.audit import OUTCOMES, AuditAction, AuditButton, AuditCursor, AuditFilter
from bot.ui.custom_ids.base import EPOCH, CustomId, microseconds

# The cursor's microseconds and number, subject, actor, since and until in seconds, action and outcome.
_AUDIT_FIELDS = struct.Struct(">QQQQIIBB")
# Ids hold an index into these, so new actions and outcomes go to the end.
_AUDIT_ACTIONS = (None, *AuditAction)
_AUDIT_OUTCOMES = (None, *OUTCOMES)
_LARGEST_SNOWFLAKE = (1 << 63) - 1
_LARGEST_ENTRY = (1 << 31) - 1


@dataclass(frozen=True, slots=True)
class AuditId(CustomId):
    """A button under a page of `/audit`: the filter, and the cursor of the page."""

    # 56 characters of base64 and a deployment's name: 97 of the 100 that Discord allows.
    PATTERN = re.compile(
        r"audit:(?P<button>[onc]):(?P<fields>[A-Za-z0-9_-]{56}):(?P<deployment>.{0,32})", re.DOTALL
    )
    button: AuditButton
    audit_filter: AuditFilter
    cursor: AuditCursor | None = None

    def encode(self) -> str:
        chosen, cursor = self.audit_filter, self.cursor
        packed = _AUDIT_FIELDS.pack(
            microseconds(cursor.at) if cursor else 0,
            cursor.id if cursor else 0,
            chosen.subject or 0,
            chosen.actor or 0,
            _seconds(chosen.since),
            _seconds(chosen.until),
            _AUDIT_ACTIONS.index(chosen.action),
            _AUDIT_OUTCOMES.index(chosen.outcome),
        )
        return f"audit:{self.button}:{base64.urlsafe_b64encode(packed).decode()}:{chosen.deployment or ''}"

    @classmethod
    def parse(cls, match: re.Match[str]) -> Self:
        try:
            micros, number, subject, actor, since, until, action, outcome = _AUDIT_FIELDS.unpack(
                base64.urlsafe_b64decode(match["fields"])
            )
            audit_filter = AuditFilter(
                subject=_snowflake(subject),
                actor=_snowflake(actor),
                deployment=match["deployment"] or None,
                outcome=_AUDIT_OUTCOMES[outcome],
                action=_AUDIT_ACTIONS[action],
                since=EPOCH + timedelta(seconds=since) if since else None,
                until=EPOCH + timedelta(seconds=until) if until else None,
            )
            return cls(AuditButton(match["button"]), audit_filter, _audit_cursor(micros, number))
        except (struct.error, ValueError, IndexError, OverflowError) as error:
            raise RefusedError("list_stale", str(error)) from error


def _snowflake(number: int) -> int | None:
    if number > _LARGEST_SNOWFLAKE:
        raise ValueError("not an id of Discord's")
    return number or None


def _audit_cursor(micros: int, number: int) -> AuditCursor | None:
    if number > _LARGEST_ENTRY:
        raise ValueError("not the number of an audit entry")
    return AuditCursor(EPOCH + timedelta(microseconds=micros), number) if micros else None


def _seconds(moment: datetime | None) -> int:
    return (moment - EPOCH) // timedelta(seconds=1) if moment is not None else 0
