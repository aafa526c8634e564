"""Compressed, broken and incomplete bodies: their answers, their counts, and an unchanged log."""

from __future__ import annotations

import asyncio
import gzip
import io
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
CHUNKED = "Transfer-Encoding: chunked"
# The headers and the parts of a body that arrive one after another.
Raw = tuple[str, *tuple[bytes, ...]]


def compressed(encoding: str, body: bytes = b"abc") -> Raw:
    return f"Content-Length: {len(body)}\r\nContent-Encoding: {encoding}", body


# The bot doesn't decompress them: the limit of a mebibyte would apply only after that work.
COMPRESSED = [compressed(encoding) for encoding in ("gzip", "deflate", "br", "zstd")]
COMPRESSED.append(compressed("gzip", gzip.compress(b"{}" + b" " * 2 * 1024 * 1024)))
BAD_CHUNK: Raw = (CHUNKED, b"3\r\nabc\r\n", b"zz\r\n")
CUT_OFF: list[Raw] = [("Content-Length: 100", b"abc"), (CHUNKED, b"3\r\nabc\r\n9\r\n{")]


@pytest.fixture(autouse=True)
def log() -> Iterator[io.StringIO]:
    """Yield what the bot writes to stderr, which must not contain an error."""
    stream = io.StringIO()
    with own_logging():
        setup_logging("INFO", "text", stream=stream)
        yield stream
    assert "ERROR" not in stream.getvalue()


@pytest.fixture(params=["compiled", "python"], autouse=True)
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
    reader, writer = await asyncio.open_connection("127.0.0.1", caller.runner.port)
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
    for method, path, answer in STRANGERS:
        url = caller.base + path
        for raw in (*COMPRESSED[:4], BAD_CHUNK):
            async with sent(caller, url, *raw, method=method) as reader:
                assert await status(reader) == answer
                # Not to the end: aiohttp waits ten seconds for the rest of a bad chunk.
                assert b"install" not in await reader.read(4096)
        async with sent(caller, url, f"{CHUNKED}\r\n\r\nzz", method=method) as reader:
            assert await status(reader) == 400
    assert log.getvalue() == before


async def test_a_signed_body_that_cannot_be_read_is_counted(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await caller.run()
    for raw in COMPRESSED:
        async with sent(caller, caller.url, *raw) as reader:
            assert await status(reader) == 400
    # The compiled parser doesn't report a bad chunk to the reader of the body, so the read times out.
    monkeypatch.setattr("bot.workers.run_updates.BODY_SECONDS", 0.05)
    async with sent(caller, caller.url, *BAD_CHUNK) as reader:
        assert await status(reader) == 400
    async with sent(caller, caller.url, "Content-Length: 500", b"{") as reader:
        assert await status(reader) == 400
    assert await caller.counted() == {"unreadable": len(COMPRESSED) + 2}
    assert await caller.run() == run


async def test_a_caller_that_hangs_up_is_counted(caller: Caller) -> None:
    run = await caller.run()
    for raw in CUT_OFF:
        async with sent(caller, caller.url, *raw):
            pass
    async with asyncio.timeout(60):
        while sum((counted := await caller.counted()).values()) < len(CUT_OFF):
            pass
    assert counted == {"unreadable": len(CUT_OFF)}
    assert await caller.run() == run
