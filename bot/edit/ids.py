"""The custom_ids of the forms and of the buttons that bring them back. They hold all that is needed."""

from __future__ import annotations

import re
from dataclasses import dataclass

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
