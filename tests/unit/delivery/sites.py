"""Servers for the fetcher: 127.0.0.1 plays the open internet, 127.0.0.2 the operator's own network."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.test_utils import TestServer

from bot.domain.errors import MediaError
from bot.media.download import Media, MediaFetcher

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
OUTSIDE, INSIDE = "127.0.0.1", "127.0.0.2"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def outside_only(address: IPv4Address | IPv6Address) -> bool:
    return address == ip_address(OUTSIDE)


async def dripping(request: web.Request) -> web.StreamResponse:
    """Send a byte every hundredth of a second, without an end."""
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b".")
        await asyncio.sleep(0.01)


async def never(_: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError


def announcing(size: int, body: bytes, *, then_hangs_up: bool = False) -> Handler:
    """Return a handler that announces a size, and sends only these bytes."""

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(size)})
        await response.prepare(request)
        await response.write(body)
        assert request.transport is not None
        if then_hangs_up:
            request.transport.close()
            return response
        return await never(request)

    return handler


def endless(status: int = 200) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=status)
        await response.prepare(request)
        await response.write(bytes(100))
        await asyncio.sleep(0.01)  # so that one read doesn't get more
        while True:
            await response.write(bytes(64 * 1024))

    return handler


class Names(AbstractResolver):
    """A resolver that answers each name with its next set of addresses; the last one stays."""

    def __init__(self, **answers: list[tuple[str, ...]]) -> None:
        self.asked: list[tuple[str, int, socket.AddressFamily]] = []
        self._answers = answers

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked.append((host, port, family))
        left = self._answers[host.partition(".")[0]]
        addresses = left.pop(0) if len(left) > 1 else left[0]
        plain = {"hostname": host, "port": port, "family": socket.AF_INET, "proto": 0}
        return [ResolveResult(host=item, flags=socket.AI_NUMERICHOST, **plain) for item in addresses]  # type: ignore[typeddict-item]

    async def close(self) -> None:
        return None


class Site:
    """A server whose one handler is chosen by the test, and which counts its visitors."""

    def __init__(self, address: str) -> None:
        self.handler: Handler = self._picture
        self.visits: list[web.Request] = []
        self._address = address
        self._server: TestServer | None = None

    async def start(self) -> TestServer:
        app = web.Application()
        app.router.add_get("/{path:.*}", self._visit)
        self._server = TestServer(app, host=self._address)
        await self._server.start_server()
        return self._server

    def url(self, path: str = "/cat.png", host: str | None = None) -> str:
        assert self._server is not None
        return f"http://{host or self._address}:{self._server.port}{path}"

    async def _visit(self, request: web.Request) -> web.StreamResponse:
        self.visits.append(request)
        return await self.handler(request)

    async def _picture(self, request: web.Request) -> web.StreamResponse:
        return web.Response(body=PNG, content_type="text/html", headers={"Connection": "close"})

    def answers(self, response: Callable[[], web.Response]) -> None:
        async def handler(request: web.Request) -> web.StreamResponse:
            return response()

        self.handler = handler

    def redirects(self, *targets: str, status: int = 302) -> None:
        left = list(targets)

        async def handler(request: web.Request) -> web.StreamResponse:
            if not left:
                return await self._picture(request)
            return web.Response(status=status, headers={"Location": left.pop(0)})

        self.handler = handler


async def fetch(
    url: str, *, limit: int = 10_000, names: Names | None = None, filename: str | None = None
) -> Media:
    """Fetch a file of 10,000 bytes at most, which isn't closed."""
    async with MediaFetcher(allows=outside_only, resolver=names) as fetcher:
        return await fetcher.fetch(url, limit, ExitStack(), server=1, filename=filename)


async def refusal(url: str, kind: type[MediaError], **options: object) -> str:
    with pytest.raises(kind) as caught:
        await fetch(url, **options)  # type: ignore[arg-type]  # passed on as they are
    assert type(caught.value) is kind
    assert "s3cret" not in f"{caught.value} {caught.value.params}"
    return str(caught.value)
