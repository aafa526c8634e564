"""The client's calls as they arrive at a server, its answers, and connections that break."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from pydantic import SecretStr

from bot import __version__
from bot.comfydeploy.client import MAX_REPLY, TIMEOUTS, ComfyDeploy, open_session
from bot.comfydeploy.wire import WebhookSigner, parse_log
from bot.domain import errors
from tests.ports import free_port
from tests.serving import serving
from tests.unit.comfydeploy.samples import answer, sample
from tests.unit.factories import made_run

KEY = "sk-very-secret"
RUN_ID = "a54c3a98-5e73-4435-9f53-72c06e4c4e73"
SIGNER = WebhookSigner("a-secret-for-webhooks", "https://bot.example")
NEW_RUN = made_run(key="k", deployment_id=RUN_ID, inputs={"prompt": "a fox", "steps": 20}, gpu="T4")
WEBHOOK = {"webhook": SIGNER.url("k"), "webhook_intermediate_status": True}
QUEUED = {"deployment_id": RUN_ID, "inputs": NEW_RUN.inputs, "gpu": "T4", **WEBHOOK}
# What each call sends first, and the call.
CALLS: dict[str, tuple[str, Callable[[ComfyDeploy], Awaitable[Any]]]] = {
    "queue": ("POST /run/deployment/queue", lambda client: client.start_run(NEW_RUN)),
    "run": ("GET /run/a%2Fb?queue_position=true", lambda client: client.get_run("a/b")),
    "cancel": ("POST /run/a%2Fb/cancel", lambda client: client.cancel_run("a/b")),
    "deployment": ("GET /deployment/a%2Fb", lambda client: client.describe_deployment("a/b")),
    "log": ("GET /v2/clickhouse-run-logs/a%2Fb", lambda client: client.read_log("a/b")),
}


class Server:
    """Answers every call alike, and keeps each request's method, path and body."""

    def __init__(self, answer: object = b"", status: int = 200, **headers: str) -> None:
        self.answer = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.status, self.headers = status, headers
        self.requests: list[tuple[str, str, bytes]] = []

    async def handle(self, request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == f"Bearer {KEY}"
        assert request.headers["User-Agent"] == f"comfydeploy-bot/{__version__}"
        assert request.headers["Accept"] == "application/json"
        self.requests.append((request.method, request.path_qs, await request.read()))
        return web.Response(body=self.answer, status=self.status, headers=self.headers)


def client_of(session: aiohttp.ClientSession, address: str) -> ComfyDeploy:
    return ComfyDeploy(session, f"{address}/api/", SecretStr(KEY), SIGNER)


@asynccontextmanager
async def client_at(address: str) -> AsyncIterator[ComfyDeploy]:
    async with open_session() as session:
        yield client_of(session, address)


async def told(server: Server, call: str = "queue") -> Any:
    """Return what a call returns."""
    async with serving(server.handle) as address, client_at(address) as client:
        return await CALLS[call][1](client)


async def fault(address: str, call: str = "queue") -> errors.BackendError:
    """Return the error of a call."""
    async with client_at(address) as client:
        with pytest.raises(errors.BackendError) as caught:
            await CALLS[call][1](client)
    assert KEY not in f"{caught.value} {caught.value.params}"
    return caught.value


async def fault_of(server: Server, call: str = "queue") -> errors.BackendError:
    async with serving(server.handle) as address:
        return await fault(address, call)


async def test_an_answer_about_another_run_is_refused() -> None:
    """Its outputs may be another user's."""
    body = sample("run_not_started_queue_position")["exchanges"]["run 2 queue_position=true"]["response"]
    server = Server(body["body"])
    assert "another run" in str(await fault_of(server, "run"))


@pytest.mark.parametrize(
    ("status", "answers"), [(404, True), (401, True), (200, True), (500, False), (429, False)]
)
async def test_any_answer_but_an_outage_is_one_to_a_ping(status: int, answers: bool) -> None:
    async with serving(Server("no run", status).handle) as address, client_at(address) as client:
        with nullcontext() if answers else pytest.raises(errors.BackendError):
            await client.ping()


@pytest.mark.parametrize("call", CALLS)
async def test_an_error_has_its_kind_on_every_call(call: str) -> None:
    server = Server(f"no: {KEY}", 404)
    assert type(await fault_of(server, call)) is errors.BackendNotFound
    ((method, path, body),) = server.requests
    assert f"{method} {path}" == CALLS[call][0].replace(" ", " /api")
    assert json.loads(body or "null") == (QUEUED if call == "queue" else None)


_, CANCELLED = answer("run_cancel_unknown")


@pytest.mark.parametrize(
    ("call", "status", "body", "kind"),
    [
        ("cancel", 500, CANCELLED, errors.BackendNotCancellable),
        # A redirect is not followed.
        ("queue", 300, "", errors.BackendRedirected),
        ("queue", 308, "", errors.BackendRedirected),
        ("queue", 403, b"x" * 2_000_000, errors.BackendForbidden),
        ("queue", 429, "slower", errors.BackendRateLimited),
        ("run", 200, b" " * (MAX_REPLY + 1), errors.BackendBadReply),
    ],
    ids=["cancel", "choices", "redirect", "endless error", "too many", "endless answer"],
)
async def test_an_answer_has_its_error(
    call: str, status: int, body: object, kind: type[errors.BackendError]
) -> None:
    server = Server(body, status, Location="/api/other", **{"Retry-After": "12"})
    error = await fault_of(server, call)
    assert type(error) is kind
    assert len(server.requests) == 1
    assert str(error).startswith(f"{status}: ")
    assert len(str(error)) <= 510
    assert getattr(error, "retry_after", 12.0) == 12.0


@pytest.mark.parametrize("call", sorted(set(CALLS) - {"cancel"}))
@pytest.mark.parametrize(
    "body", [b"", b"<html>maintenance</html>", b"{}", b'"x"', b"\xff", b"[" * 5000], ids=range(6)
)
async def test_a_200_that_cannot_be_read_is_a_bad_reply(call: str, body: bytes) -> None:
    error = await fault_of(Server(body), call)
    assert type(error) is errors.BackendBadReply
    assert "maintenance" not in str(error)


# Logs.


async def test_a_log_is_read_as_its_texts_without_the_api_key() -> None:
    entries = [{"log": "got prompt"}, {"log": f"key {KEY}"}, {"log": None}, "text", {"timestamp": 1}]
    assert await told(Server(entries), "log") == ["got prompt", "key ***"]


@pytest.mark.parametrize("slash", ["/", "\\/", "%2F"])
def test_the_runners_own_lines_are_left_out(slash: str) -> None:
    delivery = json.dumps({"event": "webhook", "url": SIGNER.url("k")}).replace("/", slash)
    log = [{"log": text} for text in ("got prompt\n__END__\nKeyError: x\n", "__END__", delivery)]
    assert parse_log(json.dumps(log).encode()) == ["got prompt", "KeyError: x"]


# Broken connections: each fault raises one error, which tells whether a run may exist.


@pytest.mark.parametrize("call", CALLS)
async def test_what_cannot_be_connected_to_is_unreachable(call: str) -> None:
    error = await fault(f"http://127.0.0.1:{free_port()}", call)
    assert (type(error), error.accepted) == (errors.BackendUnreachable, False)
    assert str(error).startswith(CALLS[call][0].partition("?")[0] + ": ")
    async with serving(Server().handle) as address:
        assert type(await fault(address.replace("http:", "https:"))) is errors.BackendUnreachable


OK = b"HTTP/1.1 200 OK\r\n"
BODY = b"Content-Length: 100\r\n\r\n{"
PARTS = (b"", OK + b"Content-Le", OK + BODY, OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{")
BROKEN = [
    *((part, then, errors.BackendTimeout) for part in PARTS for then in ("close", "reset")),
    *((part, "hang", errors.BackendTimeout) for part in (b"", OK + BODY)),
    *(
        (b"HTTP/1.1 401 Unauthorized\r\n" + BODY, then, errors.BackendUnauthorized)
        for then in ("close", "hang")
    ),
    (b"220 smtp.example ESMTP\r\n\r\n", "close", errors.BackendBadReply),
]


@asynccontextmanager
async def breaking(part: bytes, then: str) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Yield the address of a server that answers with `part` and ends the connection, and its requests."""
    requests: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Bytes that are left unread at the close would turn it into a reset.
        requests.append(await reader.readuntil(b"\r\n\r\n" if then == "hang" else b'"gpu": "T4"}'))
        writer.write(part)
        await writer.drain()
        if then == "reset":
            writer.transport.abort()
        while then == "hang" and await reader.read(1000):
            pass
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", requests


async def test_no_free_connection_in_time_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    one = aiohttp.TCPConnector(limit=1)
    async with breaking(b"", "hang") as (address, _), aiohttp.ClientSession(connector=one) as session:
        first = asyncio.create_task(client_of(session, address).start_run(NEW_RUN))
        await asyncio.sleep(0)  # it takes the only connection
        monkeypatch.setitem(TIMEOUTS, "queue", aiohttp.ClientTimeout(connect=0.05))
        with pytest.raises(errors.BackendUnreachable):
            await client_of(session, address).start_run(NEW_RUN)
        first.cancel()


@pytest.mark.parametrize(("part", "then", "kind"), BROKEN)
async def test_a_broken_answer_has_its_error_and_the_call_is_never_sent_again(
    part: bytes, then: str, kind: type[errors.BackendError], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TIMEOUTS, "queue", aiohttp.ClientTimeout(total=0.2 if then == "hang" else 60))
    async with breaking(part, then) as (address, requests):
        error = await fault(address)
    assert type(error) is kind
    assert error.accepted is (str(error) != "401: ") is (kind is not errors.BackendUnauthorized)
    assert len(requests) == 1


@pytest.mark.parametrize("padding", [0, *range(860, 1000, 20)])
async def test_a_broken_answer_that_quotes_the_key_is_told_without_it(padding: int) -> None:
    """The text is cut after at most 1,000 characters, and no part of the key is left at its end."""
    answer = b"HTTP/1.1 200" + b"x" * padding + KEY.encode() + b"\r\n\r\n"
    async with breaking(answer, "close") as (address, _):
        text = str(await fault(address))
    assert "Bad status line" in text
    assert "sk-v" not in text
    assert len(text) <= 1000


@pytest.mark.parametrize("call", ["cancel", "log"])
async def test_a_server_that_never_answers_is_a_timeout(call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TIMEOUTS, call, aiohttp.ClientTimeout(total=0.2))
    async with breaking(b"", "hang") as (address, _):
        assert type(await fault(address, call)) is errors.BackendTimeout


async def test_every_queue_call_has_a_connection_of_its_own() -> None:
    peers: set[object] = set()

    async def handler(request: web.Request) -> web.Response:
        assert request.transport is not None
        peers.add(request.transport.get_extra_info("peername"))
        return web.json_response({"run_id": RUN_ID})

    async with serving(handler) as address, client_at(address) as client:
        for _ in range(3):
            await client.start_run(NEW_RUN)
    assert len(peers) == 3
