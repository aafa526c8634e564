"""Slow downloads: the pace at which one is given up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bot.domain.errors import MediaUnavailable
from bot.media.download import MediaLimits
from tests.unit.delivery.sites import OUTSIDE, Site, dripping, refusal


async def test_a_dripping_body_is_given_up_before_its_time_is_over(outside: Site) -> None:
    outside.handler = dripping
    limits = MediaLimits(rate=10_000, patience=0.2, total=5)
    assert "less than 10000 bytes/s" in await refusal(outside.url(), MediaUnavailable, limits=limits)


@asynccontextmanager
async def raw_server(head: bytes, drip: bytes) -> AsyncIterator[str]:
    """Run a server that sends the head at once, then the drip again and again; yield its address."""

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        try:
            while True:
                writer.write(drip)
                await writer.drain()
                await asyncio.sleep(0.01)
        except ConnectionError:
            writer.close()

    server = await asyncio.start_server(serve, OUTSIDE, 0)
    async with server:
        yield f"http://{OUTSIDE}:{server.sockets[0].getsockname()[1]}/cat.png"


async def test_headers_that_drip_are_given_up() -> None:
    async with raw_server(b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n") as url:
        await refusal(url, MediaUnavailable, limits=MediaLimits(answer=0.2))


async def test_a_body_of_nothing_but_framing_is_given_up() -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;"
    async with raw_server(head, b"a") as url:
        await refusal(url, MediaUnavailable, limits=MediaLimits(idle=0.2))
