"""Blocks of users, and the durations that moderators can choose for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from bot.domain.errors import RefusedError

UNTIL_UNBLOCKED = "open"
# The durations that moderators can choose for a block. None lasts until a moderator lifts the block.
BLOCK_DURATIONS: Mapping[str, timedelta | None] = MappingProxyType(
    {
        "hour": timedelta(hours=1),
        "day": timedelta(days=1),
        "week": timedelta(days=7),
        "month": timedelta(days=30),
        UNTIL_UNBLOCKED: None,
    }
)


def block_duration(choice: str | None) -> timedelta | None:
    """Return the duration of a choice, by default until unblocked. Raises RefusedError if it isn't offered.

    The value may come from another version's command or form, and a mistake must not block a user forever.
    """
    name = choice or UNTIL_UNBLOCKED
    if name not in BLOCK_DURATIONS:
        raise RefusedError("block_duration_unknown")
    return BLOCK_DURATIONS[name]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveBlock:
    """A block that is in force; `until` None means indefinitely."""

    user_id: int
    reason: str | None
    until: datetime | None
    created_at: datetime
    created_by: int


@dataclass(frozen=True, slots=True)
class BlockResult:
    """The result of blocking a user. `until` is None for an indefinite block. `ended` is how many waiting
    runs the block ended.
    """

    until: datetime | None
    ended: int
