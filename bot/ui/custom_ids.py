"""Every custom_id: encode and parse."""

from __future__ import annotations

import base64
import re
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from bot.domain.errors import RefusedError
from bot.domain.records import OUTCOMES, AuditAction, AuditButton, AuditCursor, AuditFilter
from bot.domain.runs import Direction, RunCursor, RunFilter, RunsPage, RunState
from bot.domain.settings_table import Section, SettingControl

# microseconds and number of the cursor, subject, actor; seconds of since and until; action and outcome.
_FIELDS = struct.Struct(">QQQQIIBB")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LARGEST_ID = (1 << 63) - 1
_LARGEST_NUMBER = (1 << 31) - 1
# Numbers stand in messages that outlive this version: new actions and states go to the end.
_ACTIONS = (None, *AuditAction)
_OUTCOMES = (None, *OUTCOMES)
# 56 characters of base64 and a deployment's name: 97 of the 100 that Discord allows.
AUDIT_PATTERN = re.compile(
    r"audit:(?P<step>[onc]):(?P<fields>[A-Za-z0-9_-]{56}):(?P<deployment>.{0,32})", re.DOTALL
)


def record_id(step: AuditButton, wanted: AuditFilter, cursor: AuditCursor | None) -> str:
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


def read_record_id(fields: str, deployment: str) -> tuple[AuditFilter, AuditCursor | None]:
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


def _cursor(micros: int, number: int) -> AuditCursor | None:
    if number > _LARGEST_NUMBER:
        raise ValueError("no line of the record")
    return AuditCursor(_EPOCH + timedelta(microseconds=micros), number) if micros else None


def _micros(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _seconds(moment: datetime | None) -> int:
    return (moment - _EPOCH) // timedelta(seconds=1) if moment is not None else 0


class Action(StrEnum):
    CANCEL = "cancel"
    AGAIN = "again"
    POST = "post"
    APPROVE = "approve"
    REJECT = "reject"
    BLOCK = "block"
    DELETE = "delete"
    REPORT = "report"
    DISMISS = "dismiss"
    EDIT = "edit"
    DETAILS = "details"
    USE = "use"
    # of several: one of them by itself; all of them again; all of them deleted
    PICK = "pick"
    REPEAT = "repeat"
    CLEAR = "clear"
    VARY = "vary"


RUN_PATTERN = re.compile(rf"run:(?P<key>[a-z0-9]{{1,20}}):(?P<action>{'|'.join(Action)})")


def custom_id(key: str, action: Action) -> str:
    return f"run:{key}:{action.value}"


class RunListAction(StrEnum):
    """What a control does: turns the page, or acts on the chosen run and shows the same page again."""

    PAGE = "page"
    CANCEL = "cancel"
    POST = "post"


RUN_FILTERS = tuple(RunFilter)
RUNS_PATTERN = re.compile(
    r"runs:(?P<control>page|cancel|post):(?P<step>[on]):(?P<wanted>[a-z]{1,10}):"
    r"(?P<micros>[0-9]{1,18}):(?P<key>[a-z0-9]{0,20})"
)


def newest(state: str) -> RunsPage:
    """The first page; RefusedError for a state that is not among `RUN_FILTERS`."""
    if state not in RUN_FILTERS:
        raise RefusedError("list_stale", f"{state!r} is not on offer")
    return RunsPage(RunFilter(state))


def runs_id(control: RunListAction, place: RunsPage) -> str:
    cursor = place.cursor
    micros = (cursor.at - _EPOCH) // timedelta(microseconds=1) if cursor else 0
    return f"runs:{control}:{place.step}:{place.wanted}:{micros}:{cursor.key if cursor else ''}"


def read_runs_id(match: re.Match[str]) -> RunsPage:
    """Raises RefusedError for what no version of ours has made."""
    try:
        wanted = RunFilter(match["wanted"])
        at = _EPOCH + timedelta(microseconds=int(match["micros"]))
    except (ValueError, OverflowError) as error:
        raise RefusedError("list_stale", str(error)) from error
    cursor = RunCursor(at, match["key"]) if match["key"] else None
    return RunsPage(wanted, Direction(match["step"]), cursor)


_KEY = r"[a-z0-9]{1,20}"
_DRAFT = r"[0-9a-f]{0,8}"
EDIT_PATTERN = re.compile(rf"edit:(?P<key>{_KEY}):(?P<draft>{_DRAFT})(?P<send>:send)?")
USE_PATTERN = re.compile(
    rf"use:(?P<deployment>[^:]{{0,32}}):(?P<index>[0-9]):(?P<parent>(?:{_KEY})?):(?P<draft>{_DRAFT})"
)


@dataclass(frozen=True, slots=True)
class EditForm:
    """An Edit of the run `key`; `draft` names what was typed before, `send` takes it as it is."""

    key: str
    draft: str = ""
    send: bool = False

    @property
    def custom_id(self) -> str:
        return f"edit:{self.key}:{self.draft}{':send' if self.send else ''}"


@dataclass(frozen=True, slots=True)
class UseForm:
    """The picture `index` of the message that the form belongs to; `parent` is the run that made it.

    Without a deployment it is the select that chooses one.
    """

    deployment: str
    index: int
    parent: str = ""
    draft: str = ""

    @property
    def custom_id(self) -> str:
        return f"use:{self.deployment}:{self.index}:{self.parent}:{self.draft}"


def edit_form(match: re.Match[str]) -> EditForm:
    return EditForm(match["key"], match["draft"], bool(match["send"]))


def use_form(match: re.Match[str]) -> UseForm:
    return UseForm(match["deployment"], int(match["index"]), match["parent"], match["draft"])


# Everything of ours, also of another version: what we don't know is answered, not left to Discord's error.
SETTINGS_PATTERN = re.compile(r"set:(?P<rest>.*)", re.DOTALL)
_PARTS = re.compile(r"(?P<section>[a-z]+):(?P<name>[a-z_]+)(?::(?P<arg>.*))?", re.DOTALL)


def parse(rest: str) -> SettingControl | None:
    """None for what no panel of this version has."""
    match = _PARTS.fullmatch(rest)
    if match is None or match["section"] not in set(Section):
        return None
    return SettingControl(Section(match["section"]), match["name"], match["arg"] or "")


BLOCKED_PATTERN = re.compile(r"blocked:(?P<page>\d{1,6})")
PRESETS_PATTERN = re.compile(r"presets:(?P<page>\d{1,3})")
