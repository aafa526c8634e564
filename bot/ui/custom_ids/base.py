"""The base class of custom_ids, which derives encoder and parser from the annotated fields."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, ClassVar, NamedTuple, Self, get_type_hints

from bot.domain.errors import RefusedError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_END_OF_IDS = 1 << 63


class Part(NamedTuple):
    """How a field is written in a custom_id: its pattern, and functions that write and read it.

    `read` raises ValueError or OverflowError for what matches the pattern but isn't valid. The pattern has no
    groups that capture.
    """

    pattern: str
    write: Callable[[Any], str] = str
    read: Callable[[str], Any] = str


def microseconds(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)


def moment(micros: int) -> datetime:
    return EPOCH + timedelta(microseconds=micros)


def _integer(text: str) -> int:
    number = int(text)
    if number >= _END_OF_IDS:
        raise ValueError("too large for the database")
    return number


Key = Annotated[str, Part("[a-z0-9]{0,20}")]
Draft = Annotated[str, Part("[0-9a-f]{0,8}")]
_PARTS = {
    int: Part(r"\d{1,19}", str, _integer),
    bool: Part("1?", lambda value: "1" if value else "", bool),
    datetime: Part(r"\d{1,18}", lambda value: str(microseconds(value)), lambda text: moment(int(text))),
}


def _part(hint: Any) -> Part:
    if hasattr(hint, "__metadata__"):
        return next(each for each in hint.__metadata__ if isinstance(each, Part))
    if issubclass(hint, StrEnum):
        return Part("|".join(hint), str, hint)
    return _PARTS[hint]


class CustomId:
    """A kind of custom_id: a frozen dataclass whose fields are joined by colons. Discord allows 100
    characters.
    """

    __slots__ = ()
    NAME: ClassVar[str]

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

    @classmethod
    def pattern(cls) -> re.Pattern[str]:
        """Return the pattern of these custom_ids, with a group for each field."""
        groups = (f"({part.pattern})" for part in _parts(cls).values())
        return re.compile(":".join([cls.NAME, *groups]), re.DOTALL)

    def encode(self) -> str:
        """Return the custom_id."""
        parts = _parts(type(self)).items()
        return ":".join([self.NAME, *(part.write(getattr(self, name)) for name, part in parts)])

    @classmethod
    def parse(cls, match: re.Match[str]) -> Self:
        """Return the custom_id that matched `pattern`. Raises RefusedError if a value isn't valid."""
        try:
            pairs = zip(_parts(cls).values(), match.groups(), strict=True)
            return cls(*(part.read(text) for part, text in pairs))
        except (ValueError, OverflowError, IndexError, struct.error) as error:
            raise RefusedError("list_stale", str(error)) from error

    @classmethod
    def read(cls, custom_id: str) -> Self | None:
        """Parse a custom_id. Return None for another kind's id. Raises the same errors as `parse`."""
        match = cls.pattern().fullmatch(custom_id)
        return cls.parse(match) if match is not None else None


def _derive(kind: Any) -> dict[str, Part]:
    hints = get_type_hints(kind, include_extras=True)
    return {field.name: _part(hints[field.name]) for field in fields(kind)}


_parts: Callable[[Any], dict[str, Part]] = cache(_derive)
