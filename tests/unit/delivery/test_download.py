"""Downloads of files and of their beginnings, from servers that answer well, badly, slowly or not at all."""

from __future__ import annotations

import asyncio
import gzip
import io
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from bot.domain.errors import MediaError, MediaExpired, MediaForbidden, MediaTooLarge, MediaUnavailable
from bot.media.download import MediaFetcher, MediaLimits
from bot.media.file_types import SNIFF_BYTES
from tests.unit.delivery.sites import OUTSIDE, PNG, Handler, Site, dripping, fetch, outside_only, refusal


async def test_an_output_is_fetched_and_known_by_its_bytes(outside: Site) -> None:
    file = io.BytesIO()
    media = await fetch(outside.url("/out/ComfyUI_00001_.exe"), limit=len(PNG), into=file)
    assert file.getvalue() == PNG
    assert (media.content_type, media.suffix, media.size) == ("image/png", "png", len(PNG))


async def test_a_signed_query_is_sent_to_the_byte(outside: Site) -> None:
    query = "?X-Amz-Credential=a%2Fb%2Fs3&X-Amz-Date=2026%31&x=a+b%20c"
    await fetch(outside.url("/o%2Fcat.png" + query))
    outside.redirects("/next.png" + query)
    await fetch(outside.url())
    assert [visit.raw_path for visit in outside.visits] == [
        "/o%2Fcat.png" + query,
        "/cat.png",
        "/next.png" + query,
    ]


async def test_five_redirects_are_followed_and_six_are_not(outside: Site) -> None:
    outside.redirects(*["/again"] * 5)
    assert (await fetch(outside.url())).size == len(PNG)
    outside.redirects(*["/again"] * 6)
    assert "more than 5 redirects" in await refusal(outside.url("/cat.png?sig=s3cret"), MediaUnavailable)
    outside.answers(lambda: web.Response(status=302))
    await refusal(outside.url(), MediaUnavailable)  # it names no address


SIGNED = "?X-Amz-Expires=3600&X-Amz-Signature=s3cret"


@pytest.mark.parametrize(
    ("kind", "query", "statuses"),
    [
        (MediaExpired, "", (403, 404, 410)),
        (MediaExpired, SIGNED, (400, 401)),
        (MediaExpired, "?Expires=1&Signature=s3cret", (401,)),
        (MediaUnavailable, "", (400, 401, 204, 206, 304, 429, 503)),
        (MediaUnavailable, SIGNED, (500,)),
    ],
)
async def test_status_codes_tell_expired_from_broken(
    outside: Site, kind: type[MediaError], query: str, statuses: tuple[int, ...]
) -> None:
    for status in statuses:
        outside.answers(lambda status=status: web.Response(status=status))  # type: ignore[misc]
        assert str(status) in await refusal(outside.url("/cat.png" + query), kind)


async def never(_: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError


def announcing(size: int, body: bytes, then: Callable[[web.Request], object]) -> Handler:
    """Return a handler that announces a size, sends some bytes, and then does something else."""

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(size)})
        await response.prepare(request)
        await response.write(body)
        if asyncio.iscoroutine(waiting := then(request)):
            await waiting
        return response

    return handler


def hang_up(request: web.Request) -> None:
    assert request.transport is not None
    request.transport.close()


@pytest.mark.parametrize(
    ("handler", "limits"),
    [
        pytest.param(announcing(1000, PNG, hang_up), MediaLimits(), id="ends too early"),
        pytest.param(announcing(1000, PNG, never), MediaLimits(idle=0.05), id="goes silent"),
        pytest.param(dripping, MediaLimits(idle=5, total=0.2), id="drips"),
        pytest.param(never, MediaLimits(idle=0.05), id="no answer"),
    ],
)
async def test_a_body_that_does_not_come_to_its_end_is_no_result(
    outside: Site, handler: Handler, limits: MediaLimits
) -> None:
    outside.handler = handler
    told = await refusal(outside.url("/cat.png?hm=s3cret"), MediaUnavailable, limits=limits)
    assert "bytes/s" not in told  # the pace is tested elsewhere, and gives up later


async def test_a_body_that_announces_too_much_is_not_read(outside: Site) -> None:
    outside.handler = announcing(1_000_000, b"", never)
    async with MediaFetcher(allows=outside_only, limits=MediaLimits(idle=1)) as fetcher:
        with pytest.raises(MediaTooLarge) as caught:
            await fetcher.fetch(outside.url(), limit_bytes=999_999, into=io.BytesIO())
    assert caught.value.params == {"limit": 999_999}


def endless(status: int) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=status)
        await response.prepare(request)
        while True:
            await response.write(bytes(64 * 1024))

    return handler


async def test_an_endless_body_ends_at_the_limit(outside: Site) -> None:
    outside.handler = endless(200)
    into = io.BytesIO()
    async with MediaFetcher(allows=outside_only) as fetcher:
        with pytest.raises(MediaTooLarge):
            await fetcher.fetch(outside.url(), limit_bytes=300_000, into=into)
    assert len(into.getvalue()) <= 300_000


async def test_a_compressed_body_is_not_unpacked(outside: Site) -> None:
    bomb = gzip.compress(bytes(5_000_000))
    assert len(bomb) < 10_000
    for encoding in ("gzip", "deflate", "br", "gzip, gzip"):
        outside.answers(lambda e=encoding: web.Response(body=bomb, headers={"Content-Encoding": e}))  # type: ignore[misc]
        await refusal(outside.url(), MediaUnavailable)


async def test_a_page_or_nothing_in_place_of_a_picture_is_no_result(outside: Site) -> None:
    outside.answers(web.Response)
    assert "empty" in await refusal(outside.url(), MediaUnavailable)
    outside.answers(lambda: web.Response(body=b"<html>Sign in</html>", content_type="image/png"))
    await refusal(outside.url("/cat.png"), MediaUnavailable)
    assert (await fetch(outside.url("/notes"))).content_type == "text/plain"


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


async def head(url: str, limits: MediaLimits | None = None) -> bytes:
    async with MediaFetcher(allows=outside_only, limits=limits) as fetcher:
        return await fetcher.head(url)


async def test_only_the_beginning_is_requested(outside: Site) -> None:
    outside.redirects("/next.png")
    await head(outside.url())
    assert [visit.headers["Range"] for visit in outside.visits] == [f"bytes=0-{SNIFF_BYTES - 1}"] * 2


@pytest.mark.parametrize("status", [200, 206])
async def test_a_server_that_sends_everything_is_cut_off(outside: Site, status: int) -> None:
    outside.handler = endless(status)
    assert await head(outside.url()) == bytes(SNIFF_BYTES)


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


@pytest.mark.parametrize("url", ["http://a\r\nb/", "http://h:99999/", "http://xn--a/", "cat.png", ""])
async def test_a_malformed_address_is_refused(url: str) -> None:
    with pytest.raises((MediaForbidden, MediaUnavailable)):
        await fetch(url)
