"""The client of the picture checker, against a server that fails in every way."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr

from bot.domain.picture_check import Label
from bot.media.picture_check import MAX_BYTES, PictureChecker
from bot.metrics import Metrics
from bot.outside import Outside
from demo.picture_check import PATH, FakePictureCheck, Mood
from tests.ports import free_port
from tests.serving import serving
from tests.unit.factories import SETTINGS

SECRET = "a-secret-of-the-checker"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
MARKED = PNG + b"flag-this-picture"
EXPLICIT, NUDITY, SUGGESTIVE = Label.EXPLICIT, Label.NUDITY, Label.SUGGESTIVE
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Bench:
    """A checker's client with a folder of pictures."""

    checker: PictureChecker
    folder: Path
    metrics: Metrics
    numbers: list[int] = field(default_factory=list)

    async def check(
        self, picture: bytes = PNG, content_type: str = "image/png", *, server: int = 1, seconds: float = 30
    ) -> frozenset[Label] | None:
        path = self.folder / f"{len(self.numbers)}"
        self.numbers.append(server)
        path.write_bytes(picture)
        deadline = asyncio.get_running_loop().time() + seconds
        return await self.checker.check(path, content_type, server=server, deadline=deadline)

    def counted(self, result: str) -> float:
        value = self.metrics.registry.get_sample_value(
            "comfydeploy_bot_pictures_checked_total", {"result": result}
        )
        assert value is not None
        return value


@asynccontextmanager
async def bench(url: str, folder: Path, **parts: Any) -> AsyncIterator[Bench]:
    metrics = Metrics(time.monotonic)
    names = parts.pop("names", {})
    with ThreadPoolExecutor(2) as files:
        settings = SETTINGS.model_copy(
            update={"picture_check_url": url, "picture_check_secret": SecretStr(SECRET)}
        )
        outside = parts.pop("outside", Outside())
        checker = PictureChecker(settings, names, outside, files, metrics, **{"seconds": 5.0, **parts})
        try:
            yield Bench(checker, folder, metrics)
        finally:
            await checker.close()


@asynccontextmanager
async def fake(folder: Path, **parts: Any) -> AsyncIterator[tuple[FakePictureCheck, Bench]]:
    """Yield a fake checker, and a client of it."""
    there = FakePictureCheck(SECRET)
    runner = web.AppRunner(there.app(), shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}{PATH}"
        async with bench(url, folder, **parts) as client:
            yield there, client
    finally:
        await runner.cleanup()


async def labels_after(answer: Answer | str | bytes, folder: Path, **parts: Any) -> frozenset[Label] | None:
    """Return what the client makes of an answer."""

    async def handler(request: web.Request) -> web.StreamResponse:
        await request.read()
        if callable(answer):
            return await answer(request)
        body = answer.encode() if isinstance(answer, str) else answer
        return web.Response(body=body, content_type="application/json")

    async with serving(handler) as url, bench(url, folder, **parts) as client:
        labels = await client.check()
        assert client.counted("unknown") == (labels is None)
        assert client.counted("flagged") == bool(labels)
        return labels


async def test_a_picture_is_sent_signed_and_its_labels_are_returned(tmp_path: Path) -> None:
    async with fake(tmp_path) as (there, client):
        assert await client.check() == frozenset()
        assert await client.check(MARKED) == {EXPLICIT}
        there.flagged.add(hashlib.sha256(PNG).hexdigest())
        there.verdict = {"nudity": 0.5, "suggestive": 0.49}
        assert await client.check() == {NUDITY}
        there.mood = Mood.LYING
        assert await client.check(MARKED) == frozenset()
        assert [flagged for _, flagged in there.answers] == [False, True, True, False]
        assert there.refused == 0
        assert [client.counted(each) for each in ("clean", "flagged", "unknown")] == [2, 2, 0]
        count = client.metrics.registry.get_sample_value("comfydeploy_bot_picture_check_seconds_count")
        assert count == 4


async def test_a_large_picture_arrives_whole_with_its_type(tmp_path: Path) -> None:
    seen: list[tuple[str, int | None, bytes]] = []
    picture = PNG + bytes(range(256)) * 20_000

    async def note(request: web.Request) -> web.StreamResponse:
        seen.append((request.content_type, request.content_length, await request.read()))
        return web.json_response({"labels": {}})

    assert await labels_after(note, tmp_path) == frozenset()
    async with serving(note) as url, bench(url, tmp_path) as client:
        await client.check(picture, "video/mp4")
    assert seen == [("image/png", len(PNG), PNG), ("video/mp4", len(picture), picture)]


async def test_a_checkers_own_names_are_mapped_and_others_ignored(tmp_path: Path) -> None:
    answer = {"labels": {"porn": 0.9, "drawing": 1, "nudity": 0.7, "sexy": 0.1, "EXPLICIT": 1.0}}
    names = {"porn": EXPLICIT, "sexy": SUGGESTIVE}
    assert await labels_after(json.dumps(answer), tmp_path, names=names) == {EXPLICIT, NUDITY}
    assert await labels_after(json.dumps(answer), tmp_path) == {NUDITY}


def answering(status: int) -> Answer:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text='{"labels": {}}')

    return answer


def dripping(size: int, pause: float) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while request.transport is not None:
            await response.write(b" " * size)
            await asyncio.sleep(pause)
        return response

    return answer


async def cut_off(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"labels": {}}')
    assert request.transport is not None
    request.transport.close()
    return response


