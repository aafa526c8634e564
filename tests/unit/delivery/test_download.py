"""Downloads from servers that answer well, badly, slowly or not at all, or lead into the own network."""

from __future__ import annotations

import asyncio
import gzip
import io
from contextlib import ExitStack

import pytest
from aiohttp import web

from bot.domain.errors import MediaError, MediaExpired, MediaForbidden, MediaTooLarge, MediaUnavailable
from bot.media.download import SNIFF_BYTES, MediaFetcher
from tests.unit.delivery.sites import (
    INSIDE,
    OUTSIDE,
    PNG,
    Handler,
    Names,
    Site,
    announcing,
    dripping,
    endless,
    fetch,
    never,
    outside_only,
    refusal,
)


async def test_an_output_is_fetched_and_known_by_its_bytes(outside: Site) -> None:
    media = await fetch(outside.url("/out/ComfyUI_00001_.exe"), limit=len(PNG))
    assert media.content.seek(0) == 0
    assert media.content.read() == PNG
    assert (media.content_type, media.suffix, media.size) == ("image/png", "png", len(PNG))


async def test_a_signed_query_is_sent_to_the_byte(outside: Site) -> None:
    query = "?X-Amz-Credential=a%2Fb%2Fs3&X-Amz-Date=2026%31&x=a+b%20c"
    await fetch(outside.url("/o%2Fcat.png" + query))
    outside.redirects("/next.png" + query)
    await fetch(outside.url())
    visited = [visit.raw_path for visit in outside.visits]
    assert visited == ["/o%2Fcat.png" + query, "/cat.png", "/next.png" + query]


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
        (MediaUnavailable, "", (400, 401, 204, 206, 304, 503)),
        (MediaUnavailable, SIGNED, (500,)),
    ],
)
async def test_status_codes_tell_expired_from_broken(
    outside: Site, kind: type[MediaError], query: str, statuses: tuple[int, ...]
) -> None:
    for status in statuses:
        outside.answers(lambda status=status: web.Response(status=status))  # type: ignore[misc]
        assert str(status) in await refusal(outside.url("/cat.png" + query), kind)


def raw(head: bytes, drip: bytes) -> Handler:
    """Return a handler that sends the head at once, then the drip again and again, in place of HTTP."""

    async def handler(request: web.Request) -> web.StreamResponse:
        transport = request.transport
        assert isinstance(transport, asyncio.Transport)
        transport.write(head)
        while not transport.is_closing():
            transport.write(drip)
            await asyncio.sleep(0.01)
        return web.Response()

    return handler


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("handler", "limits", "told"),
    [
        pytest.param(announcing(1000, PNG, then_hangs_up=True), {}, "Error", id="ends too early"),
        pytest.param(announcing(1000, PNG), {"idle": 0.05}, "Timeout", id="goes silent"),
        pytest.param(dripping, {"total": 0.2}, "Timeout", id="drips"),
        pytest.param(
            dripping, {"rate": 10_000, "patience": 0.2, "total": 1}, "less than 10000 bytes/s", id="is slow"
        ),
        pytest.param(raw(OK, b"X-A: b\r\n"), {"answer": 0.2}, "Timeout", id="its headers drip"),
        pytest.param(
            raw(OK + b"Transfer-Encoding: chunked\r\n\r\n5;", b"a"),
            {"idle": 0.2},
            "Timeout",
            id="only framing",
        ),
        pytest.param(never, {"idle": 0.05}, "Timeout", id="no answer"),
    ],
)
async def test_a_body_that_does_not_come_to_its_end_in_time_is_no_result(
    outside: Site, handler: Handler, limits: dict[str, float], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside.handler = handler
    for name, limit in limits.items():
        monkeypatch.setattr(f"bot.media.download.{name.upper()}", limit)
    assert told in await refusal(outside.url("/?hm=s3cret"), MediaUnavailable)


@pytest.mark.parametrize("handler", [announcing(300_001, b""), endless()], ids=["announced", "endless"])
async def test_a_body_above_the_limit_is_not_read_on(outside: Site, handler: Handler) -> None:
    outside.handler = handler
    with pytest.raises(MediaTooLarge) as caught:
        await fetch(outside.url(), limit=300_000)
    assert caught.value.params == {"limit": 300_000}


@pytest.mark.parametrize("announced", [True, False])
async def test_a_file_is_in_memory_only_if_it_is_small(outside: Site, *, announced: bool) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(len(PNG))} if announced else {})
        await response.prepare(request)
        await response.write(PNG)
        return response

    outside.handler = handler
    with ExitStack() as files:
        async with MediaFetcher(allows=outside_only) as fetcher:
            media = await fetcher.fetch(outside.url(), 1000, files, server=1)
        assert isinstance(media.content, io.BytesIO) == announced
        media.content.seek(0)
        assert media.content.read() == PNG
    assert media.content.closed != announced


