"""The custom_ids of the buttons under `/audit`, which contain the whole filter."""

from __future__ import annotations

import base64
import struct
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from bot.domain.moderation.audit import OUTCOMES, AuditAction, AuditButton, AuditCursor, AuditFilter
from bot.ui.custom_ids.base import CustomId, Part, microseconds, moment

# Subject, actor, since and until in seconds, action and outcome. Actions and outcomes are stored as indexes.
_FILTER = struct.Struct(">QQIIBB")
_ACTIONS = (None, *AuditAction)
_OUTCOMES = (None, *OUTCOMES)
_CURSOR = struct.Struct(">QI")  # microseconds and the entry's number
_LARGEST_SNOWFLAKE = (1 << 63) - 1
_LARGEST_ENTRY = (1 << 31) - 1


def _write_filter(chosen: AuditFilter) -> str:
    packed = _FILTER.pack(
        chosen.subject or 0,
        chosen.actor or 0,
        _seconds(chosen.since),
        _seconds(chosen.until),
        _ACTIONS.index(chosen.action),
        _OUTCOMES.index(chosen.outcome),
    )
    return f"{base64.urlsafe_b64encode(packed).decode()}:{chosen.deployment or ''}"


def _read_filter(text: str) -> AuditFilter:
    packed, _, deployment = text.partition(":")
    subject, actor, since, until, action, outcome = _FILTER.unpack(base64.urlsafe_b64decode(packed))
    if max(subject, actor) > _LARGEST_SNOWFLAKE:
        raise ValueError("not an id of Discord's")
    return AuditFilter(
        subject=subject or None,
        actor=actor or None,
        deployment=deployment or None,
        outcome=_OUTCOMES[outcome],
        action=_ACTIONS[action],
        since=moment(since * 1_000_000) if since else None,
        until=moment(until * 1_000_000) if until else None,
    )


def _write_cursor(cursor: AuditCursor | None) -> str:
    if cursor is None:
        return ""
    return base64.urlsafe_b64encode(_CURSOR.pack(microseconds(cursor.at), cursor.id)).decode()


def _read_cursor(text: str) -> AuditCursor | None:
    if not text:
        return None
    micros, number = _CURSOR.unpack(base64.urlsafe_b64decode(text))
    if number > _LARGEST_ENTRY:
        raise ValueError("not the number of an audit entry")
    return AuditCursor(moment(micros), number)


def _seconds(at: datetime | None) -> int:
    return microseconds(at) // 1_000_000 if at is not None else 0


@dataclass(frozen=True, slots=True)
class AuditId(CustomId):
    """A button under a page of `/audit`: the filter, and the cursor of the page, in up to 94 characters."""

    NAME = "audit"
    button: AuditButton
    audit_filter: Annotated[AuditFilter, Part("[A-Za-z0-9_=-]{36}:.{0,32}", _write_filter, _read_filter)]
    cursor: Annotated[AuditCursor | None, Part("(?:[A-Za-z0-9_-]{16})?", _write_cursor, _read_cursor)] = None
