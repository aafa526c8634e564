"""A fake picture checker, for the demo, the simulation and tests. It knows no model.

It shares no code with the bot, so that a misread protocol makes a test fail.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
from dataclasses import dataclass, field
from enum import StrEnum

from aiohttp import web

PATH = "/check"
_MAX_BYTES = 100 * 1024 * 1024
_SLOW_SECONDS = 60


class Mood(StrEnum):
    """How the checker behaves.

    AWAY hangs up, SLOW answers after a minute, LYING says the opposite of the truth, and GARBAGE answers what
    isn't a verdict.
    """

    WELL = "well"
    AWAY = "away"
    SLOW = "slow"
    LYING = "lying"
    GARBAGE = "garbage"


@dataclass
class FakePictureCheck:
    """Flags pictures in which the expression `marker` is found in any case. Serve its `app`.

    `marker` and `mood` can be changed at any time. `answers` lists the SHA-256 (in hex) of each checked
    picture and whether the answer flagged it.
    """

    secret: str
    marker: bytes
    mood: Mood = Mood.WELL
    answers: list[tuple[str, bool]] = field(default_factory=list)

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
        signed = request.headers.get("X-Bot-Timestamp", "").encode() + b"." + picture
        signature = hmac.new(self.secret.encode(), signed, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(signature, request.headers.get("X-Bot-Signature", "")):
            return web.Response(status=403, text="wrong signature")
        if mood is Mood.SLOW:
            await asyncio.sleep(_SLOW_SECONDS)
        if mood is Mood.GARBAGE:
            return web.Response(text='{"labels": {"explicit": "very"}}', content_type="application/json")
        found = re.search(self.marker, picture, re.IGNORECASE) is not None
        flags = found is not (mood is Mood.LYING)
        self.answers.append((hashlib.sha256(picture).hexdigest(), flags))
        return web.json_response({"labels": {"explicit": 0.97 if flags else 0.02}})
