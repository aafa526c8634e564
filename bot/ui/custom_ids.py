"""All custom_ids: a class for each kind, whose annotated fields give encoder and parser."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, ClassVar, Self, dataclass_transform

from pydantic import Field, TypeAdapter, ValidationError

from bot.domain.requests import RunFilter

_REF_LENGTH = 40
Id = Annotated[int, Field(ge=0, lt=1 << 63)]
Key = Annotated[str, Field(pattern="^[a-z0-9]{0,20}$")]
Draft = Annotated[str, Field(pattern="^[0-9a-f]{0,8}$")]
_adapter: Callable[[Any], TypeAdapter[Any]] = cache(TypeAdapter)


@dataclass_transform(frozen_default=True)
class CustomId:
    """A kind of custom_id: each subclass is a frozen dataclass, whose `name` and fields are joined by colons.
    Discord allows 100 characters, and only the last field may contain a colon.

    A field `key` names the run whose messages may hold the component or open the form. Without it, only a
    message that one user sees may, such as a list or a panel.
    """

    NAME: ClassVar[str]

    def __init_subclass__(cls, name: str = "") -> None:
        cls.NAME = name
        dataclass(frozen=True)(cls)

    def encode(self) -> str:
        return ":".join(map(str, [self.NAME, *_adapter(type(self)).dump_python(self).values()]))

    @classmethod
    def read(cls, custom_id: str) -> Self | None:
        """Parse a custom_id. Return None for another kind's, and for one that isn't valid."""
        # Only the subclasses are dataclasses, and mypy checks this line for the base class.
        names = [each.name for each in fields(cls)]  # type: ignore[arg-type]
        kind, *values = custom_id.split(":", len(names))
        if kind != cls.NAME or len(values) != len(names):
            return None
        try:
            found: Self = _adapter(cls).validate_python(dict(zip(names, values, strict=True)))
        except ValidationError:
            return None
        return found


class Action(StrEnum):
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
    # Repeats all runs of a batch.
    REPEAT = "repeat"
    # Deletes what a report is about.
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
    # Decide about what waits for a moderator: post it, post it as a spoiler, or hide it.
    SHOW = "show"
    VEIL = "veil"
    HIDE = "hide"


class RunId(CustomId, name="run"):
    """A button of a run, or the form that it opens."""

    key: Key
    action: Action


class PickId(CustomId, name="pick"):
    """The numbered button of a run in a batch, or of one of its pictures.

    `number` is on the button, and `file` is the number of the picture's file in the run; 0 means all files.
    """

    key: Key
    number: Id
    file: Id = 0


class DeleteId(CustomId, name="delete"):
    """The button behind *More* that deletes what the message with this id shows, of the `whole` batch or one
    run.

    `draft` names how to reach a message that only an interaction can delete.
    """

    key: Key
    message: Id
    whole: bool = False
    draft: Draft = ""


class DraftId(CustomId, name="draft"):
    """The form of a draft, or a button that opens it. A select menu of drafts has one, too.

    The draft starts from the run `key`, if there is one. `target` is the name of the deployment to start, or
    the digits of a follow-up (see `ref`); without it, the run is edited. `picture` is the position of the
    picture that it takes, counted from 0, in the message that the button or form belongs to. `draft`
    names what was typed before. With a `count`, a button starts so many runs at once, without the form.
    """

    key: Key
    target: Annotated[str, Field(max_length=_REF_LENGTH)] = ""
    picture: Annotated[str, Field(pattern="^[0-9]?$")] = ""
    draft: Draft = ""
    count: Annotated[str, Field(pattern="^[0-9]{0,2}$")] = ""

    @property
    def ref(self) -> str | None:
        """Return the follow-up to start. The name of a deployment is shorter."""
        return self.target if len(self.target) == _REF_LENGTH else None


class RunListAction(StrEnum):
    """The actions of the buttons in `/runs`. OPEN shows a private result again."""

    PAGE = "page"
    CANCEL = "cancel"
    REDELIVER = "redeliver"
    OPEN = "open"


class PageId(CustomId):
    """A button that shows a page of a list; `page` counts from 0."""

    page: Annotated[int, Field(ge=0, lt=100_000)]


class RunsId(PageId, name="runs"):
    """A button of `/runs`: a page, or what is done with the run `about` on that page."""

    run_filter: RunFilter = RunFilter.ALL
    action: RunListAction = RunListAction.PAGE
    about: Key = ""


class HelpPage(StrEnum):
    START = "start"
    EXAMPLES = "examples"
    LIMITS = "limits"
    COMMANDS = "commands"


class HelpId(CustomId, name="help"):
    page: HelpPage


class QueueId(PageId, name="queue"):
    """A page of `/queue`."""


class BlockedId(PageId, name="blocked"):
    """A page of `/blocked`."""


class PresetsId(PageId, name="presets"):
    """A page of `/preset list`."""


class UnblockId(PageId, name="unblock"):
    """The button beside an entry of `/blocked`, on this page."""

    user_id: Id


class ReplaceId(CustomId, name="replace"):
    """The button that saves a preset in place of an earlier one. `draft` identifies the unsaved preset."""

    draft: Draft


class SaveId(CustomId, name="save"):
    """The form that saves a run's inputs as a preset, or the button that opens it as it was sent before."""

    key: Key
    draft: Draft = ""


class SettingId(CustomId, name="set"):
    """A control or form of `/settings`, in a section or in the overview, which has the name "home".

    `part` is the number of a select, and `about` the key that a form is about.
    """

    section: Annotated[str, Field(pattern="^[a-z]+$")]
    action: Annotated[str, Field(pattern="^[a-z]+$")]
    draft: Draft = ""
    part: Id = 0
    about: str = ""


class OpenId(CustomId, name="auditopen"):
    """The button beside an entry of `/audit` that opens the private results of the request `about`."""

    about: Key


class EraseId(CustomId, name="erase"):
    """The button that confirms the erasure of the data of the user who presses it."""
