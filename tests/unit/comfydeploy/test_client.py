"""The client's calls as they arrive at a server, and its answers."""

from __future__ import annotations

import contextlib
import json

import aiohttp
import pytest
from aiohttp import web

from bot.comfydeploy.client import MAX_REPLY, PAGE
from bot.comfydeploy.reports import parse_log
from bot.comfydeploy.wire import WebhookSigner, queue_body
from bot.domain import errors
from tests.serving import Handler
from tests.unit.comfydeploy.calls import (
    KEY,
    NEW_RUN,
    RUN_ID,
    SIGNER,
    STATUSES,
    Recording,
    answering,
    calls_of,
    connect,
    fault,
)
from tests.unit.comfydeploy.samples import answer, sample
from tests.unit.comfydeploy.servers import http_server


async def test_a_queue_call_arrives_as_documented(session: aiohttp.ClientSession) -> None:
    handler = Recording({"run_id": RUN_ID.upper()})
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
    handler = Recording({"id": RUN_ID})
    async with http_server(handler.serve) as url:
        with contextlib.suppress(errors.BackendBadReply):
            await calls_of(connect(session, url))[call]()
    assert handler.requests == [(*arrives.split(), b"")]


async def test_an_answer_about_another_run_is_refused(session: aiohttp.ClientSession) -> None:
    """Its outputs may be another user's."""
    body = sample("run_not_started_queue_position")["exchanges"]["run 2 queue_position=true"]["response"]
    async with http_server(Recording(body["body"]).serve) as url:
        with pytest.raises(errors.BackendBadReply, match="another run"):
            await connect(session, url).get_run(RUN_ID)


async def ids_listed(session: aiohttp.ClientSession, handler: Handler) -> frozenset[str]:
    async with http_server(handler) as url:
        return await connect(session, url).deployment_ids()


async def test_the_list_is_read_page_by_page(session: aiohttp.ClientSession) -> None:
    every = [{"id": str(number)} for number in range(3 * PAGE)]

    async def handler(request: web.Request) -> web.Response:
        at, size = int(request.query["offset"]), int(request.query["page_size"])
        found = every if request.query["is_fluid"] == "true" else [every[-1], {"id": "not fluid"}]
        return web.json_response(found[at : at + size])

    assert await ids_listed(session, handler) == {"not fluid", *(each["id"] for each in every)}


@pytest.mark.parametrize("count", [0, 1, PAGE, 3 * PAGE + 1])
async def test_a_server_without_pages_lists_all_at_once(session: aiohttp.ClientSession, count: int) -> None:
    every = [{"id": str(number)} for number in range(count)]

    async def handler(_: web.Request) -> web.Response:
        return web.json_response(every)

    assert await ids_listed(session, handler) == {each["id"] for each in every}


async def test_a_deployment_that_spoils_its_page_is_left_out(session: aiohttp.ClientSession) -> None:
    every = [{"id": str(number)} for number in range(2 * PAGE)]
    spoiled = {3: web.HTTPInternalServerError, PAGE - 1: web.HTTPOk, PAGE + 5: web.HTTPInternalServerError}

    async def handler(request: web.Request) -> web.Response:
        at, size = int(request.query["offset"]), int(request.query["page_size"])
        for number, status in spoiled.items():
            if number in range(at, at + size):
                return web.Response(status=status.status_code, text="Internal Server Error")
        return web.json_response(every[at : at + size])

    listed = await ids_listed(session, handler)
    assert listed == {each["id"] for number, each in enumerate(every) if number not in spoiled}


@pytest.mark.parametrize(
    ("call", "status", "kind"),
    [
        *(("queue", status, kind) for status, kind in STATUSES),
        *((call, 404, errors.BackendNotFound) for call in ("run", "cancel", "deployment", "deployments")),
    ],
)
async def test_each_status_has_its_own_error_on_every_call(
    session: aiohttp.ClientSession, call: str, status: int, kind: type[errors.BackendError]
) -> None:
    body = b'{"detail": "no: sk-very-secret"}'
    headers = {"Location": "/elsewhere", "Retry-After": "12"}
    async with http_server(answering(status, body, headers=headers)) as url:
        error = await fault(session, url, call)
    assert type(error) is kind
    assert getattr(error, "retry_after", 12.0) == 12.0


async def test_a_machine_without_cancel_has_its_own_error(session: aiohttp.ClientSession) -> None:
    async with http_server(answering(*answer("run_cancel_unknown"))) as url:
        assert type(await fault(session, url, "cancel")) is errors.BackendNotCancellable


async def test_a_redirect_is_not_followed(session: aiohttp.ClientSession) -> None:
    paths: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        paths.append(request.path)
        raise web.HTTPPermanentRedirect("/api/other")

    async with http_server(handler) as url:
        assert not (await fault(session, url)).accepted
    assert paths == ["/api/run/deployment/queue"]


@pytest.mark.parametrize("call", ["queue", "run", "deployment", "deployments", "log"])
async def test_a_200_that_cannot_be_read_is_a_bad_reply(session: aiohttp.ClientSession, call: str) -> None:
    handler = Recording(b"")
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
    async with http_server(answering(403, b"x" * 2_000_000)) as url:
        error = await fault(session, url)
    assert type(error) is errors.BackendForbidden
    assert len(str(error)) <= 510


async def test_a_log_is_read_as_its_texts_without_the_api_key(session: aiohttp.ClientSession) -> None:
    handler = Recording(
        [{"log": "got prompt"}, {"log": f"key {KEY}"}, {"log": None}, "text", {"timestamp": 1}]
    )
    async with http_server(handler.serve) as url:
        assert await connect(session, url).read_log(RUN_ID) == ("got prompt", "key ***")
    assert handler.requests == [("GET", f"/api/v2/clickhouse-run-logs/{RUN_ID}", b"")]


@pytest.mark.parametrize("slash", ["/", "\\/", "%2F"])
def test_the_runners_own_lines_are_left_out(slash: str) -> None:
    hook = WebhookSigner("secret", "https://bot.example").url("k") or ""
    delivery = json.dumps({"event": "webhook", "url": hook}).replace("/", slash)
    log = [{"log": text} for text in ("got prompt\n__END__\nKeyError: x\n", "__END__", delivery)]
    assert parse_log(json.dumps(log).encode()) == ("got prompt\nKeyError: x\n",)


def test_the_first_line_of_a_long_entry_is_left_out_because_it_may_begin_in_a_secret() -> None:
    texts = parse_log(json.dumps([{"log": f"token={'s' * 99_990}\n{'x' * 99}\n"}]).encode())
    assert texts == (f"{'x' * 99}\n",)


def test_only_the_end_of_a_long_log_is_kept() -> None:
    entries = [{"log": f"{number:05} {'x' * 994}"} for number in range(1000)]
    texts = parse_log(json.dumps(entries).encode())
    assert sum(map(len, texts)) == 100_000
    assert [text[:5] for text in texts] == [f"{number:05}" for number in range(900, 1000)]
    assert len(parse_log(json.dumps([{"log": str(n)} for n in range(5000)]).encode())) == 2000
