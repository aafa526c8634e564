"""Broken connections: each fault raises one error, which tells whether a run may exist."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from aiohttp import web

from bot.domain import errors
from tests.ports import free_port
from tests.unit.comfydeploy.calls import KEY, NEW_RUN, RUN_ID, STATUSES, answering, connect, fault
from tests.unit.comfydeploy.servers import http_server, raw_server, read_request


async def test_a_refused_connection_is_unreachable(session: aiohttp.ClientSession) -> None:
    error = await fault(session, f"http://127.0.0.1:{free_port()}/api")
    assert type(error) is errors.BackendUnreachable
    assert not error.accepted


async def test_a_tls_handshake_with_a_plain_server_is_unreachable(session: aiohttp.ClientSession) -> None:
    async with http_server(answering(200, b"{}")) as url:
        assert type(await fault(session, url.replace("http:", "https:"))) is errors.BackendUnreachable


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
    assert type(error) is errors.BackendUnreachable


OK = b"HTTP/1.1 200 OK\r\n"
BROKEN = [
    *((part, then, errors.BackendTimeout)
      for part in (b"", OK + b"Content-Le", OK + b"Content-Length: 100\r\n\r\n{",
                   OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{")
      for then in ("close", "reset")),
    (b"", "hang", errors.BackendTimeout),
    (OK + b"Content-Length: 100\r\n\r\n{", "hang", errors.BackendTimeout),
    (b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 100\r\n\r\n{", "close", errors.BackendUnauthorized),
    (b"220 smtp.example ESMTP\r\n\r\n", "close", errors.BackendBadReply),
]  # fmt: skip


@pytest.mark.parametrize(("part", "then", "kind"), BROKEN)
async def test_a_broken_answer_has_its_error_and_the_call_is_never_sent_again(
    session: aiohttp.ClientSession, part: bytes, then: str, kind: type[errors.BackendError]
) -> None:
    requests: list[bytes] = []

    async def breaking(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await read_request(reader))
        writer.write(part)
        await writer.drain()
        if then == "reset":
            writer.transport.abort()
        if then == "hang":
            await reader.read()

    async with raw_server(breaking) as url:
        error = await fault(session, url, **({"queue_timeout": 0.2} if then == "hang" else {}))
    assert type(error) is kind
    assert error.accepted is (kind is not errors.BackendUnauthorized)
    assert len(requests) == 1


@pytest.mark.parametrize("padding", [0, *range(860, 1000, 6)])
async def test_a_broken_answer_that_quotes_the_key_is_told_without_it(
    session: aiohttp.ClientSession, padding: int
) -> None:
    """The text is cut after at most 1,000 characters, and no part of the key is left at its end."""

    async def quoting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200" + b"x" * padding + KEY.encode() + b"\r\n\r\n")
        await writer.drain()

    async with raw_server(quoting) as url:
        text = str(await fault(session, url))
    assert "Bad status line" in text
    assert "sk-v" not in text
    assert len(text) <= 1000


@pytest.mark.parametrize(("call", "limit"), [("cancel", "call_timeout"), ("log", "log_timeout")])
async def test_a_server_that_never_answers_is_a_timeout(
    session: aiohttp.ClientSession, call: str, limit: str
) -> None:
    async def hang(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read(-1)

    async with raw_server(hang) as url:
        assert type(await fault(session, url, call, **{limit: 0.2})) is errors.BackendTimeout


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


def test_every_backend_error_is_raised_by_some_fault() -> None:
    raised = {kind for *_, kind in (*STATUSES, *BROKEN)}
    raised |= {errors.BackendMachineRefused, errors.BackendNotCancellable, errors.BackendUnreachable}
    raised |= {errors.BackendCrashed}
    assert raised == subclasses(errors.BackendError) - {errors.BackendMachineFailed, errors.BackendRefused}


def subclasses(kind: type[errors.BackendError]) -> set[type[errors.BackendError]]:
    direct = set(kind.__subclasses__())
    return direct.union(*(subclasses(child) for child in direct))
