"""All custom_ids: one frozen dataclass per kind, with its pattern, encoder and parser.

Messages with these ids outlive this version of the bot, so an id must keep its meaning.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar, Self

from bot.domain.errors import RefusedError
from bot.domain.pages import Direction, RunCursor, RunFilter, RunsPage
from bot.ui.custom_ids.audit import AuditId as AuditId
from bot.ui.custom_ids.base import EPOCH, microseconds
from bot.ui.custom_ids.base import CustomId as CustomId
from bot.ui.custom_ids.runs import Action as Action
from bot.ui.custom_ids.runs import EditId as EditId
from bot.ui.custom_ids.runs import FollowUpId as FollowUpId
from bot.ui.custom_ids.runs import ReviewForm as ReviewForm
from bot.ui.custom_ids.runs import ReviewFormId as ReviewFormId
from bot.ui.custom_ids.runs import RunId as RunId
from bot.ui.custom_ids.runs import ShareId as ShareId
from bot.ui.custom_ids.runs import UseId as UseId

_END_OF_IDS = 1 << 63


class RunListAction(StrEnum):
    """The actions of the controls in `/runs`. CANCEL and REDELIVER act on the selected run; OPEN shows a
    private result.
    """

    PAGE = "page"
    CANCEL = "cancel"
    REDELIVER = "redeliver"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class RunsId(CustomId):
    """A control of `/runs`, and the page to show."""

    PATTERN = re.compile(
        rf"runs:(?P<action>{'|'.join(RunListAction)}):(?P<direction>[on]):(?P<filter>[a-z]{{1,11}}):"
        r"(?P<micros>[0-9]{1,18}):(?P<key>[a-z0-9]{0,20})"
    )
    action: RunListAction
    page: RunsPage

    def writes(self, *, form: bool) -> bool:
        return self.action in (RunListAction.REDELIVER, RunListAction.OPEN)

    def encode(self) -> str:
        page, cursor = self.page, self.page.cursor
        where = f"{microseconds(cursor.at)}:{cursor.key}" if cursor else "0:"
        return f"runs:{self.action}:{page.direction}:{page.run_filter}:{where}"

    @classmethod
    def parse(cls, match: re.Match[str]) -> Self:
        try:
            run_filter = RunFilter(match["filter"])
            at = EPOCH + timedelta(microseconds=int(match["micros"]))
        except (ValueError, OverflowError) as error:
            raise RefusedError("list_stale", str(error)) from error
        cursor = RunCursor(at, match["key"]) if match["key"] else None
        return cls(
            RunListAction(match["action"]), RunsPage(run_filter, Direction(match["direction"]), cursor)
        )


@dataclass(frozen=True, slots=True)
class PageId(CustomId):
    """A button that shows a page of a list; `page` counts from 0."""

    NAME: ClassVar[str]
    page: int

    def encode(self) -> str:
        return f"{self.NAME}:{self.page}"

    @classmethod
    def parse(cls, match: re.Match[str]) -> Self:
        return cls(int(match["page"]))


class QueueId(PageId):
    """A page of `/queue`."""

    __slots__ = ()
    NAME = "queue"
    PATTERN = re.compile(r"queue:(?P<page>\d{1,4})")


class BlockedId(PageId):
    """A page of `/blocked`."""

    __slots__ = ()
    NAME = "blocked"
    PATTERN = re.compile(r"blocked:(?P<page>\d{1,6})")


@dataclass(frozen=True, slots=True)
class UnblockId(CustomId):
    """The button beside an entry of `/blocked`.

    `since` is the time when the block was stored, so that the button doesn't lift a later block. `page` is
    the page of the list, counted from 0.
    """

    PATTERN = re.compile(r"unblock:(?P<user>\d{1,20}):(?P<micros>[0-9]{1,18}):(?P<page>\d{1,6})")
    user_id: int
    since: datetime
    page: int

    def writes(self, *, form: bool) -> bool:
        return True

    def encode(self) -> str:
        return f"unblock:{self.user_id}:{microseconds(self.since)}:{self.page}"

    @classmethod
    def parse(cls, match: re.Match[str]) -> Self:
        user_id = int(match["user"])
        try:
            since = EPOCH + timedelta(microseconds=int(match["micros"]))
        except OverflowError as error:
            raise RefusedError("list_stale", str(error)) from error
        if user_id >= _END_OF_IDS:
            raise RefusedError("list_stale", "the id is too large for the database")
        return cls(user_id, since, int(match["page"]))


class PresetsId(PageId):
    """A page of `/preset list`."""

    __slots__ = ()
    NAME = "presets"
    PATTERN = re.compile(r"presets:(?P<page>\d{1,3})")


@dataclass(frozen=True, slots=True)
class ReplaceId(CustomId):
    """The button that saves a preset in place of an earlier one. `draft` identifies the unsaved preset."""

    PATTERN = re.compile(r"replace:(?P<draft>[0-9a-f]{8})")
    draft: str

    def writes(self, *, form: bool) -> bool:
        return True

    def encode(self) -> str:
        return f"replace:{self.draft}"

    @classmethod
    def parse(cls, match: re.Match[str]) -> Self:
        return cls(match["draft"])


@dataclass(frozen=True, slots=True)
class SettingId(CustomId):
    """A control or form of `/settings`, in a section or in the overview, which has the name "home".

    `arg` tells what it applies to. The pattern also matches ids of other versions, so that the user gets the
    bot's answer and not Discord's error.
    """

    PATTERN = re.compile(r"set:(?P<section>[^:]*)(?::(?P<action>[^:]*)(?::(?P<arg>.*))?)?", re.DOTALL)
    section: str
    action: str
    arg: str = ""

    def writes(self, *, form: bool) -> bool:
        return form or self.action == "tidy"

    def encode(self) -> str:
        return f"set:{self.section}:{self.action}" + (f":{self.arg}" if self.arg else "")

    @classmethod
    def parse(cls, match: re.Match[str]) -> Self:
        return cls(match["section"], match["action"] or "", match["arg"] or "")

    @property
    def form(self) -> tuple[str, int, str]:
        """Return the draft of a form, its part, which may not exist, and what it is about."""
        draft, _, rest = self.arg.partition(":") if self.action == "again" else ("", "", self.arg)
        part, _, about = rest.partition(":")
        return draft, int(part) if part.isdecimal() and len(part) < 3 else 99, about


@dataclass(frozen=True, slots=True)
class HelpId(CustomId):
    """A select of `/help`. Many deployments need several selects."""

    PATTERN = re.compile(r"help:(?P<number>[0-9])")
    number: int

    def encode(self) -> str:
        return f"help:{self.number}"

    @classmethod
    def parse(cls, match: re.Match[str]) -> Self:
        return cls(int(match["number"]))


@dataclass(frozen=True, slots=True)
class OpenId(CustomId):
    """The select of private results under a page of `/audit`."""

    PATTERN = re.compile(r"auditopen")

    def writes(self, *, form: bool) -> bool:
        return True

    def encode(self) -> str:
        return "auditopen"

    @classmethod
    def parse(cls, match: re.Match[str]) -> Self:
        return cls()


@dataclass(frozen=True, slots=True)
class EraseId(CustomId):
    """The button that confirms the erasure of a user's data."""

    PATTERN = re.compile(r"erase:(?P<user>\d{1,20})")
    user_id: int

    def encode(self) -> str:
        return f"erase:{self.user_id}"

    @classmethod
    def parse(cls, match: re.Match[str]) -> Self:
        return cls(int(match["user"]))
