"""All custom_ids: one frozen dataclass per kind, with its pattern, encoder and parser.

Messages with these ids outlive this version of the bot, so an id must keep its meaning.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar, Self
from zlib import crc32

from bot.deployments.model import FollowUpRef
from bot.domain.errors import RefusedError
from bot.domain.pages import Direction, RunCursor, RunFilter, RunsPage
from bot.domain.settings.fields import Section, SettingControl
from bot.domain.settings.forms import FORMS
from bot.ui.custom_ids.audit import AuditId as AuditId
from bot.ui.custom_ids.base import EPOCH, microseconds
from bot.ui.custom_ids.base import CustomId as CustomId

_KEY = r"[a-z0-9]{1,20}"
_DRAFT = r"[0-9a-f]{0,8}"
_END_OF_IDS = 1 << 63


class Action(StrEnum):
    """The actions of a run's buttons."""

    CANCEL = "cancel"
    AGAIN = "again"
    REDELIVER = "redeliver"
    APPROVE = "approve"
    REJECT = "reject"
    BLOCK = "block"
    DELETE = "delete"
    REPORT = "report"
    DISMISS = "dismiss"
    EDIT = "edit"
    DETAILS = "details"
    USE = "use"
    # For batches: show a single run, repeat all runs, delete all results.
    PICK = "pick"
    REPEAT = "repeat"
    CLEAR = "clear"
    VARY = "vary"
    # More actions of a result, the runs of a large batch, and the deletion of a message without a result.
    MORE = "more"
    NUMBERS = "numbers"
    DISCARD = "discard"
    # A copy of a result: a single result of a batch, or a share in the gallery channel.
    POST = "post"
    SHARE = "share"


# These show something or open a form. Cancel is never refused, and a decision about a card adds one row to
# those of the person who caused the card.
_UNCOUNTED = frozenset(
    {
        Action.CANCEL,
        Action.APPROVE,
        Action.REJECT,
        Action.BLOCK,
        Action.DISMISS,
        Action.EDIT,
        Action.DETAILS,
        Action.USE,
        Action.PICK,
        Action.MORE,
        Action.NUMBERS,
    }
)


@dataclass(frozen=True, slots=True)
class RunId(CustomId):
    """A button of a run."""

    PATTERN = re.compile(rf"run:(?P<key>{_KEY}):(?P<action>{'|'.join(Action)})")
    key: str
    action: Action

    def writes(self, *, form: bool) -> bool:
        return self.action not in _UNCOUNTED

    def encode(self) -> str:
        return f"run:{self.key}:{self.action}"

    @classmethod
    def parse(cls, match: re.Match[str]) -> Self:
        return cls(match["key"], Action(match["action"]))


class ReviewForm(StrEnum):
    """The forms behind moderators' buttons."""

    REJECT = "reject"
    BLOCK = "block"


@dataclass(frozen=True, slots=True)
class ReviewFormId(CustomId):
    """A moderator's form about a run."""

    PATTERN = re.compile(rf"form:(?P<key>{_KEY}):(?P<form>{'|'.join(ReviewForm)})")
    key: str
    form: ReviewForm

    def writes(self, *, form: bool) -> bool:
        return form and self.form is not ReviewForm.REJECT

    def encode(self) -> str:
        return f"form:{self.key}:{self.form}"

    @classmethod
    def parse(cls, match: re.Match[str]) -> Self:
        return cls(match["key"], ReviewForm(match["form"]))


@dataclass(frozen=True, slots=True)
class EditId(CustomId):
    """The Edit form of a run, or a button that opens it.

    `draft` names the draft that refills the form. `send` submits the draft without showing the form.
    """

    PATTERN = re.compile(rf"edit:(?P<key>{_KEY}):(?P<draft>{_DRAFT})(?P<send>:send)?")
    key: str
    draft: str = ""
    send: bool = False

    def writes(self, *, form: bool) -> bool:
        return form or self.send

    def encode(self) -> str:
        return f"edit:{self.key}:{self.draft}{':send' if self.send else ''}"

    @classmethod
    def parse(cls, match: re.Match[str]) -> Self:
        return cls(match["key"], match["draft"], bool(match["send"]))


