"""The custom_ids of the buttons and forms about one run."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from bot.deployments.model import FollowUpRef
from bot.ui.custom_ids.base import CustomId, Draft, Key, Part


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


# The others show something or open a form. Cancel is never refused, and a decision about a card adds one row
# to those of the person who caused the card.
_COUNTED = frozenset(
    {Action.AGAIN, Action.REDELIVER, Action.DELETE, Action.REPORT, Action.REPEAT}
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


class ReviewForm(StrEnum):
    """The forms behind moderators' buttons."""

    REJECT = "reject"
    BLOCK = "block"


@dataclass(frozen=True, slots=True)
class ReviewFormId(CustomId):
    """A moderator's form about a run."""

    NAME = "form"
    key: Key
    form: ReviewForm

    def writes(self, *, form: bool) -> bool:
        return form and self.form is not ReviewForm.REJECT


@dataclass(frozen=True, slots=True)
class EditId(CustomId):
    """The Edit form of a run, or a button that opens it.

    `draft` names the draft that refills the form. `send` submits the draft without showing the form.
    """

    NAME = "edit"
    key: Key
    draft: Draft = ""
    send: bool = False

    def writes(self, *, form: bool) -> bool:
        return form or self.send


@dataclass(frozen=True, slots=True)
class UseId(CustomId):
    """The Use-as-input form, or the button or select that opens it.

    `index` is the position of the picture, counted from 0, in the message that the component or form belongs
    to. `parent` is the key of the run that made the picture, or empty. `deployment` is empty in a select,
    whose options are the deployments. `draft` names the draft that refills the form. `kept` names the stored
    picture of a form that belongs to no message.
    """

    NAME = "use"
    deployment: Annotated[str, Part("[^:]{0,32}")]
    index: int
    parent: Key = ""
    draft: Draft = ""
    kept: Draft = ""

    def writes(self, *, form: bool) -> bool:
        return True

    @property
    def run_key(self) -> str:
        return self.parent


@dataclass(frozen=True, slots=True)
class ShareId(CustomId):
    """The form that asks whether a shared result shows its prompt."""

    NAME = "share"
    key: Key


def _write_ref(ref: FollowUpRef | None) -> str:
    return "".join(ref or ())


def _read_ref(text: str) -> FollowUpRef | None:
    return FollowUpRef(text[:32], text[32:]) if text else None


@dataclass(frozen=True, slots=True)
class FollowUpId(CustomId):
    """The button or form of a follow-up. Without `ref`, it is the select that lists several follow-ups.

    The follow-up takes a file of the run's result or, if `picture` is set, the picture at that position in
    the message, counted from 0.
    """

    NAME = "then"
    key: Key
    ref: Annotated[FollowUpRef | None, Part("(?:[0-9a-f]{40})?", _write_ref, _read_ref)] = None
    picture: Annotated[str, Part("[0-9]?")] = ""
    draft: Draft = ""

    def writes(self, *, form: bool) -> bool:
        return True
