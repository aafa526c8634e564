"""Keep this process below Discord's limit of fifty requests a second."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, Final

import aiohttp

# At most _RATE + _BURST + 1 requests start within any second.
_RATE: Final = 45
_BURST: Final = 4
# Discord counts interactions separately.
_EXEMPT: Final = ("/interactions/", "/webhooks/")


class RequestPace:
    """Delays the bot's requests. discord.py itself learns of Discord's global limit only by exceeding it."""

    def __init__(self) -> None:
        self._next = 0.0

    def delay(self, now: float) -> float:
        """Count a request at the time `now`, and return the seconds that it has to wait."""
        sent = max(self._next, now - _BURST / _RATE)
        self._next = sent + 1 / _RATE
        return max(sent - now, 0)

    def add_to(self, trace: aiohttp.TraceConfig) -> aiohttp.TraceConfig:
        """Make a trace delay the requests of its session, and return the trace."""
        trace.on_request_start.append(self._wait)
        return trace

    async def _wait(self, _: Any, __: SimpleNamespace, params: aiohttp.TraceRequestStartParams) -> None:
        if any(part in params.url.path for part in _EXEMPT):
            return
        if delay := self.delay(asyncio.get_running_loop().time()):
            await asyncio.sleep(delay)
