"""Bodies that are packed, broken or cut off, sent as bytes: what is answered, counted, and not logged."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from aiohttp import http_parser, web_protocol

from bot.comfydeploy.webhook_urls import WebhookSigner
from bot.config.logs import setup_logging
from tests.logs import own_logging
from tests.web.service import Caller, run_under_way

SECRET = "a-secret-of-the-operators-own-0123456789"
STRANGERS = [
    ("POST", "/webhooks/comfydeploy/abc/bad", 403),
    ("GET", "/webhooks/comfydeploy/abc/bad", 403),
    ("POST", "/webhooks/comfydeploy/ping/abc/bad", 403),
    ("POST", "/", 404),
    ("GET", "/healthz", 200),
    ("GET", "/metrics", 200),
]
ENCODINGS = ["gzip", "deflate", "br", "zstd"]


@pytest.fixture(autouse=True)
def log() -> Iterator[io.StringIO]:
    """Yield what the bot writes to stderr."""
    stream = io.StringIO()
    with own_logging():
        setup_logging("INFO", "text", stream=stream)
        yield stream


@pytest.fixture(params=["compiled", "python"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use each parser of aiohttp; they report broken bodies differently, and one may be missing."""
    if request.param == "python":
        monkeypatch.setattr(web_protocol, "HttpRequestParser", http_parser.HttpRequestParserPy)


@asynccontextmanager
async def sent(
    caller: Caller, url: str, headers: str, *parts: bytes, method: str = "POST"
) -> AsyncIterator[asyncio.StreamReader]:
    """Send a raw request, each part as a segment of its own; yield the answer, and hang up at the end."""
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection("127.0.0.1", caller.bot.runner.port)
    target = address.path + (f"?{address.query}" if address.query else "")
    writer.write(f"{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n\r\n".encode())
    for part in parts:
        # Another call's answer in between: what was written so far has been read by then.
        await caller.call(b"", f"{caller.base}/healthz", "GET")
        writer.write(part)
    try:
        yield reader
    finally:
        writer.close()
        await writer.wait_closed()


async def status(reader: asyncio.StreamReader) -> int:
    return int((await reader.readline()).split()[1])


@pytest.mark.parametrize("encoding", ENCODINGS)
async def test_a_stranger_can_not_fill_the_log_with_encodings(
    tmp_path: Path, log: io.StringIO, encoding: str
) -> None:
    async with run_under_way(tmp_path) as caller:
        before = log.getvalue()
        headers = f"Content-Length: 3\r\nContent-Encoding: {encoding}"
        for method, path, answer in STRANGERS:
            async with sent(caller, caller.base + path, headers, b"abc", method=method) as reader:
                assert await status(reader) == answer
                assert b"install" not in await reader.read()
        assert log.getvalue() == before


@pytest.mark.parametrize("encoding", ENCODINGS)
async def test_with_the_secret_an_encoded_body_is_unreadable(
    tmp_path: Path, log: io.StringIO, encoding: str
) -> None:
    async with run_under_way(tmp_path) as caller:
        run = await caller.run()
        headers = f"Content-Length: 3\r\nContent-Encoding: {encoding}"
        async with sent(caller, caller.url, headers, b"abc") as reader:
            assert await status(reader) == 400
            await reader.read()
        assert (await caller.counted())["unreadable"] == 1
        assert await caller.run() == run
    assert "ERROR" not in log.getvalue()


async def test_nothing_is_unpacked(tmp_path: Path, log: io.StringIO) -> None:
    """Else the mebibyte would be one of what comes out, after the work of unpacking it."""
    async with run_under_way(tmp_path) as caller:
        event = json.dumps(caller.event("failed")).encode()
        for body in (gzip.compress(event), gzip.compress(event + b" " * 2 * 1024 * 1024)):
            headers = f"Content-Length: {len(body)}\r\nContent-Encoding: gzip"
            async with sent(caller, caller.url, headers, body) as reader:
                assert await status(reader) == 400
        assert (await caller.counted())["unreadable"] == 2
    assert "ERROR" not in log.getvalue()


