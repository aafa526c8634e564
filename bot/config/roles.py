"""What a process does. By default one process does all; `ROLES` and shards split the work over several."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """GATEWAY hears of interactions and answers them. WEB takes ComfyDeploy's webhooks. COURIER posts what is
    owed and keeps status messages true. RECONCILE makes the queue calls, asks about silent runs, prunes."""

    GATEWAY = "gateway"
    WEB = "web"
    COURIER = "courier"
    RECONCILE = "reconcile"


ALL_ROLES = frozenset(Role)
# What calls Discord or ComfyDeploy; a process that only takes webhooks needs neither key.
CALLING = ALL_ROLES - {Role.WEB}


@dataclass(frozen=True, slots=True)
class Shards:
    """The part of Discord's events that one process gets: shard `ids` of `count`."""

    count: int
    ids: tuple[int, ...]


def shards_of(count: int | None, ids: Collection[int]) -> Shards | None:
    """None: one connection for everything, without sharding. Without `ids` this process has all shards."""
    if count is None:
        return None
    return Shards(count, tuple(ids) or tuple(range(count)))


def shard_mistakes(count: int | None, ids: Collection[int]) -> list[str]:
    """SHARD_COUNT and SHARD_IDS that do not go together, in a sentence."""
    if ids and count is None:
        return ["SHARD_IDS is set without SHARD_COUNT. Set SHARD_COUNT to how many shards there are in all."]
    wrong = [number for number in ids if count is not None and number >= count]
    return [
        f"SHARD_IDS names shard {number}, and with SHARD_COUNT={count} they are numbered from 0. "
        "Correct one of the two."
        for number in wrong[:1]
    ]
