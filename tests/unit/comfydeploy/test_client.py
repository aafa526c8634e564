"""The client's calls as they arrive at a server, its answers, and connections that break."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from bot.comfydeploy.client import MAX_REPLY, PAGE, open_session
from bot.comfydeploy.reports import parse_log
from bot.comfydeploy.wire import WebhookSigner, queue_body
from bot.domain import errors
from tests.ports import free_port
from tests.serving import Handler
from tests.unit.comfydeploy.calls import (
    KEY,
    NEW_RUN,
    RUN_ID,
    SIGNER,
    Answering,
    calls_of,
    connect,
    fault,
    http_server,
    raw_server,
    read_request,
)
from tests.unit.comfydeploy.samples import answer, sample


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with open_session() as session:
        yield session


async def test_a_queue_call_arrives_as_documented(session: aiohttp.ClientSession) -> None:
    handler = Answering({"run_id": RUN_ID.upper()})
    async with http_server(handler.serve) as url:
        assert await connect(session, url + "/").start_run(NEW_RUN) == RUN_ID
    ((method, path, body),) = handler.requests
    assert (method, path) == ("POST", "/api/run/deployment/queue")
    assert json.loads(body) == queue_body(NEW_RUN, SIGNER.url("k"))


@pytest.mark.parametrize(
    ("call", "arrives"),
    [
        ("run", f"GET /api/run/{RUN_ID}?queue_position=true"),
        ("cancel", f"POST /api/run/{RUN_ID}/cancel"),
        ("deployment", f"GET /api/deployment/{RUN_ID}"),
        ("log", f"GET /api/v2/clickhouse-run-logs/{RUN_ID}"),
    ],
)
async def test_each_other_call_arrives_without_a_body(
    session: aiohttp.ClientSession, call: str, arrives: str
) -> None:
    handler = Answering({"id": RUN_ID})
    async with http_server(handler.serve) as url:
        with contextlib.suppress(errors.BackendBadReply):
            await calls_of(connect(session, url))[call]()
    assert handler.requests == [(*arrives.split(), b"")]


async def test_an_answer_about_another_run_is_refused(session: aiohttp.ClientSession) -> None:
    """Its outputs may be another user's."""
    body = sample("run_not_started_queue_position")["exchanges"]["run 2 queue_position=true"]["response"]
    async with http_server(Answering(body["body"]).serve) as url:
        with pytest.raises(errors.BackendBadReply, match="another run"):
            await connect(session, url).get_run(RUN_ID)


async def ids_listed(session: aiohttp.ClientSession, handler: Handler) -> frozenset[str]:
    async with http_server(handler) as url:
        return await connect(session, url).deployment_ids()


async def test_the_list_is_read_page_by_page_without_what_spoils_its_page(
    session: aiohttp.ClientSession,
) -> None:
    every = [{"id": str(number)} for number in range(3 * PAGE)]
    spoiled = {3: 500, PAGE - 1: 200, PAGE + 5: 500}

    async def handler(request: web.Request) -> web.Response:
        at, size = int(request.query["offset"]), int(request.query["page_size"])
        for number, status in spoiled.items():
            if number in range(at, at + size):
                return web.Response(status=status, text="Internal Server Error")
        found = every if request.query["is_fluid"] == "true" else [every[-1], {"id": "not fluid"}]
        return web.json_response(found[at : at + size])

    expected = {each["id"] for number, each in enumerate(every) if number not in spoiled}
    assert await ids_listed(session, handler) >= expected
    spoiled.clear()
    assert await ids_listed(session, handler) == {"not fluid", *(each["id"] for each in every)}


@pytest.mark.parametrize("count", [0, 1, PAGE, 3 * PAGE + 1])
async def test_a_server_without_pages_lists_all_at_once(session: aiohttp.ClientSession, count: int) -> None:
    every = [{"id": str(number)} for number in range(count)]
    assert await ids_listed(session, Answering(every).serve) == {each["id"] for each in every}


@pytest.mark.parametrize("call", ["queue", "run", "cancel", "deployment", "deployments"])
async def test_an_error_has_its_kind_on_every_call(session: aiohttp.ClientSession, call: str) -> None:
    async with http_server(Answering(f"no: {KEY}", 404).serve) as url:
        assert type(await fault(session, url, call)) is errors.BackendNotFound


async def test_the_headers_of_an_error_are_read(session: aiohttp.ClientSession) -> None:
    async with http_server(Answering("slower", 429, **{"Retry-After": "12"}).serve) as url:
        error = await fault(session, url)
    assert isinstance(error, errors.BackendRateLimited)
    assert error.retry_after == 12.0


