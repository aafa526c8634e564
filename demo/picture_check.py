"""A fake picture checker, for the demo, the simulation and tests. It knows no model.

It shares no code with the bot, so that a misread protocol makes a test fail.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from aiohttp import web

PATH = "/check"
_MAX_BYTES = 100 * 1024 * 1024


class Mood(StrEnum):
    """How the checker behaves.

    AWAY hangs up, SLOW answers after `FakePictureCheck.seconds`, LYING says the opposite of the truth, and
    GARBAGE answers what isn't a verdict.
    """

    WELL = "well"
    AWAY = "away"
    SLOW = "slow"
    LYING = "lying"
    GARBAGE = "garbage"


@dataclass
class FakePictureCheck:
    """Flags pictures in which the expression `marker` is found in any case, or whose SHA-256 (in hex) is in
    `flagged`. Serve its `app`.

    `verdict` is the answer about a flagged picture, and a signature may be `max_age` seconds old. All of it
    can be changed at any time. `answers` lists the SHA-256 of each checked picture and whether the answer
    flagged it; `refused` counts requests without a valid signature.
    """

    secret: str
    marker: bytes = b"flag-this-picture"
    flagged: set[str] = field(default_factory=set)
    verdict: Mapping[str, float] = field(default_factory=lambda: {"explicit": 0.97})
    mood: Mood = Mood.WELL
    seconds: float = 60.0
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    max_age: float = 300.0
    answers: list[tuple[str, bool]] = field(default_factory=list)
    refused: int = 0

    def app(self) -> web.Application:
        app = web.Application(client_max_size=_MAX_BYTES)
        app.router.add_post(PATH, self._check)
        return app

    async def _check(self, request: web.Request) -> web.Response:
        response = await self._answer(request)
        # simcord waits for all timers of a command, also for that of an idle connection.
        response.force_close()
        return response

    async def _answer(self, request: web.Request) -> web.Response:
        mood = self.mood
        if mood is Mood.AWAY:
            if request.transport is not None:
                request.transport.close()
            return web.Response(status=503)
        picture = await request.read()
        if not self._is_authentic(request.headers, picture):
            self.refused += 1
            return web.Response(status=403, text="wrong signature or time")
        if mood is Mood.SLOW:
            await asyncio.sleep(self.seconds)
        if mood is Mood.GARBAGE:
            return web.Response(text='{"labels": {"explicit": "very"}}', content_type="application/json")
        digest = hashlib.sha256(picture).hexdigest()
        found = re.search(self.marker, picture, re.IGNORECASE) is not None or digest in self.flagged
        flags = found is not (mood is Mood.LYING)
        self.answers.append((digest, flags))
        return web.json_response({"labels": self.verdict if flags else dict.fromkeys(self.verdict, 0.02)})

    def _is_authentic(self, headers: Mapping[str, str], picture: bytes) -> bool:
        timestamp, signature = headers.get("X-Bot-Timestamp", ""), headers.get("X-Bot-Signature", "")
        if not timestamp.isdecimal() or abs(self.now().timestamp() - int(timestamp)) > self.max_age:
            return False
        mac = hmac.new(self.secret.encode(), timestamp.encode() + b"." + picture, hashlib.sha256)
        return hmac.compare_digest(mac.hexdigest().encode(), signature.encode())
