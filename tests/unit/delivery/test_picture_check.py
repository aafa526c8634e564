"""The client of the picture checker, against a server that fails in every way."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import IO, Any

import pytest
from aiohttp import web
from pydantic import SecretStr

from bot.domain.picture_check import Label
from bot.effects import Effects
from bot.media.picture_check import MAX_BYTES, PictureChecker
from bot.metrics import Metrics
from tests.serving import serving
from tests.unit.delivery.sites import PNG, announcing, dripping, endless, never
from tests.unit.factories import SETTINGS

CLEAN = b'{"labels": {}}'
EXPLICIT, NUDITY, SUGGESTIVE = Label.EXPLICIT, Label.NUDITY, Label.SUGGESTIVE
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Client:
    """A checker's client with a picture."""

    checker: PictureChecker
    metrics: Metrics
    picture: IO[bytes] | None = None

    async def check(
        self, content_type: str = "image/png", *, server: int = 1, seconds: float = 30
    ) -> frozenset[Label] | None:
        deadline = asyncio.get_running_loop().time() + seconds
        picture = self.picture or io.BytesIO(PNG)
        return await self.checker.check(picture, content_type, server=server, deadline=deadline)

    def counted(self, result: str) -> float | None:
        name = "comfydeploy_bot_pictures_checked_total"
        return self.metrics.registry.get_sample_value(name, {"result": result})


@asynccontextmanager
async def checked_by(answer: Answer | bytes, *, names: Any = (), seconds: float = 5) -> AsyncIterator[Client]:
    """Yield a client of a checker that gives this answer to everything."""

    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(body=answer) if isinstance(answer, bytes) else await answer(request)

    outside = Effects()
    metrics = Metrics(outside.monotonic)
    with ThreadPoolExecutor(2) as files:
        async with serving(handler) as url:
            given = {"picture_check_url": url, "picture_check_secret": SecretStr("a-secret-of-the-checker")}
            settings = SETTINGS.model_copy(update=given)
            checker = PictureChecker(settings, dict(names), outside, files, metrics, seconds=seconds)
            try:
                yield Client(checker, metrics)
            finally:
                await checker.close()


async def test_a_checkers_own_names_are_mapped_and_others_ignored() -> None:
    answer = {"porn": 0.9, "drawing": 1, "nudity": 0.5, "suggestive": 0.49, "sexy": 0.1, "EXPLICIT": 1.0}
    body = json.dumps({"labels": answer}).encode()
    async with checked_by(body, names={"porn": EXPLICIT, "sexy": SUGGESTIVE}) as client:
        assert await client.check() == {EXPLICIT, NUDITY}
        assert client.counted("flagged") == 1
    async with checked_by(body) as client:
        assert await client.check() == {NUDITY}


async def compressed(_: web.Request) -> web.StreamResponse:
    """Answer with a body that unpacks to far more than it sends."""
    return web.Response(body=gzip.compress(CLEAN, mtime=0), headers={"Content-Encoding": "gzip"})


def with_status(status: int) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        status_now = 200 if request.path == "/there" else status
        return web.Response(status=status_now, body=CLEAN, headers={"Location": "/there"})

    return answer


GARBAGE = (
    *(b"", b"null", b"[]", b"{}", b'{"labels": null}', b'{"labels": ["explicit"]}', b"<!doctype html>"),
    *(b'{"labels": {"explicit": %s}}' % value for value in (b'"0.9"', b"true", b"null", b"1.1", b"-0.1")),
    *(b'{"labels": {"explicit": %s}}' % value for value in (b"NaN", b"1e999", b"9" * 5_000)),
    b'{"labels": {"unheard": 97, "explicit": 0.9}}',
    b"[" * 60_000,
    CLEAN + b" " * 64 * 1024,
    b"\xff\xfe\x00",
)
BAD: dict[str, Answer | bytes] = {
    **{repr(garbage[:30]): garbage for garbage in GARBAGE},
    **{f"status {status}": with_status(status) for status in (201, 301, 302, 303, 307, 308, 401, 500)},
    "endless": endless(),
    "dripping": dripping,
    "cut off": announcing(1000, CLEAN, then_hangs_up=True),
    "silent": never,
    "compressed": compressed,
}


@pytest.mark.parametrize("answer", BAD)
async def test_a_bad_answer_is_unknown_and_a_redirect_is_not_followed(answer: str) -> None:
    async with checked_by(BAD[answer], seconds=0.3) as client:
        assert await client.check() is None
        assert [client.counted(each) for each in ("clean", "flagged", "unknown")] == [0, 0, 1]


@pytest.mark.parametrize("seconds", [0.2, -1])
async def test_the_deadline_ends_a_check(seconds: float) -> None:
    async with checked_by(never, seconds=3600) as client:
        assert await client.check(seconds=seconds) is None


class Gate:
    """A checker that answers when it is told to, and knows how many ask at the same time."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.changed = asyncio.Condition()
        self.inside = self.most = 0
        self.types: list[str] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        assert await request.read() == PNG
        assert request.content_length == len(PNG)
        async with self.changed:
            self.inside += 1
            self.types.append(request.content_type)
            self.most = max(self.most, self.inside)
            self.changed.notify_all()
        await self.opened.wait()
        self.inside -= 1
        return web.Response(body=CLEAN)

    async def reached(self, count: int) -> None:
        async with asyncio.timeout(30), self.changed:
            await self.changed.wait_for(lambda: self.inside >= count)


async def test_one_server_takes_half_of_the_checker_at_most() -> None:
    gate = Gate()
    async with checked_by(gate.answer, seconds=30) as client:
        first = [asyncio.create_task(client.check(server=1)) for _ in range(34)]
        await gate.reached(2)
        # The pictures of another server don't wait for those of the first.
        second = [asyncio.create_task(client.check("image/gif", server=2)) for _ in range(34)]
        await gate.reached(4)
        assert sorted(gate.types) == ["image/gif", "image/gif", "image/png", "image/png"]
        gate.opened.set()
        assert set(await asyncio.gather(*first, *second)) == {frozenset()}
        assert gate.most == 4
        assert client.counted("clean") == 68


async def test_sounds_no_file_and_one_that_discord_would_not_take_are_not_sent() -> None:
    asked: list[web.Request] = []

    async def note(request: web.Request) -> web.StreamResponse:
        asked.append(request)
        return web.Response(body=CLEAN)

    async with checked_by(note) as client:
        assert {await client.check(each) for each in ("audio/mpeg", "text/plain")} == {frozenset()}
        with TemporaryFile() as client.picture:
            client.picture.truncate(MAX_BYTES + 1)
            assert await client.check() is None
        assert await client.check() is None
    assert asked == []
