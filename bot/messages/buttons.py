"""The buttons' custom_ids: `run:{key}:{action}`. They carry the run key, so they work after any restart, and
they let the courier recognise its own messages."""

from __future__ import annotations

import re
from enum import StrEnum


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


PATTERN = re.compile(rf"run:(?P<key>[a-z0-9]{{1,20}}):(?P<action>{'|'.join(Action)})")


def custom_id(key: str, action: Action) -> str:
    return f"run:{key}:{action.value}"