@dataclass(frozen=True, slots=True)
class UseId(CustomId):
    """The Use-as-input form, or the button or select that opens it.

    `index` is the position of the picture, counted from 0, in the message that the component or form belongs
    to. `parent` is the key of the run that made the picture, or empty. `deployment` is empty in a select,
    whose options are the deployments. `draft` names the draft that refills the form. `kept` names the stored
    picture of a form that belongs to no message.
    """

    PATTERN = re.compile(
        rf"use:(?P<deployment>[^:]{{0,32}}):(?P<index>[0-9]):(?P<parent>(?:{_KEY})?):(?P<draft>{_DRAFT})"
        rf"(?::(?P<kept>{_DRAFT}))?"
    )
    deployment: str
    index: int
    parent: str = ""
    draft: str = ""
    kept: str = ""

    def writes(self, *, form: bool) -> bool:
        return True

    def encode(self) -> str:
        return f"use:{self.deployment}:{self.index}:{self.parent}:{self.draft}{self.kept and f':{self.kept}'}"

    @property
    def run_key(self) -> str:
        return self.parent

    @classmethod
    def parse(cls, match: re.Match[str]) -> Self:
        return cls(match["deployment"], int(match["index"]), *match.groups("")[2:])


@dataclass(frozen=True, slots=True)
class ShareId(CustomId):
    """The form that asks whether a shared result shows its prompt."""

    PATTERN = re.compile(rf"share:(?P<key>{_KEY})")
    key: str

    def encode(self) -> str:
        return f"share:{self.key}"

    @classmethod
    def parse(cls, match: re.Match[str]) -> Self:
        return cls(match["key"])


@dataclass(frozen=True, slots=True)
class FollowUpId(CustomId):
    """The button or form of a follow-up. Without `ref`, it is the select that lists several follow-ups.

    The follow-up takes a file of the run's result or, if `picture` is set, the picture at that position in
    the message, counted from 0.
    """

    PATTERN = re.compile(
        rf"then:(?P<key>(?:{_KEY})?):(?P<ref>(?:[0-9a-f]{{40}})?):(?P<picture>[0-9]?):(?P<draft>{_DRAFT})"
    )
    key: str
    ref: FollowUpRef | None = None
    picture: str = ""
    draft: str = ""

    def writes(self, *, form: bool) -> bool:
        return True

    def encode(self) -> str:
        return f"then:{self.key}:{''.join(self.ref or ())}:{self.picture}:{self.draft}"

    @classmethod
    def parse(cls, match: re.Match[str]) -> Self:
        ref = FollowUpRef(match["ref"][:32], match["ref"][32:]) if match["ref"] else None
        return cls(match["key"], ref, match["picture"], match["draft"])


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


# The controls of `/settings` that only open another part of the panel.
_ONLY_SHOWING = frozenset({"home.back", "home.open", "gpus.gpu", "gpus.deployment", "words.show"})


@dataclass(frozen=True, slots=True)
class SettingId(CustomId):
    """A control or form of `/settings`. `arg` tells what it applies to, such as a role, a GPU or a page.

    The pattern also matches ids of other versions, so that the user gets the bot's answer and not Discord's
    error.
    """

    PATTERN = re.compile(r"set:(?P<section>[^:]*)(?::(?P<name>[^:]*)(?::(?P<arg>.*))?)?", re.DOTALL)
    section: str
    name: str
    arg: str = ""

    def writes(self, *, form: bool) -> bool:
        key = f"{self.section}.{self.name}"
        return form or not (self.name == "again" or key in _ONLY_SHOWING or key in FORMS)

    def encode(self) -> str:
        return f"set:{self.section}:{self.name}" + (f":{self.arg}" if self.arg else "")

    @classmethod
    def parse(cls, match: re.Match[str]) -> Self:
        return cls(match["section"], match["name"] or "", match["arg"] or "")

    @property
    def control(self) -> SettingControl:
        """Return the control; its name isn't checked. Raises RefusedError for an unknown section."""
        if self.section not in set(Section):
            raise RefusedError("settings_stale")
        return SettingControl(Section(self.section), self.name, self.arg)

    @property
    def number(self) -> int:
        """Return the component's id.

        Clients remember a choice under this number, so two controls must not share it.
        """
        return crc32(self.encode().encode()) & 0x3FFFFFFF | 0x40000000


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
