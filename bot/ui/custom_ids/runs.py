"""The custom_ids of the buttons and forms about one run."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from bot.deployments.model import FollowUpRef
from bot.ui.custom_ids.base import CustomId, Draft, Key, Part

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
    """The button behind *More* that deletes what the message with this id shows: a result or a copy."""

    NAME = "delete"
    key: Key
    message: int

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