@pytest.mark.usefixtures("parser")
async def test_a_strangers_broken_chunks_are_not_logged(tmp_path: Path, log: io.StringIO) -> None:
    chunked = "Transfer-Encoding: chunked"
    async with run_under_way(tmp_path) as caller:
        before = log.getvalue()
        for method, path, answer in STRANGERS:
            url = caller.base + path
            async with sent(caller, url, chunked, b"3\r\nabc\r\n", b"zz\r\n", method=method) as reader:
                assert await status(reader) == answer
            async with sent(caller, url, f"{chunked}\r\n\r\nzz", method=method) as reader:
                assert await status(reader) == 400
                await reader.read()
        assert log.getvalue() == before


@pytest.mark.usefixtures("parser")
async def test_with_the_secret_broken_chunks_are_not_logged(
    tmp_path: Path, log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The compiled parser doesn't report the error to the reader of the body, so the read times out."""
    monkeypatch.setattr("bot.workers.webhook.BODY_SECONDS", 0.05)
    async with run_under_way(tmp_path) as caller:
        run = await caller.run()
        headers = "Transfer-Encoding: chunked"
        async with sent(caller, caller.url, headers, b"3\r\nabc\r\n", b"zz\r\n") as reader:
            assert await status(reader) in (400, 408)
        counted = await caller.counted()
        assert counted["unreadable"] + counted["too_slow"] == 1
        assert await caller.run() == run
    assert "ERROR" not in log.getvalue()


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize(
    ("headers", "body"),
    [("Transfer-Encoding: chunked", b"3\r\nabc\r\nzz\r\n"), ("Content-Length: 100", b"abc")],
)
async def test_a_signed_ping_has_the_limits_of_a_webhook(
    tmp_path: Path,
    log: io.StringIO,
    monkeypatch: pytest.MonkeyPatch,
    headers: str,
    body: bytes,
) -> None:
    monkeypatch.setattr("bot.workers.webhook.BODY_SECONDS", 0.05)
    async with run_under_way(tmp_path, webhook_secret=SECRET) as caller:
        ping = WebhookSigner(SECRET, None).ping_url(caller.base, "abc")
        assert (await caller.call(b"hello", ping))[0] == 200
        assert (await caller.call(b"x" * 2 * 1024 * 1024, ping))[0] == 413
        async with sent(caller, ping, headers, body) as reader:
            assert await status(reader) in (400, 408)
    assert "ERROR" not in log.getvalue()


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize(
    ("headers", "body"),
    [("Content-Length: 100", b"abc"), ("Transfer-Encoding: chunked", b"3\r\nabc\r\n9\r\n{")],
)
async def test_who_hangs_up_in_mid_body_is_counted_as_that(
    tmp_path: Path, log: io.StringIO, headers: str, body: bytes
) -> None:
    async with run_under_way(tmp_path) as caller:
        run = await caller.run()
        async with sent(caller, caller.url, headers, body):
            pass
        async with asyncio.timeout(60):
            while not any((counted := await caller.counted()).values()):
                pass
        assert {result for result, number in counted.items() if number} == {"cut_off"}
        assert await caller.run() == run
    assert "ERROR" not in log.getvalue()


async def test_who_hangs_up_in_a_ping_is_not_logged(tmp_path: Path, log: io.StringIO) -> None:
    async with run_under_way(tmp_path, webhook_secret=SECRET) as caller:
        address = WebhookSigner(SECRET, None).ping_url(caller.base, "abc123")
        async with sent(caller, address, "Content-Length: 100", b"abc"):
            pass
        # The answer of a later call comes after whatever the hang-up caused.
        await caller.call(b"", f"{caller.base}/healthz", "GET")
    assert "ERROR" not in log.getvalue()
