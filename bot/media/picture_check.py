"""Ask the operator's checker what pictures show. The protocol is in docs/picture-check.md.

The checker is the operator's own, so its address may be private. Its answers are nevertheless limited in size
and time.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import Executor
from pathlib import Path
from typing import Final
from weakref import WeakValueDictionary

import aiohttp

from bot.deployments.schema.field_types import is_number
from bot.domain.picture_check import THRESHOLD, Label
from bot.metrics import Metrics
from bot.outside import Outside

log = logging.getLogger(__name__)
SECONDS: Final = 10.0
# The largest file that Discord accepts from a bot.
MAX_BYTES: Final = 100 * 1024 * 1024
_MAX_ANSWER: Final = 64 * 1024
_CHUNK: Final = 1024 * 1024
_AT_ONCE, _WAITING = 4, 64


class CheckFailed(Exception):
    """A checker that gave no usable answer. `status` is that of its answer, if it gave any."""

    def __init__(self, reason: str, status: int | None = None) -> None:
        super().__init__(reason)
        self.status = status


class PictureChecker:
    """Sends pictures to a checker, in a queue of its own.

    One server's pictures never take more than half of the queue. `names` maps the checker's own names to
    labels, beside the names of the labels themselves. `files` are threads that read files.
    """

    def __init__(
        self,
        url: str,
        secret: str,
        names: Mapping[str, Label],
        *,
        outside: Outside,
        files: Executor,
        metrics: Metrics,
        seconds: float = SECONDS,
    ) -> None:
        self._url = url
        self._secret = secret.encode()
        self.names: Mapping[str, Label] = {**{label.value: label for label in Label}, **names}
        self._outside = outside
        self._files = files
        self._metrics = metrics
        self._seconds = seconds
        self._session = aiohttp.ClientSession(
            # A checker may close an idle connection at any moment, and a lost request would hold a picture.
            connector=aiohttp.TCPConnector(force_close=True),
            timeout=aiohttp.ClientTimeout(total=None),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            # A few kilobytes of gzip can hold gigabytes.
            auto_decompress=False,
            headers={"Accept-Encoding": "identity", "User-Agent": "comfydeploy-discord-bot"},
        )
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._slots_of: WeakValueDictionary[int, asyncio.Semaphore] = WeakValueDictionary()
        self._pictures_of: Counter[int] = Counter()

    async def close(self) -> None:
        await self._session.close()

    async def check(
        self, path: Path, content_type: str, *, server: int, deadline: float
    ) -> frozenset[Label] | None:
        """Return the labels of a picture, or None if they are unknown, whatever the reason is.

        `deadline` is a time of the event loop. A picture beyond the queue's limits is unknown at once.
        """
        most, pictures_of = _AT_ONCE + _WAITING, self._pictures_of
        if pictures_of[server] >= most // 2 or pictures_of.total() >= most:
            log.warning("did not check a picture: too many wait for the checker")
            self._metrics.picture_checked("unknown")
            return None
        pictures_of[server] += 1
        of_server = self._slots_of.setdefault(server, asyncio.Semaphore(_AT_ONCE // 2))
        labels: frozenset[Label] | None = None
        try:
            # In this order, a server with many pictures doesn't block the others.
            async with asyncio.timeout_at(deadline), of_server, self._slots:
                labels = self._labels(await self.ask(path, content_type))
        except (CheckFailed, TimeoutError) as error:
            log.warning("the picture checker gave no verdict: %s", str(error) or "no time is left")
        except Exception:
            log.exception("the picture checker gave no verdict")
        finally:
            pictures_of[server] -= 1
            if not pictures_of[server]:
                del pictures_of[server]
        self._metrics.picture_checked("unknown" if labels is None else "flagged" if labels else "clean")
        return labels

    def _labels(self, scores: Mapping[str, float]) -> frozenset[Label]:
        found = (self.names.get(name) for name, score in scores.items() if score >= THRESHOLD)
        return frozenset(label for label in found if label is not None)

    async def ask(self, path: Path, content_type: str) -> dict[str, float]:
        """Return the scores in the checker's own names. Raises CheckFailed."""
        began, loop = self._outside.monotonic(), asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._seconds):
                timestamp = str(int(self._outside.now().timestamp()))
                size, signature = await loop.run_in_executor(self._files, self._sign, path, timestamp)
                headers = {
                    "Content-Type": content_type,
                    "Content-Length": str(size),
                    "X-Bot-Timestamp": timestamp,
                    "X-Bot-Signature": signature,
                }
                return _scores(await self._post(path, headers))
        except TimeoutError:
            raise CheckFailed(f"no answer within {self._seconds:g} seconds") from None
        except (aiohttp.ClientError, OSError) as error:
            raise CheckFailed(f"no answer ({type(error).__name__})") from None
        finally:
            self._metrics.picture_check_took(self._outside.monotonic() - began)

    def _sign(self, path: Path, timestamp: str) -> tuple[int, str]:
        """Return the size of a file and the signature of its request."""
        if (size := path.stat().st_size) > MAX_BYTES:
            raise CheckFailed(f"the file has {size} bytes")
        mac = hmac.new(self._secret, f"{timestamp}.".encode(), hashlib.sha256)
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                mac.update(chunk)
        return size, mac.hexdigest()

    async def _post(self, path: Path, headers: Mapping[str, str]) -> bytes:
        post = self._session.post(self._url, data=self._chunks(path), headers=headers, allow_redirects=False)
        async with post as response:
            if response.status != 200:
                raise CheckFailed(f"the checker answered {response.status}", response.status)
            answer = b""
            while chunk := await response.content.read(_MAX_ANSWER + 1 - len(answer)):
                answer += chunk
            if len(answer) > _MAX_ANSWER:
                raise CheckFailed(f"the answer has more than {_MAX_ANSWER} bytes", 200)
            return answer

    async def _chunks(self, path: Path) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        with path.open("rb") as file:
            while chunk := await loop.run_in_executor(self._files, file.read, _CHUNK):
                yield chunk


def _scores(answer: bytes) -> dict[str, float]:
    """Read `{"labels": {"name": 0.97}}`. Raises CheckFailed."""
    try:
        read = json.loads(answer)
    except (ValueError, RecursionError):
        raise CheckFailed("the answer isn't JSON", 200) from None
    scores = read.get("labels") if isinstance(read, dict) else None
    # A NaN fails the comparison, too.
    if not isinstance(scores, dict) or not all(
        is_number(each) and 0 <= each <= 1 for each in scores.values()
    ):
        raise CheckFailed('the answer isn\'t {"labels": {"name": 0.97}} with scores from 0 to 1', 200)
    return scores
