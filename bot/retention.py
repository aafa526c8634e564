"""Removes what servers no longer keep. A worker like the others: it works until nothing is too old."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from bot.store.privacy import Outdated, RetentionStore

log = logging.getLogger(__name__)

# Small, because on SQLite everybody who writes waits meanwhile.
_MANY = 200


class Pruner:
    """`claim` and `handle` for a Worker whose pause is an hour."""

    def __init__(self, store: RetentionStore, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock

    async def claim(self) -> Outdated | None:
        return await self._store.outdated(self._clock(), _MANY)

    async def handle(self, outdated: Outdated) -> None:
        removed = await self._store.remove(outdated)
        log.info(
            "removed %s requests and lines of the record that were older than servers keep them", removed
        )
