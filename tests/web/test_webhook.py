"""The webhook endpoint: who may come in, what is believed, and what answers to nonsense."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from bot.comfydeploy.webhook_urls import WebhookSigner
from bot.domain.runs import RunState
from tests.web.service import output, run_under_way

SECRET = "a-secret-of-the-operators-own-0123456789"


async def test_without_the_right_secret_nothing_is_said_and_nothing_changes(tmp_path: Path) -> None:
    async with run_under_way(tmp_path) as caller:
        before = await caller.run()
        own = f"{caller.base}/webhooks/comfydeploy/{before.key}"
        mac = urlsplit(caller.url).path.rpartition("/")[2]
        for wrong in (
            "0" * 32,
            mac[:-1],
            mac[:-1] + ("0" if mac[-1] != "0" else "1"),
            mac.upper(),
            "%00",
            "ä",
        ):
            for method in ("POST", "GET"):
                assert await caller.call(caller.event("failed"), f"{own}/{wrong}", method) == (403, "")
        assert await caller.run() == before


async def test_another_runs_address_is_no_key(tmp_path: Path) -> None:
    async with run_under_way(tmp_path) as caller:
        mac = urlsplit(caller.url).path.rpartition("/")[2]
        address = f"{caller.base}/webhooks/comfydeploy/abcdefgh/{mac}"
        assert await caller.call(caller.event("failed"), address) == (403, "")


async def test_one_finished_output_is_not_the_whole_result(tmp_path: Path) -> None:
    """It carries the run's status of that moment: late, or before the event of the end, that is `success`."""
    async with run_under_way(tmp_path) as caller:
        early = caller.event("success", outputs=[output()], event_type="run.output")
        assert (await caller.call(early))[0] == 204
        assert (await caller.run()).state is RunState.UPLOADING
        both = [output(), output("https://files.example/b.png")]
        assert (await caller.call(caller.event("success", outputs=both)))[0] == 204
        ended = await caller.run()
        assert ended.state is RunState.SUCCEEDED
        assert len(ended.outputs) == 2


async def test_a_run_that_the_store_does_not_know(tmp_path: Path) -> None:
    async with run_under_way(tmp_path, webhook_secret=SECRET) as caller:
        signer = WebhookSigner(SECRET, caller.base)
        assert (await caller.call(caller.event(), signer.url("nobody")))[0] == 404


async def test_a_retry_as_get_with_a_body_counts(tmp_path: Path) -> None:
    async with run_under_way(tmp_path) as caller:
        assert (await caller.call(caller.event("running"), method="GET"))[0] == 204
        assert (await caller.run()).state is RunState.RUNNING


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("processing", RunState.RUNNING),
        ("started", RunState.RUNNING),
        ("uploading", RunState.UPLOADING),
        ("failed", RunState.FAILED),
        ("timeout", RunState.TIMED_OUT),
        ("cancelled", RunState.CANCELLED),
    ],
)
async def test_both_dialects_are_understood(tmp_path: Path, status: str, state: RunState) -> None:
    async with run_under_way(tmp_path) as caller:
        assert (await caller.call(caller.event(status)))[0] == 204
        assert (await caller.run()).state is state


@pytest.mark.parametrize("status", ["success", "completed"])
async def test_after_the_end_nothing_counts_any_more(tmp_path: Path, status: str) -> None:
    async with run_under_way(tmp_path) as caller:
        assert (await caller.call(caller.event(status, outputs=[output()])))[0] == 204
        ended = await caller.run()
        assert ended.state is RunState.SUCCEEDED
        assert [each.filename for each in ended.outputs] == ["a.png"]
        for late in ("running", "failed", "cancelled", "queued", status):
            assert (await caller.call(caller.event(late)))[0] == 204
        assert await caller.run() == ended


async def test_progress_never_goes_back(tmp_path: Path) -> None:
    async with run_under_way(tmp_path) as caller:
        for progress in (0.2, 0.7, 0.4, 0.7):
            assert (await caller.call(caller.event("running", progress=progress)))[0] == 204
        await caller.bot.play()
        assert (await caller.run()).progress == 0.7


