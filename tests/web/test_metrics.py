"""The metrics page: its access rules and its figures."""

from __future__ import annotations

import re
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from bot.app import build, metrics_port
from bot.config.fields import Role
from bot.metrics import PREFIX, WEBHOOK_RESULTS
from bot.outside import Outside
from demo.fake_comfydeploy.faults import Faults
from tests.harness import Harness, running_bot
from tests.ports import free_port
from tests.unit.test_deploy import EXPRESSIONS
from tests.web.service import Caller, output

TOKEN = "a-token-for-the-metrics-0123456789"


async def read(port: int, path: str = "/metrics", **headers: str) -> tuple[int, str]:
    address = f"http://127.0.0.1:{port}{path}"
    async with aiohttp.ClientSession() as session, session.get(address, headers=headers) as answer:
        return answer.status, await answer.text()


async def page(s: Harness) -> dict[str, float]:
    """Return the value of each series, without the prefix of its name."""
    status, text = await read(s.runner.port)
    assert status == 200
    found = re.findall(r"^comfydeploy_bot_(\S+(?:\{[^}]*\})?) (\S+)$", text, re.MULTILINE)
    return {name: float(value) for name, value in found}


async def test_only_the_local_machine_may_read_it_without_a_proxy(tmp_path: Path) -> None:
    async with running_bot(tmp_path) as s:
        for remote in ("203.0.113.9", "10.0.0.7", "2001:db8::1", "not an address"):
            request = make_mocked_request("GET", "/metrics").clone(remote=remote)
            assert isinstance(request, web.BaseRequest)
            assert (await s.app.metrics_page.answer(request)).status == 403  # type: ignore[arg-type]
        status, text = await read(s.runner.port)
        assert status == 200
        assert "# TYPE comfydeploy_bot_webhooks_total counter" in text
        for header in ("X-Forwarded-For", "Forwarded", "Via", "X-Real-IP", "CF-Connecting-IP"):
            assert await read(s.runner.port, **{header: "127.0.0.1"}) == (403, "")


async def test_a_token_is_needed_if_one_is_set(tmp_path: Path) -> None:
    async with running_bot(tmp_path, metrics_token=TOKEN) as s:
        assert await read(s.runner.port) == (403, "")
        for wrong in (TOKEN, f"Bearer {TOKEN}x", "ä"):
            assert await read(s.runner.port, Authorization=wrong) == (403, "")
        authorized = {"Authorization": f"Bearer {TOKEN}", "X-Forwarded-For": "203.0.113.9"}
        assert (await read(s.runner.port, **authorized))[0] == 200


async def test_a_separate_port_serves_nothing_else(tmp_path: Path) -> None:
    port = free_port()
    async with running_bot(tmp_path, metrics_port=port, web_host="127.0.0.1") as s, metrics_port(s.app):
        assert (await read(s.runner.port))[0] == 404
        assert (await read(port, **{"X-Forwarded-For": "203.0.113.9"}))[0] == 200
        assert (await read(port, "/healthz"))[0] == 404


async def test_a_run_is_counted_from_the_request_to_the_outcome(tmp_path: Path) -> None:
    async with running_bot(tmp_path) as s:
        await s.alice.slash(s.channel, "generate", prompt="a fox", gpu="A100")
        s.clock.move(seconds=3)
        before = await page(s)
        assert before['runs{deployment="default",state="waiting"}'] == 1
        assert before['requests_total{deployment="default",outcome="accepted"}'] == 1
        await s.play()
        await s.later(seconds=30)
        after = await page(s)
        assert after['runs{deployment="default",state="waiting"}'] == 0
        assert after['outcomes_total{deployment="default",state="succeeded"}'] == 1
        assert after['message_attempts_total{kind="outcome",result="done"}'] == 1
        assert after["delivery_seconds_count"] == 1
        assert after['comfydeploy_calls_total{call="queue",result="200"}'] == 1
        assert after['comfydeploy_calls_total{call="deployment",result="200"}'] == 1
        assert after['comfydeploy_call_seconds_count{call="queue"}'] == 1
        assert after['run_seconds_count{deployment="default",gpu="A100"}'] == 1
        assert after['queue_seconds_count{deployment="default",gpu="A100"}'] == 1
        recorded = after['webhooks_total{result="recorded"}']
        assert recorded == len(s.comfydeploy.call_log.webhook_attempts)
        assert after["gpu_seconds_today"] == pytest.approx((await s.run()).run_duration)
        assert after["store_up"] == 1
        assert after["servers"] == 1


