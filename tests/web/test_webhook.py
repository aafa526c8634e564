"""The webhook endpoint: authentication, accepted events, and its answers to malformed requests."""

from __future__ import annotations

import asyncio
import json
from urllib.parse import urlsplit

import pytest

from bot.domain.runs import RunState
from tests.web.service import Caller, output

UNREADABLE = [
    b"",
    b"not json",
    b"[]",
    b"null",
    b'"text"',
    b"{}",
    b'{"run_id": 7, "status": "running"}',
    b'{"run_id": "x", "status": ["failed"]}',
    b'{"run_id": "x", "status": "running", "progress": NaN}',
    b"\xff\xfe\x00",
    b'{"run_id": "\xc3\x28", "status": "failed"}',
    b"[" * 100_000,
    b'{"a":' * 50_000,
]


async def test_a_wrong_secret_is_refused_without_a_word(caller: Caller) -> None:
    before = await caller.run()
    own, _, mac = caller.url.partition("?")[0].rpartition("/")
    another_last = mac[:-1] + ("0" if mac[-1] != "0" else "1")
    for wrong in ("0" * 32, mac[:-1], another_last, mac.upper(), "%00", "ä"):
        for method in ("POST", "GET"):
            assert await caller.call(caller.event("failed"), f"{own}/{wrong}", method) == (403, "")
    of_another_run = own.replace(before.key, "abcdefgh")
    assert await caller.call(caller.event("failed"), f"{of_another_run}/{mac}") == (403, "")
    assert await caller.run() == before


async def test_an_event_of_a_single_output_does_not_end_the_run(caller: Caller) -> None:
    """Such an event has the run's status of its moment, which may already be `success`."""
    early = caller.event("success", outputs=[output()], event_type="run.output")
    assert (await caller.call(early))[0] == 204
    assert (await caller.run()).state is RunState.UPLOADING
    both = [output(), output("https://files.example/b.png")]
    assert (await caller.call(caller.event("success", outputs=both)))[0] == 204
    ended = await caller.run()
    assert ended.state is RunState.SUCCEEDED
    assert len(ended.outputs) == 2


async def test_an_unknown_run_is_a_404(caller: Caller) -> None:
    assert (await caller.call(caller.event(), caller.signer.url("nobody")))[0] == 404


async def test_a_retry_as_get_with_a_body_is_recorded(caller: Caller) -> None:
    assert (await caller.call(caller.event("running"), method="GET"))[0] == 204
    assert (await caller.run()).state is RunState.RUNNING


@pytest.mark.parametrize("status", ["success", "completed"])
async def test_events_after_the_end_change_nothing(caller: Caller, status: str) -> None:
    assert (await caller.call(caller.event(status, outputs=[output()])))[0] == 204
    ended = await caller.run()
    assert ended.state is RunState.SUCCEEDED
    assert [each.filename for each in ended.outputs] == ["a.png"]
    for late in ("running", "failed", "cancelled", "queued", status):
        assert (await caller.call(caller.event(late)))[0] == 204
    assert await caller.run() == ended


async def test_progress_is_stored_by_the_worker_and_its_end_at_once(caller: Caller) -> None:
    for progress in (0.2, 0.7):
        assert (await caller.call(caller.event("running", progress=progress)))[0] == 204
    assert (await caller.run()).progress == 0.2  # the first report changed the state, which is stored at once
    assert (await caller.call(caller.event("running", progress=1.0)))[0] == 204
    assert (await caller.run()).progress == 1.0


async def test_outputs_among_the_progress_are_stored_at_once(caller: Caller) -> None:
    for progress, outputs in ((0.2, []), (0.7, [output()])):
        reported = caller.event("running", progress=progress, outputs=outputs)
        assert (await caller.call(reported))[0] == 204
    assert [each.filename for each in (await caller.run()).outputs] == ["a.png"]


async def test_progress_never_decreases(caller: Caller) -> None:
    for progress in (0.2, 0.7, 0.4, 0.7):
        assert (await caller.call(caller.event("running", progress=progress)))[0] == 204
    await caller.bot.play()
    assert (await caller.run()).progress == 0.7


async def test_malformed_requests_are_refused_and_change_nothing(caller: Caller) -> None:
    before = await caller.run()
    for body in UNREADABLE:
        assert (await caller.call(body))[0] == 400, body[:60]
    large = json.dumps(caller.event("failed", live_status="x" * 1024 * 1024)).encode()
    assert (await caller.call(large))[0] == 413
    other = caller.event("failed", run_id="0c9d6a1e-0000-4000-8000-000000000000")
    assert (await caller.call(other))[0] == 409
    for method in ("PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"):
        assert (await caller.call(caller.event("failed"), method=method))[0] == 405, method
    assert await caller.run() == before


async def test_a_body_that_never_arrives_is_a_408(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.workers.reports.BODY_SECONDS", 0.05)
    address = urlsplit(caller.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    target = f"{address.path}?{address.query}"
    writer.write(f"POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n{{".encode())
    assert (await reader.readline()).split()[1] == b"408"
    writer.close()


async def test_the_database_is_away_so_the_service_is_told_to_come_again(caller: Caller) -> None:
    async with caller.bot.database_away():
        assert (await caller.call(caller.event("running")))[0] == 503
    assert (await caller.call(caller.event("running"), method="GET"))[0] == 204
    assert (await caller.run()).state is RunState.RUNNING


async def test_without_the_database_the_process_is_healthy_but_not_ready(caller: Caller) -> None:
    assert await caller.call(b"", f"{caller.base}/healthz", "GET") == (200, "ok\n")
    assert await caller.call(b"", f"{caller.base}/readyz", "GET") == (200, "ready\n")
    async with caller.bot.database_away():
        assert (await caller.call(b"", f"{caller.base}/healthz", "GET"))[0] == 200
        assert (await caller.call(b"", f"{caller.base}/readyz", "GET"))[0] == 503