async def test_a_machine_without_cancel_has_its_own_error(session: aiohttp.ClientSession) -> None:
    status, body = answer("run_cancel_unknown")
    async with http_server(Answering(body, status).serve) as url:
        assert type(await fault(session, url, "cancel")) is errors.BackendNotCancellable


async def test_a_redirect_is_not_followed(session: aiohttp.ClientSession) -> None:
    handler = Answering("", 308, Location="/api/other")
    async with http_server(handler.serve) as url:
        assert not (await fault(session, url)).accepted
    assert [path for _, path, _ in handler.requests] == ["/api/run/deployment/queue"]


@pytest.mark.parametrize("call", ["queue", "run", "deployment", "deployments", "log"])
async def test_a_200_that_cannot_be_read_is_a_bad_reply(session: aiohttp.ClientSession, call: str) -> None:
    handler = Answering(b"")
    async with http_server(handler.serve) as url:
        for handler.answer in (b"", b"<html>maintenance</html>", b"{}", b'"x"', b"\xff", b"[" * 5000):
            error = await fault(session, url, call)
            assert type(error) is errors.BackendBadReply
            assert "maintenance" not in str(error)


@pytest.mark.parametrize("compressed", [False, True])
async def test_an_oversized_answer_is_a_bad_reply(session: aiohttp.ClientSession, compressed: bool) -> None:
    async def handler(request: web.Request) -> web.Response:
        response = web.Response(body=b" " * (4 * MAX_REPLY if compressed else MAX_REPLY + 1))
        if compressed:
            response.enable_compression(web.ContentCoding.gzip)
        return response

    async with http_server(handler) as url:
        assert type(await fault(session, url, "run")) is errors.BackendBadReply


async def test_an_endless_error_page_is_truncated_and_keeps_its_error(session: aiohttp.ClientSession) -> None:
    async with http_server(Answering(b"x" * 2_000_000, 403).serve) as url:
        error = await fault(session, url)
    assert type(error) is errors.BackendForbidden
    assert len(str(error)) <= 510


# Logs.


async def test_a_log_is_read_as_its_texts_without_the_api_key(session: aiohttp.ClientSession) -> None:
    entries = [{"log": "got prompt"}, {"log": f"key {KEY}"}, {"log": None}, "text", {"timestamp": 1}]
    async with http_server(Answering(entries).serve) as url:
        assert await connect(session, url).read_log(RUN_ID) == ("got prompt", "key ***")


@pytest.mark.parametrize("slash", ["/", "\\/", "%2F"])
def test_the_runners_own_lines_are_left_out(slash: str) -> None:
    hook = WebhookSigner("secret", "https://bot.example").url("k") or ""
    delivery = json.dumps({"event": "webhook", "url": hook}).replace("/", slash)
    log = [{"log": text} for text in ("got prompt\n__END__\nKeyError: x\n", "__END__", delivery)]
    assert parse_log(json.dumps(log).encode()) == ("got prompt\nKeyError: x\n",)


def test_only_the_end_of_a_long_log_is_kept() -> None:
    # The first line of a long entry may begin in a secret.
    texts = parse_log(json.dumps([{"log": f"token={'s' * 99_990}\n{'x' * 99}\n"}]).encode())
    assert texts == (f"{'x' * 99}\n",)
    entries = [{"log": f"{number:05} {'x' * 994}"} for number in range(1000)]
    texts = parse_log(json.dumps(entries).encode())
    assert sum(map(len, texts)) == 100_000
    assert [text[:5] for text in texts] == [f"{number:05}" for number in range(900, 1000)]
    assert len(parse_log(json.dumps([{"log": str(n)} for n in range(5000)]).encode())) == 2000


# Broken connections: each fault raises one error, which tells whether a run may exist.


async def test_what_cannot_be_connected_to_is_unreachable(session: aiohttp.ClientSession) -> None:
    error = await fault(session, f"http://127.0.0.1:{free_port()}/api")
    assert (type(error), error.accepted) == (errors.BackendUnreachable, False)
    async with http_server(Answering({}).serve) as url:
        error = await fault(session, url.replace("http:", "https:"))
    assert type(error) is errors.BackendUnreachable


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
BODY = b"Content-Length: 100\r\n\r\n{"
PARTS = (b"", OK + b"Content-Le", OK + BODY, OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{")
BROKEN = [
    *((part, then, errors.BackendTimeout) for part in PARTS for then in ("close", "reset")),
    *((part, "hang", errors.BackendTimeout) for part in (b"", OK + BODY)),
    (b"HTTP/1.1 401 Unauthorized\r\n" + BODY, "close", errors.BackendUnauthorized),
    (b"220 smtp.example ESMTP\r\n\r\n", "close", errors.BackendBadReply),
]


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
