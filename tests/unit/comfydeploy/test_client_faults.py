"""Broken connections: each fault raises one error, which tells whether a run may exist."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from aiohttp import web

from bot.domain.errors import (
    BackendBadReply,
    BackendError,
    BackendTimeout,
    BackendUnauthorized,
    BackendUnlisted,
    BackendUnreachable,
)
from demo.ports import free_port
from tests.unit.comfydeploy.calls import NEW_RUN, RUN_ID, STATUSES, answering, connect, fault
from tests.unit.comfydeploy.samples import answer
from tests.unit.comfydeploy.servers import http_server, raw_server, read_request


async def test_a_refused_connection_is_unreachable(session: aiohttp.ClientSession) -> None:
    error = await fault(session, f"http://127.0.0.1:{free_port()}/api")
    assert type(error) is BackendUnreachable
    assert not error.accepted


@pytest.mark.parametrize("url", ["http://name.invalid/api", "http:///api", "ftp://127.0.0.1/api"])
async def test_an_address_that_leads_nowhere_is_unreachable(session: aiohttp.ClientSession, url: str) -> None:
    assert type(await fault(session, url)) is BackendUnreachable


async def test_a_tls_handshake_with_a_plain_server_is_unreachable(session: aiohttp.ClientSession) -> None:
    async with http_server(answering(200, b"{}")) as url:
        assert type(await fault(session, url.replace("http:", "https:"))) is BackendUnreachable


async def test_no_free_connection_in_time_is_unreachable() -> None:
    arrived, finish = asyncio.Event(), asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        arrived.set()
        await finish.wait()
        return web.json_response({"run_id": RUN_ID})

    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as session,
        http_server(handler) as url,
    ):
        first = asyncio.create_task(connect(session, url).start_run(NEW_RUN))
        await arrived.wait()
        error = await fault(session, url, connect_timeout=0.05)
        finish.set()
        assert await first == RUN_ID
    assert type(error) is BackendUnreachable


@pytest.mark.parametrize("call", ["queue", "run", "cancel"])
async def test_a_server_that_never_answers_is_a_timeout(session: aiohttp.ClientSession, call: str) -> None:
    arrived = asyncio.Event()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        arrived.set()
        await reader.read()

    async with raw_server(hang) as url:
        error = await fault(session, url, call, queue_timeout=0.2, call_timeout=0.2)
    assert arrived.is_set()
    assert type(error) is BackendTimeout
    assert error.accepted


async def test_a_body_that_trickles_for_ever_is_a_timeout(session: aiohttp.ClientSession) -> None:
    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
        await reader.read()

    async with raw_server(trickle) as url:
        assert type(await fault(session, url, queue_timeout=0.2)) is BackendTimeout


@pytest.mark.parametrize(
    "part",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
    ],
)
@pytest.mark.parametrize("reset", [False, True])
async def test_a_connection_that_breaks_after_the_request_is_a_timeout_and_never_sent_again(
    session: aiohttp.ClientSession, part: bytes, reset: bool
) -> None:
    requests: list[bytes] = []

    async def breaking(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await read_request(reader))
        writer.write(part)
        await writer.drain()
        if reset:
            writer.transport.abort()

    async with raw_server(breaking) as url:
        error = await fault(session, url)
    assert type(error) is BackendTimeout
    assert error.accepted
    assert len(requests) == 1


async def test_a_refusal_with_a_broken_body_keeps_its_error(session: aiohttp.ClientSession) -> None:
    async def breaking(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 100\r\n\r\n{")

    async with raw_server(breaking) as url:
        assert type(await fault(session, url)) is BackendUnauthorized


async def test_an_answer_that_is_not_http_is_a_bad_reply(session: aiohttp.ClientSession) -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"220 smtp.example ESMTP\r\n\r\n")
        await writer.drain()

    async with raw_server(babble) as url:
        error = await fault(session, url)
    assert type(error) is BackendBadReply
    assert error.accepted


async def test_every_queue_call_has_a_connection_of_its_own(session: aiohttp.ClientSession) -> None:
    peers: list[object] = []

    async def handler(request: web.Request) -> web.Response:
        assert request.transport is not None
        peers.append(request.transport.get_extra_info("peername"))
        return web.json_response({"run_id": RUN_ID})

    async with http_server(handler) as url:
        client = connect(session, url)
        for _ in range(3):
            await client.start_run(NEW_RUN)
    assert len(set(peers)) == 3


async def test_every_backend_error_is_raised_by_some_fault(session: aiohttp.ClientSession) -> None:
    """Walk the tree of errors, as httpx does, so that a new class needs a fault that raises it."""
    seen: set[type[BackendError]] = set()
    for status, _ in STATUSES:
        async with http_server(answering(status, b"")) as url:
            seen.add(type(await fault(session, url)))
    async with http_server(answering(500, answer("run_cancel_unknown")[1])) as url:
        seen.add(type(await fault(session, url, "cancel")))
    async with http_server(answering(200, b"not json")) as url:
        seen.add(type(await fault(session, url)))
    async with raw_server(lambda reader, writer: _after_request(reader)) as url:
        seen.add(type(await fault(session, url)))
    seen.add(type(await fault(session, f"http://127.0.0.1:{free_port()}/api")))
    async with http_server(answering(401, b'{"detail": "Error creating run: 401"}')) as url:
        seen.add(type(await fault(session, url)))
    assert seen == subclasses(BackendError) - {BackendUnlisted}  # which the catalogue raises


async def _after_request(reader: asyncio.StreamReader) -> None:
    await read_request(reader)


def subclasses(kind: type[BackendError]) -> set[type[BackendError]]:
    direct = set(kind.__subclasses__())
    return direct.union(*(subclasses(child) for child in direct))
