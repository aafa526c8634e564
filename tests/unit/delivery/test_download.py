"""What servers may do with a body, and what becomes of it."""

from __future__ import annotations

import asyncio
import gzip
import io
import socket

import pytest
from aiohttp import web

from bot.delivery.media.download import MediaFetcher, MediaLimits
from bot.domain.errors import MediaError, MediaExpired, MediaForbidden, MediaTooLarge, MediaUnavailable
from tests.unit.delivery.sites import OUTSIDE, PNG, Site, dripping, fetch, outside_only, refusal


async def test_an_output_is_fetched_and_known_by_its_bytes(outside: Site) -> None:
    media = await fetch(outside.url("/out/ComfyUI_00001_.exe"))
    assert media.file.read() == PNG
    assert (media.content_type, media.filename, media.size) == ("image/png", "ComfyUI_00001.png", len(PNG))


async def test_the_services_file_name_comes_before_the_addresss(outside: Site) -> None:
    media = await fetch(outside.url("/0af3"), filename="../cat.gif")
    assert media.filename == "cat.png"


async def test_a_body_of_exactly_the_limit_is_taken(outside: Site) -> None:
    assert (await fetch(outside.url(), limit=len(PNG))).size == len(PNG)


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


async def test_a_redirect_to_nowhere_is_told(outside: Site) -> None:
    outside.answers(lambda: web.Response(status=302))
    await refusal(outside.url(), MediaUnavailable)


@pytest.mark.parametrize(
    ("status", "query", "kind"),
    [
        (403, "", MediaExpired),
        (404, "", MediaExpired),
        (410, "", MediaExpired),
        (400, "?X-Amz-Expires=3600&X-Amz-Signature=s3cret", MediaExpired),
        (401, "?Expires=1&Signature=s3cret", MediaExpired),
        (400, "", MediaUnavailable),
        (401, "", MediaUnavailable),
        (204, "", MediaUnavailable),
        (206, "", MediaUnavailable),
        (304, "", MediaUnavailable),
        (429, "", MediaUnavailable),
        (500, "?X-Amz-Signature=s3cret", MediaUnavailable),
        (503, "", MediaUnavailable),
    ],
)
async def test_status_codes_tell_expired_from_broken(
    outside: Site, status: int, query: str, kind: type[MediaError]
) -> None:
    outside.answers(lambda: web.Response(status=status))
    assert str(status) in await refusal(outside.url("/cat.png" + query), kind)


async def test_a_body_that_announces_too_much_is_not_read(outside: Site) -> None:
    async def announces(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000000"})
        await response.prepare(request)
        await asyncio.Event().wait()
        return response

    outside.handler = announces
    async with MediaFetcher(allows=outside_only, limits=MediaLimits(idle=1)) as fetcher:
        with pytest.raises(MediaTooLarge) as caught:
            await fetcher.fetch(outside.url(), limit_bytes=999_999, into=io.BytesIO())
    assert caught.value.params == {"limit": 999_999}


async def test_an_endless_body_ends_at_the_limit(outside: Site) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(bytes(64 * 1024))

    outside.handler = endless
    into = io.BytesIO()
    async with MediaFetcher(allows=outside_only) as fetcher:
        with pytest.raises(MediaTooLarge):
            await fetcher.fetch(outside.url(), limit_bytes=300_000, into=into)
    assert len(into.getvalue()) <= 300_000


async def test_a_body_that_stops_before_its_announced_length_is_no_result(outside: Site) -> None:
    async def lying(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(PNG)
        assert request.transport is not None
        request.transport.close()
        return response

    outside.handler = lying
    await refusal(outside.url("/cat.png?hm=s3cret"), MediaUnavailable)


async def test_a_body_that_goes_silent_is_given_up(outside: Site) -> None:
    async def silent(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(PNG)
        await asyncio.Event().wait()
        return response

    outside.handler = silent
    await refusal(outside.url(), MediaUnavailable, limits=MediaLimits(idle=0.05))


async def test_a_body_that_drips_is_given_up_in_the_end(outside: Site) -> None:
    outside.handler = dripping
    await refusal(outside.url(), MediaUnavailable, limits=MediaLimits(idle=5, total=0.2))


async def test_a_server_that_never_answers_is_given_up(outside: Site) -> None:
    async def mute(request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        return web.Response()

    outside.handler = mute
    await refusal(outside.url("/?sig=s3cret"), MediaUnavailable, limits=MediaLimits(idle=0.05))


async def test_a_compressed_body_is_not_unpacked(outside: Site) -> None:
    bomb = gzip.compress(bytes(5_000_000))
    assert len(bomb) < 10_000
    for encoding in ("gzip", "deflate", "br", "gzip, gzip"):
        outside.answers(lambda e=encoding: web.Response(body=bomb, headers={"Content-Encoding": e}))  # type: ignore[misc]
        await refusal(outside.url(), MediaUnavailable)


async def test_an_empty_body_is_no_result(outside: Site) -> None:
    outside.answers(web.Response)
    assert "empty" in await refusal(outside.url(), MediaUnavailable)


async def test_a_page_in_place_of_a_picture_is_no_result(outside: Site) -> None:
    outside.answers(lambda: web.Response(body=b"<html>Sign in</html>", content_type="image/png"))
    await refusal(outside.url("/cat.png"), MediaUnavailable)
    assert (await fetch(outside.url("/notes"))).content_type == "text/plain"


async def test_what_is_not_there_or_not_http_is_unavailable(outside: Site) -> None:
    with socket.socket() as closed:
        closed.bind((OUTSIDE, 0))
        await refusal(f"http://{OUTSIDE}:{closed.getsockname()[1]}/?sig=s3cret", MediaUnavailable)
    await refusal(outside.url("/?sig=s3cret").replace("http:", "https:"), MediaUnavailable)
    await refusal("http://no-such-host.invalid/?sig=s3cret", MediaUnavailable)


@pytest.mark.parametrize(
    "url", ["http://[::1", "http://a\r\nb/", "http://h:99999/", "http://xn--a/", "cat.png", ""]
)
async def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises((MediaForbidden, MediaUnavailable)):
        await fetch(url)
