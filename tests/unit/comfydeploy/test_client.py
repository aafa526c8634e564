"""The client's calls as they arrive at a server, and its answers."""

from __future__ import annotations

import asyncio
import json

import aiohttp
import pytest
from aiohttp import web

from bot.comfydeploy.client import MAX_REPLY, PAGE
from bot.comfydeploy.reports import parse_log
from bot.comfydeploy.wire import WebhookSigner, queue_body
from bot.domain import errors
from bot.domain.runs import RunState
from tests.serving import Handler
from tests.unit.comfydeploy.calls import (
    KEY,
    NEW_RUN,
    RUN_ID,
    SIGNER,
    STATUSES,
    Recording,
    answering,
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


async def test_a_run_is_asked_for_with_its_queue_position(session: aiohttp.ClientSession) -> None:
    exchange = sample("run_not_started_queue_position")["exchanges"]["run 2 queue_position=true"]
    handler = Recording(exchange["response"]["body"])
    async with http_server(handler.serve) as url:
        report = await connect(session, url).get_run("38627df8-3577-4899-81d5-d98419367141")
    assert handler.requests == [("GET", exchange["request"]["path"], b"")]
    assert (report.state, report.queue_position) == (RunState.QUEUED, 2)


async def test_an_answer_about_another_run_is_refused(session: aiohttp.ClientSession) -> None:
    """Its outputs may be another user's."""
    body = sample("run_not_started_queue_position")["exchanges"]["run 2 queue_position=true"]["response"]
    async with http_server(Recording(body["body"]).serve) as url:
        with pytest.raises(errors.BackendBadReply, match="another run"):
            await connect(session, url).get_run(RUN_ID)


async def test_a_cancel_is_posted_without_a_body(session: aiohttp.ClientSession) -> None:
    handler = Recording({"status": "success", "message": "Function cancelled"})
    async with http_server(handler.serve) as url:
        await connect(session, url).cancel_run(RUN_ID)
    assert handler.requests == [("POST", f"/api/run/{RUN_ID}/cancel", b"")]


async def test_a_deployment_is_asked_for_by_its_id(session: aiohttp.ClientSession) -> None:
    handler = Recording(answer("deployment_get_ok")[1])
    async with http_server(handler.serve) as url:
        info = await connect(session, url).describe_deployment("98244b49-9b56-46b8-83c8-334f27412095")
    assert handler.requests == [("GET", sample("deployment_get_ok")["request"]["path"], b"")]
    assert info.name == "SDXL fox"


async def test_the_list_merges_both_kinds_of_deployment(session: aiohttp.ClientSession) -> None:
    lists = {"false": [{"id": "a"}, {"id": "b"}], "true": [{"id": "b"}, {"id": "c"}]}

    async def handler(request: web.Request) -> web.Response:
        assert request.path == "/api/deployments"
        return web.json_response(lists[request.query["is_fluid"]])

    async with http_server(handler) as url:
        assert await connect(session, url).deployment_ids() == {"a", "b", "c"}


async def ids_listed(session: aiohttp.ClientSession, handler: Handler) -> frozenset[str]:
    async with http_server(handler) as url:
        return await connect(session, url).deployment_ids()


async def test_the_list_is_read_page_by_page(session: aiohttp.ClientSession) -> None:
    every = [{"id": str(number)} for number in range(3 * PAGE)]

    async def handler(request: web.Request) -> web.Response:
        at, size = int(request.query["offset"]), int(request.query["page_size"])
        return web.json_response(every[at : at + size] if request.query["is_fluid"] == "true" else [])

    assert await ids_listed(session, handler) == {each["id"] for each in every}


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


async def test_a_webhook_is_read_once_its_address_was_checked(session: aiohttp.ClientSession) -> None:
    backend = connect(session, "http://127.0.0.1:1")
    assert backend.is_webhook_authentic("k", SIGNER.mac("k"))
    assert not backend.is_webhook_authentic("k", SIGNER.mac("l"))
    report = backend.read_webhook(b'{"run_id": "%s", "status": "running"}' % RUN_ID.encode())
    assert (report.run_id, report.state) == (RUN_ID, RunState.RUNNING)
    with pytest.raises(errors.BackendBadReply, match=r"^run_id is not a UUID$"):
        backend.read_webhook(b"{}")


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
    async with http_server(answering(status, body, headers={"Location": "/elsewhere"})) as url:
        assert type(await fault(session, url, call)) is kind


async def test_a_retry_after_is_read_from_the_answer(session: aiohttp.ClientSession) -> None:
    async with http_server(answering(429, b"", headers={"Retry-After": "12"})) as url:
        error = await fault(session, url)
    assert isinstance(error, errors.BackendRateLimited)
    assert error.retry_after == 12.0


async def test_a_machine_without_cancel_has_its_own_error(session: aiohttp.ClientSession) -> None:
    async with http_server(answering(*answer("run_cancel_unknown"))) as url:
        assert type(await fault(session, url, "cancel")) is errors.BackendNotCancellable
        assert type(await fault(session, url, "queue")) is errors.BackendServerError


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


async def test_a_log_without_an_answer_is_given_up_soon(session: aiohttp.ClientSession) -> None:
    async def hang(_: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    async with http_server(hang) as url:
        assert type(await fault(session, url, "log", log_timeout=0.05)) is errors.BackendTimeout
