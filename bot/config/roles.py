"""The roles of a process. By default, one process does everything; `ROLES` and shards split the work."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """A part of the bot's work.

    GATEWAY receives and answers interactions. WEB receives ComfyDeploy's webhooks. MESSENGER posts results
    and updates status messages. RECONCILE submits runs, polls silent ones and deletes expired data.
    """

    GATEWAY = "gateway"
    WEB = "web"
    MESSENGER = "messenger"
    RECONCILE = "reconcile"


ALL_ROLES = frozenset(Role)
# The roles that call Discord or ComfyDeploy; a process with WEB alone needs neither key.
CALLING_ROLES = ALL_ROLES - {Role.WEB}


def role_names(text: str) -> frozenset[str]:
    """Return the names in the text of ROLES in lower case, including those that aren't roles."""
    return frozenset(name.strip().lower() for name in text.split(",") if name.strip())


@dataclass(frozen=True, slots=True)
class Shards:
    """The share of Discord's events that one process receives: shards `ids` out of `count`."""

    count: int
    ids: tuple[int, ...]


def shards_of(count: int | None, ids: Collection[int]) -> Shards | None:
    """Return this process's shards, all of them if `ids` is empty, or None without sharding."""
    if count is None:
        return None
    return Shards(count, tuple(ids) or tuple(range(count)))


def shard_mistakes(count: int | None, ids: Collection[int]) -> list[str]:
    """Return a sentence if there are `ids` without a `count`, or if one of them isn't below `count`."""
    if ids and count is None:
        return ["SHARD_IDS is set without SHARD_COUNT. Set SHARD_COUNT to how many shards there are in all."]
    invalid = [number for number in ids if count is not None and number >= count]
    return [
        f"SHARD_IDS names shard {number}, and with SHARD_COUNT={count} they are numbered from 0. "
        "Correct one of the two."
        for number in invalid[:1]
    ]
