"""What Discord says about the answer to a request's interaction."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class AnswerState(StrEnum):
    """What the requester sees in answer to the interaction.

    SHOWN: the request's status, or the notice that it may still start. OTHER: another sentence, such as an
    error. MISSING: Discord's notice that the bot didn't respond. EXPIRED: the answer can't be read any more.
    UNKNOWN: Discord gave no usable reply, so the bot has to ask again.
    """

    SHOWN = "shown"
    OTHER = "other"
    MISSING = "missing"
    EXPIRED = "expired"
    UNKNOWN = "unknown"


class Answer(NamedTuple):
    """The state of an answer; `message_id` is set if it is the status message."""

    state: AnswerState
    message_id: int | None = None
