"""The custom_ids of the buttons and forms about one run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from bot.deployments.model import FollowUpRef
from bot.ui.custom_ids.base import CustomId

_KEY = r"[a-z0-9]{1,20}"
_DRAFT = r"[0-9a-f]{0,8}"


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
