"""Slow downloads: the pace at which one is given up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hypothesis import given
from hypothesis import strategies as st

from bot.domain.errors import MediaUnavailable
from bot.media.download import MediaLimits, Pace
from tests.unit.delivery.sites import OUTSIDE, Site, dripping, refusal

RATE, WINDOW = 1000.0, 10.0


def too_slow_at(chunks: list[tuple[float, int]]) -> float | None:
    """Return when a download of these chunks, each with its time, is given up."""
    pace = Pace(RATE, WINDOW)
    return next((now for now, size in chunks if pace.is_too_slow(size, now)), None)


def test_a_drip_is_given_up_after_one_window() -> None:
    assert too_slow_at([(float(second), 1) for second in range(100)]) == WINDOW


def test_a_download_that_becomes_a_drip_is_given_up_after_another_window() -> None:
    fast = [(float(second), 5000) for second in range(20)]
    given_up = too_slow_at([*fast, *((20.0 + second, 1) for second in range(100))])
    assert given_up is not None
    assert 25 < given_up <= 20 + WINDOW + 1


@given(st.lists(st.floats(0.01, 5.0), min_size=1, max_size=60), st.floats(1.0, 50.0))
def test_a_download_at_the_rate_is_never_given_up(pauses: list[float], times: float) -> None:
    chunks, now = [(0.0, 1)], 0.0
    for pause in pauses:
        now += pause
        chunks.append((now, int(RATE * times * pause) + 1))
    assert too_slow_at(chunks) is None


def test_tiny_chunks_take_no_memory() -> None:
    pace = Pace(RATE, WINDOW)
    for number in range(20_000):
        pace.is_too_slow(1, number / 1000)
    assert len(pace._arrived) <= 11


async def test_a_dripping_body_is_given_up_before_its_time_is_over(outside: Site) -> None:
    outside.handler = dripping
    limits = MediaLimits(rate=10_000, window=0.2)
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
