"""All custom_ids: one frozen dataclass for each kind."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from bot.domain.pages import Direction, RunCursor, RunFilter, RunsPage
from bot.ui.custom_ids.audit import AuditId as AuditId
from bot.ui.custom_ids.base import CustomId as CustomId
from bot.ui.custom_ids.base import Draft, Part, microseconds, moment
from bot.ui.custom_ids.runs import Action as Action
from bot.ui.custom_ids.runs import DeleteId as DeleteId
from bot.ui.custom_ids.runs import DraftId as DraftId
from bot.ui.custom_ids.runs import PickId as PickId
from bot.ui.custom_ids.runs import ReviewForm as ReviewForm
from bot.ui.custom_ids.runs import ReviewFormId as ReviewFormId
from bot.ui.custom_ids.runs import RunId as RunId
from bot.ui.custom_ids.runs import SaveId as SaveId
from bot.ui.custom_ids.runs import ShareId as ShareId


class RunListAction(StrEnum):
    """The actions of the controls in `/runs`. CANCEL and REDELIVER act on the selected run; OPEN shows a
    private result.
    """

    PAGE = "page"
    CANCEL = "cancel"
    REDELIVER = "redeliver"
    OPEN = "open"


def _write_page(page: RunsPage) -> str:
    where = f"{microseconds(page.cursor.at)}:{page.cursor.key}" if page.cursor is not None else "0:"
    return f"{page.direction}:{page.run_filter}:{where}"


def _read_page(text: str) -> RunsPage:
    direction, run_filter, micros, key = text.split(":")
    cursor = RunCursor(moment(int(micros)), key) if key else None
    return RunsPage(RunFilter(run_filter), Direction(direction), cursor)


@dataclass(frozen=True, slots=True)
class RunsId(CustomId):
    """A control of `/runs`, and the page to show."""

    NAME = "runs"
    action: RunListAction
    page: Annotated[RunsPage, Part(r"[on]:[a-z]{1,11}:[0-9]{1,18}:[a-z0-9]{0,20}", _write_page, _read_page)]

    def writes(self, *, form: bool) -> bool:
        return self.action in (RunListAction.REDELIVER, RunListAction.OPEN)


@dataclass(frozen=True, slots=True)
class PageId(CustomId):
    """A button that shows a page of a list; `page` counts from 0."""

    page: int


class HelpPage(StrEnum):
    """The pages of `/help`."""

    START = "start"
    EXAMPLES = "examples"
    LIMITS = "limits"
    COMMANDS = "commands"


@dataclass(frozen=True, slots=True)
class HelpId(CustomId):
    """A button that shows a page of `/help`."""

    NAME = "help"
    page: HelpPage


class QueueId(PageId):
    """A page of `/queue`."""

    __slots__ = ()
    NAME = "queue"


class BlockedId(PageId):
    """A page of `/blocked`."""

    __slots__ = ()
    NAME = "blocked"


class PresetsId(PageId):
    """A page of `/preset list`."""

    __slots__ = ()
    NAME = "presets"


@dataclass(frozen=True, slots=True)
class UnblockId(CustomId):
    """The button beside an entry of `/blocked`.

    `since` is the time when the block was stored, so that the button doesn't lift a later block. `page` is
    the page of the list, counted from 0.
    """

    NAME = "unblock"
    user_id: int
    since: datetime
    page: int

    def writes(self, *, form: bool) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class ReplaceId(CustomId):
    """The button that saves a preset in place of an earlier one. `draft` identifies the unsaved preset."""

    NAME = "replace"
    draft: Draft

    def writes(self, *, form: bool) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class SettingId(CustomId):
    """A control or form of `/settings`, in a section or in the overview, which has the name "home".

    `part` is the number of a form's part or of a select, and `about` the key that a form is about.
    """

    NAME = "set"
    section: Annotated[str, Part("[a-z]+")]
    action: Annotated[str, Part("[a-z]+")]
    draft: Draft = ""
    part: int = 0
    about: Annotated[str, Part(".*")] = ""

    def writes(self, *, form: bool) -> bool:
        return form or self.action == "tidy"


@dataclass(frozen=True, slots=True)
class OpenId(CustomId):
    """The select of private results under a page of `/audit`."""

    NAME = "auditopen"

    def writes(self, *, form: bool) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class EraseId(CustomId):
    """The button that confirms the erasure of a user's data."""

    NAME = "erase"
    user_id: int
