"""Ask the operator's checker what pictures show. The protocol is in docs/picture-check.md.

The checker is the operator's own, so its address may be private. Its replies are nevertheless limited in size
and time.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import os
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import Executor
from typing import IO, Annotated, Final
from weakref import WeakValueDictionary

import aiohttp
from pydantic import BaseModel, Field, ValidationError

from bot.config.settings import Settings
from bot.domain.errors import reason_of
from bot.domain.picture_check import THRESHOLD, Label
from bot.effects import Effects
from bot.metrics import Metrics

log = logging.getLogger(__name__)
MAX_BYTES: Final = 100 * 1024 * 1024  # the largest file that Discord accepts from a bot
_MAX_REPLY: Final = 64 * 1024
_CHUNK: Final = 1024 * 1024
_AT_ONCE: Final = 4


class _Answer(BaseModel):
    """The checker's reply, such as `{"labels": {"name": 0.97}}`."""

    labels: dict[str, Annotated[float, Field(ge=0, le=1)]]


class CheckFailed(Exception):
    """A checker gave no usable reply. `status` is that of its reply, if it gave any."""

    def __init__(self, reason: str, status: int | None = None) -> None:
        super().__init__(reason)
        self.status = status


class PictureChecker:
    """Sends pictures to a checker, four at a time, of which one server has two at most.

    `names` maps the checker's own names to labels, beside the names of the labels themselves. `files` are
    threads that read files.
    """

    def __init__(
        self,
        settings: Settings,
        names: Mapping[str, Label],
        effects: Effects,
        files: Executor,
        metrics: Metrics,
        *,
        seconds: float = 10,
    ) -> None:
        self._url = settings.picture_check_url or ""
        self._secret = settings.picture_check_secret.get_secret_value().encode()
        self.names: Mapping[str, Label] = {**{label.value: label for label in Label}, **names}
        self._effects = effects
        self._files = files
        self._metrics = metrics
        self._seconds = seconds
        self._session = aiohttp.ClientSession(
            # A checker may close an idle connection at any moment, and a lost request would hold a picture.
            connector=aiohttp.TCPConnector(force_close=True),
            # A few kilobytes of gzip can hold gigabytes.
            auto_decompress=False,
            headers={"Accept-Encoding": "identity", "User-Agent": "comfydeploy-discord-bot"},
        )
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._slots_of: WeakValueDictionary[int, asyncio.Semaphore] = WeakValueDictionary()

    async def close(self) -> None:
        await self._session.close()

    async def check(
        self, content: IO[bytes], content_type: str, *, server: int, deadline: float
    ) -> frozenset[Label] | None:
        """Return the labels of a file, or None if they are unknown, whatever the reason is.

        A file that is neither a picture nor a video has none, and isn't sent.
        `deadline` is a time of the event loop, until which the picture waits for its turn and its reply.
        """
        if not content_type.startswith(("image/", "video/")):
            return frozenset()
        began, labels = self._effects.monotonic(), None
        of_server = self._slots_of.setdefault(server, asyncio.Semaphore(_AT_ONCE // 2))
        try:
            # In this order, a server with many pictures doesn't block the others.
            async with asyncio.timeout_at(deadline), of_server, self._slots:
                scores = await self.ask(content, content_type)
            found = (self.names.get(name) for name, score in scores.items() if score >= THRESHOLD)
            labels = frozenset(label for label in found if label is not None)
        except Exception as error:
            log.warning("the picture checker gave no verdict: %s", str(error) or type(error).__name__)
        result = "unknown" if labels is None else "flagged" if labels else "clean"
        self._metrics.picture_checked(result, self._effects.monotonic() - began)
        return labels

    async def ask(self, content: IO[bytes], content_type: str) -> dict[str, float]:
        """Return the scores in the checker's own names. Raises CheckFailed."""
        loop, timestamp = asyncio.get_running_loop(), str(int(self._effects.now().timestamp()))
        try:
            async with asyncio.timeout(self._seconds):
                size, signature = await loop.run_in_executor(self._files, self._sign, content, timestamp)
                headers = {
                    "Content-Type": content_type,
                    "Content-Length": str(size),
                    "X-Bot-Timestamp": timestamp,
                    "X-Bot-Signature": signature,
                }
                post = self._session.post(
                    self._url, data=self._chunks(content), headers=headers, allow_redirects=False
                )
                async with post as response:
                    if response.status != 200:
                        raise CheckFailed(f"the checker answered {response.status}", response.status)
                    reply = b""
                    while chunk := await response.content.read(_MAX_REPLY + 1 - len(reply)):
                        reply += chunk
            known = reply if len(reply) <= _MAX_REPLY else b""
            return _Answer.model_validate_json(known, strict=True).labels
        except ValidationError:
            raise CheckFailed("the answer isn't one of the protocol", 200) from None
        except (aiohttp.ClientError, OSError) as error:
            raise CheckFailed(f"no connection ({reason_of(error)})") from None

    def _sign(self, content: IO[bytes], timestamp: str) -> tuple[int, str]:
        if (size := content.seek(0, os.SEEK_END)) > MAX_BYTES:
            raise CheckFailed(f"the file has {size} bytes")
        mac = hmac.new(self._secret, f"{timestamp}.".encode(), hashlib.sha256)
        content.seek(0)
        while chunk := content.read(_CHUNK):
            mac.update(chunk)
        return size, mac.hexdigest()

    async def _chunks(self, content: IO[bytes]) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        content.seek(0)
        while chunk := await loop.run_in_executor(self._files, content.read, _CHUNK):
            yield chunk
