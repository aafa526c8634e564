"""The guard against requests into the operator's own network, with real connections."""

from __future__ import annotations

import io
from ipaddress import ip_address

import pytest
from aiohttp import web

from bot.domain.errors import MediaForbidden
from bot.media.download import MediaFetcher
from bot.media.ssrf import is_public
from tests.unit.delivery.sites import INSIDE, OUTSIDE, PNG, Names, Site, outside_only, refusal


async def test_neither_cookies_nor_proxies_nor_credentials_are_used(
    outside: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.2:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.2:1")
    outside.answers(lambda: web.Response(body=PNG, headers={"Set-Cookie": "tracked=yes"}))
    names = Names(cdn=[(OUTSIDE,)])  # by name, since cookies are never kept for numbers
    async with MediaFetcher(allows=outside_only, resolver=names) as fetcher:
        for _ in range(2):
            await fetcher.fetch(outside.url(host="cdn.test"), limit_bytes=1000, into=io.BytesIO())
    headers = outside.visits[1].headers
    assert headers["Accept-Encoding"] == "identity"
    assert not {"Cookie", "Authorization", "Referer"} & set(headers)


async def test_an_own_network_address_is_not_even_connected_to(inside: Site) -> None:
    await refusal(inside.url(), MediaForbidden)
    await refusal(inside.url(host="2130706434"), MediaForbidden)
    await refusal(inside.url(host="0x7f000002"), MediaForbidden)
    await refusal(inside.url(host="evil.test"), MediaForbidden, names=Names(evil=[(INSIDE,)]))
    await refusal(inside.url(host="both.test"), MediaForbidden, names=Names(both=[(OUTSIDE, INSIDE)]))
    assert inside.visits == []


async def test_by_default_loopback_is_closed_by_name_and_by_number(outside: Site) -> None:
    async with MediaFetcher() as fetcher:
        for host in (OUTSIDE, "localhost"):
            with pytest.raises(MediaForbidden):
                await fetcher.fetch(outside.url(host=host), limit_bytes=1000, into=io.BytesIO())
    assert outside.visits == []
    assert not is_public(ip_address(OUTSIDE))


async def test_a_redirect_into_the_own_network_is_not_followed(outside: Site, inside: Site) -> None:
    for status in (301, 302, 303, 307, 308):
        outside.redirects(inside.url(), status=status)
        await refusal(outside.url(), MediaForbidden)
    outside.redirects(inside.url(host="evil.test"))
    names = Names(good=[(OUTSIDE,)], evil=[(INSIDE,)])
    await refusal(outside.url(host="good.test"), MediaForbidden, names=names)
    assert inside.visits == []


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "ftp://127.0.0.1/", "//user@127.0.0.1/", "http://[::1"]
)
async def test_a_redirect_to_what_is_not_opened_is_not_followed(outside: Site, target: str) -> None:
    outside.redirects(target)
    await refusal(outside.url(), MediaForbidden)


async def test_a_name_that_is_rebound_between_two_connections_is_caught(outside: Site, inside: Site) -> None:
    names = Names(rebind=[(OUTSIDE,), (INSIDE,)])
    async with MediaFetcher(allows=outside_only, resolver=names) as fetcher:
        url = outside.url(host="rebind.test")
        await fetcher.fetch(url, limit_bytes=1000, into=io.BytesIO())
        with pytest.raises(MediaForbidden):
            await fetcher.fetch(url, limit_bytes=1000, into=io.BytesIO())
    assert len(outside.visits) == 1
    assert inside.visits == []
