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
class Block:
    """A block that keeps a user from generating on a server. `until` is None if it doesn't expire."""

    guild_id: int
    user_id: int
    reason: str | None
    until: datetime | None
    created_at: datetime
    created_by: int

    @property
    def params(self) -> dict[str, object]:
        """Return the failure params of runs that the block ends. `until` is 0 if the block doesn't expire."""
        until = int(self.until.timestamp()) if self.until is not None else 0
        return {"until": until, **({"reason": self.reason} if self.reason else {})}
