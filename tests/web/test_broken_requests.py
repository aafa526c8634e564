"""Compressed, broken and incomplete bodies: their answers, their counts, and an unchanged log."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest
from aiohttp import http_parser, web_protocol

from bot.config.logs import setup_logging
from tests.logs import own_logging
from tests.web.service import Caller

STRANGERS = [
    ("POST", "/webhooks/comfydeploy/abc/bad", 403),
    ("GET", "/webhooks/comfydeploy/abc/bad", 403),
    ("POST", "/", 404),
    ("GET", "/healthz", 200),
    ("GET", "/metrics", 200),
]
ENCODINGS = ("gzip", "deflate", "br", "zstd")
CHUNKED = "Transfer-Encoding: chunked"
TRUNCATED = [("Content-Length: 100", b"abc"), (CHUNKED, b"3\r\nabc\r\n9\r\n{")]


@pytest.fixture(autouse=True)
def log() -> Iterator[io.StringIO]:
    """Yield what the bot writes to stderr, which must not contain an error."""
    stream = io.StringIO()
    with own_logging():
        setup_logging("INFO", "text", stream=stream)
        yield stream
    assert "ERROR" not in stream.getvalue()


@pytest.fixture(params=["compiled", "python"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use each parser of aiohttp; they report broken bodies differently, and one may be missing."""
    if request.param == "python":
        monkeypatch.setattr(web_protocol, "HttpRequestParser", http_parser.HttpRequestParserPy)


@asynccontextmanager
async def sent(
    caller: Caller, url: str, headers: str, *parts: bytes, method: str = "POST"
) -> AsyncIterator[asyncio.StreamReader]:
    """Send a raw request, each part as a separate segment; yield the answer, and hang up at the end."""
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection("127.0.0.1", caller.bot.runner.port)
    target = address.path + (f"?{address.query}" if address.query else "")
    writer.write(f"{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n\r\n".encode())
    for part in parts:
        # The server has read the earlier parts once it answers another call.
        await caller.call(b"", f"{caller.base}/healthz", "GET")
        writer.write(part)
    try:
        yield reader
    finally:
        writer.close()
        await writer.wait_closed()


async def status(reader: asyncio.StreamReader) -> int:
    return int((await reader.readline()).split()[1])


async def test_strangers_cannot_fill_the_log(caller: Caller, log: io.StringIO) -> None:
    before = log.getvalue()
    for encoding in ENCODINGS:
        headers = f"Content-Length: 3\r\nContent-Encoding: {encoding}"
        for method, path, answer in STRANGERS:
            async with sent(caller, caller.base + path, headers, b"abc", method=method) as reader:
                assert await status(reader) == answer
                assert b"install" not in await reader.read()
    assert log.getvalue() == before


@pytest.mark.usefixtures("parser")
async def test_a_strangers_broken_chunks_are_not_logged(caller: Caller, log: io.StringIO) -> None:
    before = log.getvalue()
    for method, path, answer in STRANGERS:
        url = caller.base + path
        async with sent(caller, url, CHUNKED, b"3\r\nabc\r\n", b"zz\r\n", method=method) as reader:
            assert await status(reader) == answer
        async with sent(caller, url, f"{CHUNKED}\r\n\r\nzz", method=method) as reader:
            assert await status(reader) == 400
            await reader.read()
    assert log.getvalue() == before


async def test_compressed_bodies_are_unreadable(caller: Caller) -> None:
    """The bot doesn't decompress them: the limit of a mebibyte would apply only after that work."""
    run = await caller.run()
    event = json.dumps(caller.event("failed")).encode()
    packed = [("gzip", gzip.compress(event)), ("gzip", gzip.compress(event + b" " * 2 * 1024 * 1024))]
    bodies = packed + [(encoding, b"abc") for encoding in ENCODINGS]
    for encoding, body in bodies:
        headers = f"Content-Length: {len(body)}\r\nContent-Encoding: {encoding}"
        async with sent(caller, caller.url, headers, body) as reader:
            assert await status(reader) == 400
    assert (await caller.counted())["unreadable"] == len(bodies)
    assert await caller.run() == run


@pytest.mark.usefixtures("parser")
async def test_signed_broken_chunks_are_counted(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """The compiled parser doesn't report the error to the reader of the body, so the read times out."""
    monkeypatch.setattr("bot.workers.reports.BODY_SECONDS", 0.05)
    run = await caller.run()
    async with sent(caller, caller.url, CHUNKED, b"3\r\nabc\r\n", b"zz\r\n") as reader:
        assert await status(reader) in (400, 408)
    counted = await caller.counted()
    assert counted["unreadable"] + counted["too_slow"] == 1
    assert await caller.run() == run


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize(("headers", "body"), TRUNCATED, ids=["length", "chunked"])
async def test_a_truncated_body_is_counted_as_cut_off(caller: Caller, headers: str, body: bytes) -> None:
    run = await caller.run()
    async with sent(caller, caller.url, headers, body):
        pass
    async with asyncio.timeout(60):
        while not any((counted := await caller.counted()).values()):
            pass
    assert {result for result, number in counted.items() if number} == {"cut_off"}
    assert await caller.run() == run