@pytest.mark.parametrize("role", list(Role))
async def test_only_a_process_with_the_gateway_has_its_gauges(tmp_path: Path, role: Role) -> None:
    """At 0 in every other process, they raised the alert GatewayAway."""
    async with running_bot(tmp_path) as s:
        settings = s.runner.settings.model_copy(update={"roles": frozenset({role})})
        async with build(settings, Outside()) as app:
            request = make_mocked_request("GET", "/metrics").clone(remote="127.0.0.1")
            answer = await app.metrics_page.answer(request)  # type: ignore[arg-type]
    assert isinstance(answer.body, bytes)
    names = set(re.findall(rb"^comfydeploy_bot_(gateway_\w+|servers|store_up) ", answer.body, re.MULTILINE))
    gateway = {b"gateway_ready", b"gateway_latency_seconds", b"servers"}
    assert names == {b"store_up", *(gateway if role is Role.GATEWAY else ())}


async def test_the_age_of_an_undelivered_outcome_is_shown(caller: Caller) -> None:
    assert (await page(caller.bot))["oldest_undelivered_seconds"] == 0
    assert (await caller.call(caller.event("success", outputs=[output()])))[0] == 204
    caller.bot.clock.move(seconds=150)
    found = await page(caller.bot)
    assert found["oldest_undelivered_seconds"] == 150
    assert found["outcomes_owed"] == 1
    assert found['runs{deployment="default",state="queued"}'] == 0


async def test_webhooks_are_counted_by_their_answer(caller: Caller) -> None:
    strange = caller.url.replace("/webhooks/comfydeploy/", "/webhooks/comfydeploy/a")
    await caller.call(caller.event(), strange)
    await caller.call(b"", f"{caller.base}/webhooks/nobody/has/this")
    of_another_run = caller.event(run_id="0b9b1c8e-0000-4000-8000-000000000000")
    for body in (caller.event(), b"no json", of_another_run, b"x" * (2 * 1024 * 1024)):
        await caller.call(body)
    once = {"recorded", "unreadable", "wrong_secret", "another_run", "too_large"}
    assert await caller.counted() == {word: float(word in once) for word in WEBHOOK_RESULTS.values()}


async def test_refusals_and_failed_calls_are_counted_separately(tmp_path: Path) -> None:
    async with running_bot(tmp_path, daily_gpu_seconds=120) as s:
        s.comfydeploy.next_faults(Faults(queue_status=500), Faults(queue_drop=True))
        for prompt in ("a fox", "a hen"):
            await s.alice.slash(s.channel, "generate", prompt=prompt)
            await s.later(seconds=5)
        await s.alice.slash(s.channel, "generate", prompt="an ox")
        found = await page(s)
        assert found['comfydeploy_calls_total{call="queue",result="500"}'] == 1
        asked = {name: n for name, n in found.items() if name.startswith("requests_total")}
        assert asked['requests_total{deployment="default",outcome="accepted"}'] >= 1
        assert found["gpu_seconds_daily_limit"] == 120


async def test_without_the_database_the_counters_are_still_shown(caller: Caller) -> None:
    await caller.call(caller.event())
    async with caller.bot.database_away():
        found = await page(caller.bot)
    assert found["store_up"] == 0
    assert found['webhooks_total{result="recorded"}'] == 1


async def test_the_page_has_the_metrics_of_the_alerts_and_the_dashboard(tmp_path: Path) -> None:
    async with running_bot(tmp_path, backup_dir=tmp_path) as s:
        _, text = await read(s.runner.port)
    shown = set(re.findall(r"^# TYPE (\S+) ", text, re.MULTILINE))
    named = {name for _, expression in EXPRESSIONS for name in re.findall(rf"{PREFIX}_\w+", expression)}
    assert len(named) > 20
    assert {re.sub("_(bucket|sum|count)$", "", name) for name in named} <= shown
