"""The buttons under a page of the record: their custom_ids carry the filter and the place, so they work after
any restart and nothing has to be remembered. Which server is meant comes with the press, never from here."""

from __future__ import annotations

import base64
import re
import struct
from datetime import UTC, datetime, timedelta

from bot.domain.errors import RefusedError
from bot.domain.records import OUTCOMES, AuditAction, AuditFilter, Cursor, Step
from bot.domain.runs import RunState

# microseconds and number of the cursor, subject, actor; seconds of since and until; action and outcome.
_FIELDS = struct.Struct(">QQQQIIBB")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LARGEST_ID = (1 << 63) - 1
_LARGEST_NUMBER = (1 << 31) - 1
# Numbers stand in messages that outlive this version: new actions and states go to the end.
_ACTIONS = (None, *AuditAction)
_OUTCOMES = (None, *OUTCOMES)
# 56 characters of base64 and a deployment's name: 97 of the 100 that Discord allows.
PATTERN = re.compile(
    r"audit:(?P<step>[onc]):(?P<fields>[A-Za-z0-9_-]{56}):(?P<deployment>.{0,32})", re.DOTALL
)


def record_id(step: Step, wanted: AuditFilter, cursor: Cursor | None) -> str:
    packed = _FIELDS.pack(
        _micros(cursor.at) if cursor else 0,
        cursor.id if cursor else 0,
        wanted.subject or 0,
        wanted.actor or 0,
        _seconds(wanted.since),
        _seconds(wanted.until),
        _ACTIONS.index(wanted.action),
        _OUTCOMES.index(RunState(wanted.outcome) if wanted.outcome else None),
    )
    return f"audit:{step}:{base64.urlsafe_b64encode(packed).decode()}:{wanted.deployment or ''}"


def read_record_id(fields: str, deployment: str) -> tuple[AuditFilter, Cursor | None]:
    """Raises RefusedError for what no version of ours has made."""
    try:
        micros, number, subject, actor, since, until, action, outcome = _FIELDS.unpack(
            base64.b64decode(fields, altchars=b"-_", validate=True)
        )
        wanted = AuditFilter(
            subject=_person(subject),
            actor=_person(actor),
            deployment=deployment or None,
            outcome=_OUTCOMES[outcome],
            action=_ACTIONS[action],
            since=_EPOCH + timedelta(seconds=since) if since else None,
            until=_EPOCH + timedelta(seconds=until) if until else None,
        )
        return wanted, _cursor(micros, number)
    except (struct.error, ValueError, IndexError, OverflowError) as error:
        raise RefusedError("list_stale", str(error)) from error


def _person(number: int) -> int | None:
    if number > _LARGEST_ID:
        raise ValueError("no id of Discord's")
    return number or None


def _cursor(micros: int, number: int) -> Cursor | None:
    if number > _LARGEST_NUMBER:
        raise ValueError("no line of the record")
    return Cursor(_EPOCH + timedelta(microseconds=micros), number) if micros else None


def _micros(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _seconds(moment: datetime | None) -> int:
    return (moment - _EPOCH) // timedelta(seconds=1) if moment is not None else 0
