"""The base class of custom_ids, and how they encode a point in time."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Self

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class CustomId(ABC):
    """A kind of custom_id. Discord allows 100 characters."""

    __slots__ = ()
    PATTERN: ClassVar[re.Pattern[str]]

    @property
    def run_key(self) -> str:
        """Return the key of the run whose messages may hold the component or open the form.

        It is empty for what only a message that one user sees may hold, such as a list or a panel.
        """
        key: str = getattr(self, "key", "")
        return key

    def writes(self, *, form: bool) -> bool:
        """Return whether a press, or with `form` the submitted form, may write a row or a message.

        If so, it counts against the user's allowance.
        """
        return form

    @abstractmethod
    def encode(self) -> str:
        """Return the custom_id."""

    @classmethod
    @abstractmethod
    def parse(cls, match: re.Match[str]) -> Self:
        """Return the custom_id that `match` contains.

        Raises RefusedError if a value matches the pattern but isn't valid.
        """

    @classmethod
    def read(cls, custom_id: str) -> Self | None:
        """Parse a custom_id. Return None for another kind's id. Raises the same errors as `parse`."""
        match = cls.PATTERN.fullmatch(custom_id)
        return cls.parse(match) if match is not None else None


def microseconds(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)