GARBAGE: tuple[str | bytes, ...] = (
    *("", "null", "[]", "{}", '{"labels": null}', '{"labels": ["explicit"]}', "<!doctype html>"),
    *(f'{{"labels": {{"explicit": {value}}}}}' for value in ('"0.9"', "true", "null", "1.1", "-0.1")),
    *(f'{{"labels": {{"explicit": {value}}}}}' for value in ("NaN", "1e999", "9" * 5_000)),
    '{"labels": {"unheard": 97, "explicit": 0.9}}',
    "[" * 60_000,
    '{"labels": {}}' + " " * 64 * 1024,
    b"\xff\xfe\x00",
    gzip.compress(b'{"labels": {}}', mtime=0),
)


@pytest.mark.parametrize("answer", GARBAGE, ids=lambda text: repr(text[:30]))
async def test_garbage_is_unknown(answer: str | bytes, tmp_path: Path) -> None:
    assert await labels_after(answer, tmp_path) is None


@pytest.mark.parametrize("status", [201, 204, 302, 400, 401, 403, 404, 413, 422, 500, 503])
async def test_another_status_is_unknown_whatever_its_body_says(status: int, tmp_path: Path) -> None:
    assert await labels_after(answering(status), tmp_path) is None


@pytest.mark.parametrize(
    "answer", [dripping(4096, 0), dripping(1, 0.01), cut_off], ids=["endless", "dripping", "cut off"]
)
async def test_an_answer_that_does_not_end_well_is_unknown(answer: Answer, tmp_path: Path) -> None:
    assert await labels_after(answer, tmp_path, seconds=0.3) is None


async def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    elsewhere: list[str] = []

    async def trap(request: web.Request) -> web.StreamResponse:
        elsewhere.append(request.path)
        return web.json_response({"labels": {}})

    async with serving(trap) as url:
        for status in (301, 302, 303, 307, 308):

            async def answer(_: web.Request, status: int = status) -> web.StreamResponse:
                return web.Response(status=status, headers={"Location": f"{url}/there"})

            assert await labels_after(answer, tmp_path) is None
    assert elsewhere == []


async def test_the_deadline_ends_a_check(tmp_path: Path) -> None:
    async with fake(tmp_path) as (there, client):
        there.mood = Mood.SLOW
        assert await client.check(seconds=0.2) is None
        assert await client.check(seconds=-1) is None
        there.mood = Mood.WELL
        assert await client.check() == frozenset()


async def test_a_wrong_secret_and_an_old_signature_are_refused(tmp_path: Path) -> None:
    async with fake(tmp_path) as (there, client):
        there.secret = "another secret"
        assert await client.check() is None
    long_ago = Outside(now=lambda: datetime(2020, 1, 1, tzinfo=UTC))
    async with fake(tmp_path, outside=long_ago) as (there, client):
        assert await client.check() is None
        assert there.refused == 1


class Gate:
    """A checker that answers when it is told to, and knows how many ask at the same time."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.changed = asyncio.Condition()
        self.inside = self.most = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        await request.read()
        async with self.changed:
            self.inside += 1
            self.most = max(self.most, self.inside)
            self.changed.notify_all()
        await self.opened.wait()
        self.inside -= 1
        return web.json_response({"labels": {}})

    async def reached(self, count: int) -> None:
        async with asyncio.timeout(30), self.changed:
            await self.changed.wait_for(lambda: self.inside >= count)


async def test_one_server_takes_half_of_the_queue_at_most(tmp_path: Path) -> None:
    gate = Gate()
    async with serving(gate.answer) as url, bench(url, tmp_path, seconds=30) as client:
        first = [asyncio.create_task(client.check(server=1)) for _ in range(34)]
        await gate.reached(2)
        assert await client.check(server=1) is None
        # The pictures of another server don't wait for those of the first.
        second = [asyncio.create_task(client.check(server=2)) for _ in range(34)]
        await gate.reached(4)
        assert await client.check(server=3) is None
        assert client.counted("unknown") == 2
        gate.opened.set()
        assert set(await asyncio.gather(*first, *second)) == {frozenset()}
        assert gate.most == 4
        assert await client.check(server=3) == frozenset()


async def test_cancelling_a_check_is_no_verdict_and_frees_its_place(tmp_path: Path) -> None:
    gate = Gate()
    async with serving(gate.answer) as url, bench(url, tmp_path, seconds=30) as client:
        checks = [asyncio.create_task(client.check()) for _ in range(34)]
        await gate.reached(2)
        for check in checks:
            check.cancel()
        found = await asyncio.gather(*checks, return_exceptions=True)
        assert {type(each) for each in found} == {asyncio.CancelledError}
        gate.opened.set()
        assert await client.check() == frozenset()


async def test_no_checker_and_no_file_are_unknown(tmp_path: Path) -> None:
    async with bench(f"http://127.0.0.1:{free_port()}/check", tmp_path) as client:
        assert await client.check() is None
        gone = tmp_path / "gone"
        assert await client.checker.check(gone, "image/png", server=1, deadline=1e9) is None
    async with bench("http://nobody.invalid/check", tmp_path) as client:
        assert await client.check() is None


async def test_a_file_that_discord_would_not_take_is_not_sent(tmp_path: Path) -> None:
    async with fake(tmp_path) as (there, client):
        path = tmp_path / "huge"
        with path.open("wb") as file:
            file.truncate(MAX_BYTES + 1)
        assert await client.checker.check(path, "image/png", server=1, deadline=1e9) is None
        assert (there.answers, there.refused) == ([], 0)
