"""All custom_ids: one frozen dataclass for each kind."""

from __future__ import annotations

import base64
import struct
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from bot.deployments.model import FollowUpRef
from bot.domain.moderation import OUTCOMES, AuditAction, AuditButton, AuditCursor, AuditFilter
from bot.domain.pages import Direction, RunCursor, RunFilter, RunsPage
from bot.ui.custom_ids.base import CustomId as CustomId
from bot.ui.custom_ids.base import Draft, Key, Part, microseconds, moment

_REF_LENGTH = 40


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
    # For batches: repeat all runs, delete all results.
    REPEAT = "repeat"
    CLEAR = "clear"
    VARY = "vary"
    # More actions of a result, or of a batch, and the deletion of a message without a result.
    MORE = "more"
    MORE_OF_ALL = "all"
    DISCARD = "discard"
    # A copy of a result: a single result of a batch, or a share in the gallery channel.
    POST = "post"
    SHARE = "share"
    # Opens the form that saves the inputs as a preset.
    SAVE = "save"


# The others show something or open a form. Cancel is never refused, and a decision about a card adds one row
# to those of the person who caused the card.
_COUNTED = frozenset(
    {Action.AGAIN, Action.REDELIVER, Action.DELETE, Action.REPEAT}
    | {Action.CLEAR, Action.VARY, Action.DISCARD, Action.POST, Action.SHARE}
)


@dataclass(frozen=True, slots=True)
class RunId(CustomId):
    """A button of a run."""

    NAME = "run"
    key: Key
    action: Action

    def writes(self, *, form: bool) -> bool:
        return self.action in _COUNTED


@dataclass(frozen=True, slots=True)
class SaveId(CustomId):
    """The form that saves a run's inputs as a preset."""

    NAME = "save"
    key: Key

    def writes(self, *, form: bool) -> bool:
        return form


@dataclass(frozen=True, slots=True)
class PickId(CustomId):
    """The numbered button of a run in a batch, or of one of its pictures.

    `number` is on the button, and `file` is the number of the picture's file in the run; 0 means all files.
    """

    NAME = "pick"
    key: Key
    number: int
    file: int = 0


@dataclass(frozen=True, slots=True)
class DeleteId(CustomId):
    """The button behind *More* that deletes what the message with this id shows: a result, a copy, or a
    failure.

    `whole` means that it is about the whole batch. `draft` names how to reach a message that only an
    interaction can delete.
    """

    NAME = "delete"
    key: Key
    message: int
    whole: bool = False
    draft: Draft = ""

    def writes(self, *, form: bool) -> bool:
        return True


class ReviewForm(StrEnum):
    """The forms that ask for a reason; each has the name of its button."""

    REJECT = "reject"
    BLOCK = "block"
    REPORT = "report"


@dataclass(frozen=True, slots=True)
class ReviewFormId(CustomId):
    """A form that asks for the reason of a decision about a run, or of a report."""

    NAME = "form"
    key: Key
    form: ReviewForm

    def writes(self, *, form: bool) -> bool:
        return form and self.form is not ReviewForm.REJECT


@dataclass(frozen=True, slots=True)
class ShareId(CustomId):
    """The form that asks whether a shared result shows its prompt."""

    NAME = "share"
    key: Key


@dataclass(frozen=True, slots=True)
class DraftId(CustomId):
    """The form of a draft, or a button that opens it. A select menu of drafts has one, too.

    The draft starts from the run `key`, if there is one. `target` is the name of the deployment to start, or
    the digits of a follow-up (see `ref`); without it, the run is edited. `picture` is the position of the
    picture that it takes, counted from 0, in the message that the button or form belongs to. `draft`
    names what was typed before. With a `count`, a button starts so many runs at once, without the form.
    """

    NAME = "draft"
    key: Key
    target: Annotated[str, Part("[^:]{0,40}")] = ""
    picture: Annotated[str, Part("[0-9]?")] = ""
    draft: Draft = ""
    count: Annotated[str, Part("[0-9]{0,2}")] = ""

    @property
    def ref(self) -> FollowUpRef | None:
        # The name of a deployment is shorter.
        return FollowUpRef(self.target[:32], self.target[32:]) if len(self.target) == _REF_LENGTH else None

    def writes(self, *, form: bool) -> bool:
        return True


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
