"""The client over real sockets, sound and broken."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bot.comfy.client import MAX_REPLY, ComfyClient, open_session
from bot.comfy.wire import QueueCall
from bot.errors import (
    ComfyBadReply,
    ComfyError,
    ComfyForbidden,
    ComfyInvalid,
    ComfyNotCancellable,
    ComfyNotFound,
    ComfyRateLimited,
    ComfyRedirected,
    ComfyRejected,
    ComfyServerError,
    ComfyTimeout,
    ComfyUnauthorized,
    ComfyUnreachable,
)
from bot.runs import RunState
from tests.unit.comfy.samples import answer, encode, sample
from tests.unit.comfy.servers import Handler, http_server, raw_server, read_request

KEY = "sk-very-secret"
RUN_ID = "a54c3a98-5e73-4435-9f53-72c06e4c4e73"
CALL = QueueCall(
    deployment_id=RUN_ID, inputs={"prompt": "a fox", "steps": 20}, webhook="https://b/w/k/m", gpu="T4"
)


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with open_session() as session:
        yield session


def answering(status: int, body: bytes, **more: Any) -> Handler:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=status, body=body, **more)

    return handler


async def fault(
    session: aiohttp.ClientSession, base_url: str, call: str = "queue", **timeouts: float
) -> ComfyError:
    client = ComfyClient(session, base_url, KEY, **timeouts)
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "queue": lambda: client.queue(CALL),
        "run": lambda: client.run(RUN_ID),
        "cancel": lambda: client.cancel(RUN_ID),
        "deployment": lambda: client.deployment(RUN_ID),
        "deployments": client.deployments,
        "upload": lambda: client.upload("a.png", "image/png", b"x"),
    }
    with pytest.raises(ComfyError) as caught:
        await calls[call]()
    assert KEY not in f"{caught.value} {caught.value.params}"
    return caught.value


async def test_a_queue_call_arrives_as_documented(session: aiohttp.ClientSession) -> None:
    seen: list[tuple[str, str, str, Any]] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append((request.method, request.path, request.headers["Authorization"], await request.json()))
        return web.json_response({"run_id": RUN_ID.upper()})

    async with http_server(handler) as url:
        assert await ComfyClient(session, url + "/", KEY).queue(CALL) == RUN_ID
    assert seen == [("POST", "/api/run/deployment/queue", f"Bearer {KEY}", CALL.body())]


async def test_a_run_is_asked_for_with_its_queue_position(session: aiohttp.ClientSession) -> None:
    exchange = sample("run_not_started_queue_position")["exchanges"]["run 2 queue_position=true"]
    paths: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        paths.append(request.path_qs)
        return web.Response(body=encode(exchange["response"]["body"]))

    async with http_server(handler) as url:
        report = await ComfyClient(session, url, KEY).run("38627df8-3577-4899-81d5-d98419367141")
    assert paths == [exchange["request"]["path"]]
    assert (report.state, report.queue_position) == (RunState.QUEUED, 1)


async def test_a_cancel_is_posted_without_a_body(session: aiohttp.ClientSession) -> None:
    seen: list[tuple[str, str, bytes]] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append((request.method, request.path, await request.read()))
        return web.json_response({"status": "success", "message": "Function cancelled"})

    async with http_server(handler) as url:
        await ComfyClient(session, url, KEY).cancel(RUN_ID)
    assert seen == [("POST", f"/api/run/{RUN_ID}/cancel", b"")]


async def test_deployments_are_read_one_by_one_and_as_a_list(session: aiohttp.ClientSession) -> None:
    async def handler(request: web.Request) -> web.Response:
        one = request.path.startswith("/api/deployment/")
        return web.Response(body=answer("deployment_get_ok" if one else "deployments_list")[1])

    async with http_server(handler) as url:
        client = ComfyClient(session, url, KEY)
        one = await client.deployment("98244b49-9b56-46b8-83c8-334f27412095")
        assert one in await client.deployments()


async def test_an_upload_sends_the_file_and_returns_its_address(session: aiohttp.ClientSession) -> None:
    seen: list[tuple[str | None, str | None, bytes]] = []

    async def handler(request: web.Request) -> web.Response:
        field = (await request.post())["file"]
        assert isinstance(field, web.FileField)
        seen.append((field.filename, field.content_type, field.file.read()))
        return web.Response(body=answer("file_upload")[1])

    async with http_server(handler) as url:
        address = await ComfyClient(session, url, KEY).upload("../in.png", "image/png", b"\x89PNG")
    assert seen == [("in.png", "image/png", b"\x89PNG")]
    assert address == sample("file_upload")["response"]["body"]["file_url"]


STATUSES: list[tuple[int, type[ComfyError]]] = [
    (307, ComfyRedirected),
    (400, ComfyRejected),
    (401, ComfyUnauthorized),
    (403, ComfyForbidden),
    (404, ComfyNotFound),
    (422, ComfyInvalid),
    (429, ComfyRateLimited),
    (500, ComfyServerError),
]


@pytest.mark.parametrize(("status", "kind"), STATUSES)
@pytest.mark.parametrize("call", ["queue", "run", "cancel", "deployment", "deployments", "upload"])
async def test_each_status_is_its_own_error_on_every_call(
    session: aiohttp.ClientSession, status: int, kind: type[ComfyError], call: str
) -> None:
    body = b'{"detail": "no: sk-very-secret"}'
    async with http_server(answering(status, body, headers={"Location": "/elsewhere"})) as url:
        assert type(await fault(session, url, call)) is kind


async def test_a_retry_after_is_read_from_the_answer(session: aiohttp.ClientSession) -> None:
    async with http_server(answering(429, b"", headers={"Retry-After": "12"})) as url:
        error = await fault(session, url)
    assert isinstance(error, ComfyRateLimited)
    assert error.retry_after == 12.0


async def test_a_machine_without_cancel_is_told_apart(session: aiohttp.ClientSession) -> None:
    status, body = answer("run_cancel_unknown")
    async with http_server(answering(status, body)) as url:
        assert type(await fault(session, url, "cancel")) is ComfyNotCancellable
        assert type(await fault(session, url, "queue")) is ComfyServerError


async def test_a_redirect_is_not_followed(session: aiohttp.ClientSession) -> None:
    paths: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        paths.append(request.path)
        raise web.HTTPPermanentRedirect("/api/other")

    async with http_server(handler) as url:
        assert not (await fault(session, url)).accepted
    assert paths == ["/api/run/deployment/queue"]


@pytest.mark.parametrize("call", ["queue", "run", "deployment", "deployments", "upload"])
@pytest.mark.parametrize("body", [b"", b"<html>maintenance</html>", b"{}", b'"x"', b"\xff", b"[" * 5000])
async def test_a_200_that_cannot_be_read_is_a_bad_reply(
    session: aiohttp.ClientSession, call: str, body: bytes
) -> None:
    async with http_server(answering(200, body)) as url:
        error = await fault(session, url, call)
    assert type(error) is ComfyBadReply
    assert "maintenance" not in str(error)


async def test_an_oversized_answer_is_a_bad_reply(session: aiohttp.ClientSession) -> None:
    async with http_server(answering(200, b" " * (MAX_REPLY + 1))) as url:
        assert type(await fault(session, url, "run")) is ComfyBadReply


async def test_a_compressed_bomb_is_a_bad_reply(session: aiohttp.ClientSession) -> None:
    async def handler(request: web.Request) -> web.Response:
        response = web.Response(body=b" " * (4 * MAX_REPLY))
        response.enable_compression(web.ContentCoding.gzip)
        return response

    async with http_server(handler) as url:
        assert type(await fault(session, url, "run")) is ComfyBadReply


async def test_an_endless_error_page_is_cut_and_keeps_its_meaning(session: aiohttp.ClientSession) -> None:
    async with http_server(answering(403, b"x" * 2_000_000)) as url:
        error = await fault(session, url)
    assert type(error) is ComfyForbidden
    assert len(str(error)) <= 510


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def test_a_refused_connection_is_unreachable(session: aiohttp.ClientSession) -> None:
    error = await fault(session, f"http://127.0.0.1:{free_port()}/api")
    assert type(error) is ComfyUnreachable
    assert not error.accepted


@pytest.mark.parametrize("url", ["http://name.invalid/api", "http:///api", "ftp://127.0.0.1/api"])
async def test_an_address_that_leads_nowhere_is_unreachable(session: aiohttp.ClientSession, url: str) -> None:
    assert type(await fault(session, url)) is ComfyUnreachable


async def test_a_tls_handshake_with_a_plain_server_is_unreachable(session: aiohttp.ClientSession) -> None:
    async with http_server(answering(200, b"{}")) as url:
        assert type(await fault(session, url.replace("http:", "https:"))) is ComfyUnreachable


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
        first = asyncio.create_task(ComfyClient(session, url, KEY).queue(CALL))
        await arrived.wait()
        error = await fault(session, url, connect_timeout=0.05)
        finish.set()
        assert await first == RUN_ID
    assert type(error) is ComfyUnreachable


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
    assert type(error) is ComfyTimeout
    assert error.accepted


async def test_a_body_that_trickles_for_ever_is_a_timeout(session: aiohttp.ClientSession) -> None:
    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
        await reader.read()

    async with raw_server(trickle) as url:
        assert type(await fault(session, url, queue_timeout=0.2)) is ComfyTimeout


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
    assert type(error) is ComfyTimeout
    assert error.accepted
    assert len(requests) == 1


async def test_a_refusal_whose_body_breaks_keeps_its_meaning(session: aiohttp.ClientSession) -> None:
    async def breaking(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 100\r\n\r\n{")

    async with raw_server(breaking) as url:
        assert type(await fault(session, url)) is ComfyUnauthorized


async def test_an_answer_that_is_not_http_is_a_bad_reply(session: aiohttp.ClientSession) -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"220 smtp.example ESMTP\r\n\r\n")
        await writer.drain()

    async with raw_server(babble) as url:
        error = await fault(session, url)
    assert type(error) is ComfyBadReply
    assert error.accepted


async def test_every_queue_call_has_a_connection_of_its_own(session: aiohttp.ClientSession) -> None:
    peers: list[object] = []

    async def handler(request: web.Request) -> web.Response:
        assert request.transport is not None
        peers.append(request.transport.get_extra_info("peername"))
        return web.json_response({"run_id": RUN_ID})

    async with http_server(handler) as url:
        client = ComfyClient(session, url, KEY)
        for _ in range(3):
            await client.queue(CALL)
    assert len(set(peers)) == 3


async def test_no_comfy_error_is_without_a_cause(session: aiohttp.ClientSession) -> None:
    """As httpx does: walk the tree, so that a new class without a fault that raises it fails here."""
    seen: set[type[ComfyError]] = set()
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
    assert seen == subclasses(ComfyError)


async def _after_request(reader: asyncio.StreamReader) -> None:
    await read_request(reader)


def subclasses(kind: type[ComfyError]) -> set[type[ComfyError]]:
    direct = set(kind.__subclasses__())
    return direct.union(*(subclasses(child) for child in direct))