async def test_another_run_id_under_this_address_is_a_conflict(tmp_path: Path) -> None:
    async with run_under_way(tmp_path) as caller:
        before = await caller.run()
        other = caller.event("failed", run_id="0c9d6a1e-0000-4000-8000-000000000000")
        assert (await caller.call(other))[0] == 409
        assert await caller.run() == before


@pytest.mark.parametrize(
    "body",
    [
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
    ],
    ids=range(13),
)
async def test_what_can_not_be_read_is_a_400(tmp_path: Path, body: bytes) -> None:
    async with run_under_way(tmp_path) as caller:
        before = await caller.run()
        assert (await caller.call(body))[0] == 400
        assert await caller.run() == before


async def test_a_body_beyond_a_mebibyte_is_a_413(tmp_path: Path) -> None:
    async with run_under_way(tmp_path) as caller:
        before = await caller.run()
        large = json.dumps(caller.event("failed", live_status="x" * 1024 * 1024)).encode()
        assert (await caller.call(large))[0] == 413
        assert await caller.run() == before


async def test_a_body_that_never_comes_is_a_408(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.workers.webhook.BODY_SECONDS", 0.05)
    async with run_under_way(tmp_path) as caller:
        address = urlsplit(caller.url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        target = f"{address.path}?{address.query}"
        writer.write(f"POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n{{".encode())
        assert (await reader.readline()).split()[1] == b"408"
        writer.close()


async def test_the_database_is_away_so_the_service_is_told_to_come_again(tmp_path: Path) -> None:
    async with run_under_way(tmp_path) as caller:
        await caller.bot.app.store.close()
        with caller.bot.database_away():
            assert (await caller.call(caller.event("running")))[0] == 503
        assert (await caller.call(caller.event("running"), method="GET"))[0] == 204
        assert (await caller.run()).state is RunState.RUNNING


async def test_health_is_of_the_process_and_readiness_of_what_it_needs(tmp_path: Path) -> None:
    async with run_under_way(tmp_path) as caller:
        assert await caller.call(b"", f"{caller.base}/healthz", "GET") == (200, "ok\n")
        assert await caller.call(b"", f"{caller.base}/readyz", "GET") == (200, "ready\n")
        await caller.bot.app.store.close()
        with caller.bot.database_away():
            assert (await caller.call(b"", f"{caller.base}/healthz", "GET"))[0] == 200
            assert (await caller.call(b"", f"{caller.base}/readyz", "GET"))[0] == 503


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"])
async def test_other_methods_are_not_for_webhooks(tmp_path: Path, method: str) -> None:
    async with run_under_way(tmp_path) as caller:
        assert (await caller.call(caller.event("failed"), method=method))[0] == 405
        assert (await caller.run()).state is RunState.QUEUED


async def test_a_ping_is_answered_to_whoever_has_the_secret(tmp_path: Path) -> None:
    async with run_under_way(tmp_path, webhook_secret=SECRET) as caller:
        signer = WebhookSigner(SECRET, caller.base)
        address = signer.ping_url(caller.base, "abc123")
        assert await caller.call(b"whole", address) == (200, signer.pong("abc123", b"whole"))
        assert signer.pong("abc123", b"cut") != signer.pong("abc123", b"whole")
        assert await caller.call(b"whole", address[:-1] + "x") == (403, "")
        other = signer.ping_url(caller.base, "abc124").replace("abc124", "abc123")
        assert await caller.call(b"whole", other) == (403, "")
        assert (await caller.call(b"whole", address, "GET"))[0] == 405


async def test_a_pings_address_is_no_key_to_a_run(tmp_path: Path) -> None:
    async with run_under_way(tmp_path, webhook_secret=SECRET) as caller:
        before = await caller.run()
        mac = WebhookSigner(SECRET, None).ping_url("", before.key).rpartition("/")[2]
        own = f"{caller.base}/webhooks/comfydeploy/{before.key}/{mac}"
        assert await caller.call(caller.event("failed"), own) == (403, "")
        assert await caller.run() == before
