"""Limit simultaneous downloads, so that no server or host takes all the slots."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from weakref import WeakValueDictionary

from yarl import URL

_ALL: Final = 64
# All results usually come from one host, so its share is large.
_PER_HOST: Final = 48
_PER_SERVER: Final = 8


class DownloadSlots:
    """Limits the number of simultaneous downloads: in total, per host, and per Discord server."""

    def __init__(
        self, *, total: int = _ALL, per_host: int = _PER_HOST, per_server: int = _PER_SERVER
    ) -> None:
        self._all = asyncio.Semaphore(total)
        self._per_host = per_host
        self._per_server = per_server
        self._hosts: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._servers: WeakValueDictionary[int, asyncio.Semaphore] = WeakValueDictionary()

    @asynccontextmanager
    async def take(self, url: str, server: int) -> AsyncIterator[None]:
        """Wait for a slot and hold it inside the block.

        A download that is redirected to another host counts against the first host.
        """
        of_server = self._servers.setdefault(server, asyncio.Semaphore(self._per_server))
        of_host = self._hosts.setdefault(_host(url), asyncio.Semaphore(self._per_host))
        # In this order, a full server or host doesn't block the others.
        async with of_server, of_host, self._all:
            yield


def _host(url: str) -> str:
    try:
        return URL(url).host or ""
    except ValueError:
        return ""