async def test_a_full_disk_is_told_and_may_be_tried_again(
    outside: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.media.download.IN_MEMORY", 0)
    monkeypatch.setattr("tempfile.TemporaryFile", lambda **_: io.FileIO("/dev/full", "r+"))
    assert "No space left" in await refusal(outside.url(), MediaUnavailable)


async def test_a_compressed_body_is_not_unpacked(outside: Site) -> None:
    bomb = gzip.compress(bytes(5_000_000))
    for encoding in ("gzip", "deflate", "br", "gzip, gzip"):
        outside.answers(lambda e=encoding: web.Response(body=bomb, headers={"Content-Encoding": e}))  # type: ignore[misc]
        await refusal(outside.url(), MediaUnavailable)


async def test_a_page_or_nothing_in_place_of_a_picture_is_no_result(outside: Site) -> None:
    outside.answers(web.Response)
    assert "empty" in await refusal(outside.url(), MediaUnavailable)
    outside.answers(lambda: web.Response(body=b"<html>Sign in</html>", content_type="image/png"))
    await refusal(outside.url("/cat.png"), MediaUnavailable)
    assert (await fetch(outside.url("/cat.png"), filename="notes")).content_type == "text/plain"


@pytest.mark.parametrize("status", [200, 206])
async def test_only_the_beginning_is_requested_and_read(outside: Site, status: int) -> None:
    outside.handler = endless(status)
    async with MediaFetcher(allows=outside_only) as fetcher:
        assert await fetcher.head(outside.url()) == bytes(SNIFF_BYTES)
    assert outside.visits[0].headers["Range"] == f"bytes=0-{SNIFF_BYTES - 1}"


@pytest.mark.parametrize("url", ["http://a\r\nb/", "http://h:99999/", "http://xn--a/", "cat.png", ""])
async def test_a_malformed_address_is_refused(url: str) -> None:
    with pytest.raises((MediaForbidden, MediaUnavailable)):
        await fetch(url)


# The operator's own network.


async def test_neither_cookies_nor_proxies_nor_credentials_are_used(
    outside: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.2:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.2:1")
    outside.answers(lambda: web.Response(body=PNG, headers={"Set-Cookie": "tracked=yes"}))
    names = Names(cdn=[(OUTSIDE,)])  # by name, since cookies are never kept for numbers
    async with MediaFetcher(allows=outside_only, resolver=names) as fetcher:
        for _ in range(2):
            await fetcher.fetch(outside.url(host="cdn.test"), 1000, ExitStack(), server=1)
    headers = outside.visits[1].headers
    assert headers["Accept-Encoding"] == "identity"
    assert not {"Cookie", "Authorization", "Referer"} & set(headers)


async def test_an_own_network_address_is_not_even_connected_to(inside: Site) -> None:
    await refusal(inside.url(), MediaForbidden)
    await refusal(inside.url(host="evil.test"), MediaForbidden, names=Names(evil=[(INSIDE,)]))
    names = Names(both=[(OUTSIDE, INSIDE)])
    told = await refusal(inside.url(host="both.test"), MediaForbidden, names=names)
    assert told == f"both.test resolves to {INSIDE}"
    assert inside.visits == []


async def test_by_default_loopback_is_closed_by_name_and_by_number(outside: Site) -> None:
    async with MediaFetcher() as fetcher:
        for host in (OUTSIDE, "localhost"):
            with pytest.raises(MediaForbidden):
                await fetcher.fetch(outside.url(host=host), 1000, ExitStack(), server=1)
    assert outside.visits == []


async def test_a_redirect_into_the_own_network_is_not_followed(outside: Site, inside: Site) -> None:
    for status in (301, 302, 303, 307, 308):
        outside.redirects(inside.url(), status=status)
        await refusal(outside.url(), MediaForbidden)
    for target in ("file:///etc/passwd", "//user@127.0.0.1/", "http://[::1"):
        outside.redirects(target)
        await refusal(outside.url(), MediaForbidden)
    outside.redirects(inside.url(host="evil.test"))
    names = Names(good=[(OUTSIDE,)], evil=[(INSIDE,)])
    await refusal(outside.url(host="good.test"), MediaForbidden, names=names)
    assert inside.visits == []


async def test_a_name_that_is_rebound_between_two_connections_is_caught(outside: Site, inside: Site) -> None:
    names = Names(rebind=[(OUTSIDE,), (INSIDE,)])
    async with MediaFetcher(allows=outside_only, resolver=names) as fetcher:
        url = outside.url(host="rebind.test")
        await fetcher.fetch(url, 1000, ExitStack(), server=1)
        with pytest.raises(MediaForbidden):
            await fetcher.fetch(url, 1000, ExitStack(), server=1)
    assert len(outside.visits) == 1
    assert inside.visits == []
