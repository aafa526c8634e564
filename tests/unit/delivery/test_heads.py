"""The beginnings of files, which tell their types: a few kilobytes, whatever the server sends."""

from __future__ import annotations

import asyncio
import io

import pytest
from aiohttp import web

from bot.media.download import MediaFetcher, MediaLimits
from bot.media.file_types import SNIFF_BYTES
from tests.unit.delivery.sites import PNG, Site, outside_only


async def head(url: str, limits: MediaLimits | None = None) -> bytes:
    async with MediaFetcher(allows=outside_only, limits=limits) as fetcher:
        return await fetcher.head(url)


async def test_only_the_beginning_is_requested(outside: Site) -> None:
    outside.redirects("/next.png")
    await head(outside.url())
    assert [visit.headers["Range"] for visit in outside.visits] == [f"bytes=0-{SNIFF_BYTES - 1}"] * 2


@pytest.mark.parametrize("status", [200, 206])
async def test_a_server_that_sends_everything_is_cut_off(outside: Site, status: int) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=status)
        await response.prepare(request)
        while True:
            await response.write(b"x" * 1000)

    outside.handler = endless
    assert await head(outside.url()) == b"x" * SNIFF_BYTES


async def test_only_a_few_beginnings_are_read_at_once_and_downloads_do_not_wait_for_them(
    outside: Site,
) -> None:
    limit, full, go = 8, asyncio.Event(), asyncio.Event()
    waiting: list[web.Request] = []

    async def held(request: web.Request) -> web.StreamResponse:
        if "Range" in request.headers:
            waiting.append(request)
            if len(waiting) == limit:
                full.set()
            await go.wait()
        return web.Response(body=PNG)

    outside.handler = held
    async with MediaFetcher(allows=outside_only) as fetcher, asyncio.TaskGroup() as tasks:
        heads = [tasks.create_task(fetcher.head(outside.url())) for _ in range(limit + 2)]
        await full.wait()
        media = await fetcher.fetch(outside.url(), limit_bytes=1000, into=io.BytesIO())
        assert media.size == len(PNG)
        assert len(waiting) == limit
        go.set()
    assert [task.result() for task in heads] == [PNG] * (limit + 2)
