"""The metrics page: its access rules, and the figures of a process without Discord."""

from __future__ import annotations

import re
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from pydantic import SecretStr

from bot.app import build, metrics_port
from bot.config.fields import Role
from bot.effects import Effects
from bot.metrics import PREFIX
from bot.web import listening
from tests.harness import open_app
from tests.ports import free_port
from tests.web.service import Caller, output

DEPLOY = Path(__file__).parents[2] / "deploy"
TOKEN = "a-token-for-the-metrics-0123456789"
FORWARDED = ("X-Forwarded-For", "Forwarded", "Via", "X-Real-IP", "CF-Connecting-IP", "X-Forwarded-Host")


async def read(port: int, path: str = "/metrics", **headers: str) -> tuple[int, str]:
    address = f"http://127.0.0.1:{port}{path}"
    async with aiohttp.ClientSession() as session, session.get(address, headers=headers) as answer:
        return answer.status, await answer.text()


async def test_only_the_local_machine_may_read_it_without_a_proxy(caller: Caller) -> None:
    for remote in ("203.0.113.9", "10.0.0.7", "2001:db8::1", "not an address"):
        request = make_mocked_request("GET", "/metrics").clone(remote=remote)
        assert isinstance(request, web.BaseRequest)
        page = caller.runner.app.metrics_page
        assert (await page.respond(request)).status == 403  # type: ignore[arg-type]
    status, text = await read(caller.runner.port)
    assert status == 200
    assert "# TYPE comfydeploy_bot_webhooks_total counter" in text
    for header in FORWARDED:
        assert await read(caller.runner.port, **{header: "127.0.0.1"}) == (403, "")


async def test_a_token_is_needed_if_one_is_set(tmp_path: Path) -> None:
    async with open_app(tmp_path, metrics_token=TOKEN) as runner:
        assert await read(runner.port) == (403, "")
        for wrong in (TOKEN, f"Bearer {TOKEN}x", "ä"):
            assert await read(runner.port, Authorization=wrong) == (403, "")
        authorized = {"Authorization": f"Bearer {TOKEN}", "X-Forwarded-For": "203.0.113.9"}
        assert (await read(runner.port, **authorized))[0] == 200


async def test_a_separate_port_serves_nothing_else(tmp_path: Path) -> None:
    port = free_port()
    async with (
        open_app(tmp_path, metrics_port=port, web_host="127.0.0.1") as runner,
        metrics_port(runner.app),
    ):
        assert (await read(runner.port))[0] == 404
        assert (await read(port, **{"X-Forwarded-For": "203.0.113.9"}))[0] == 200
        assert (await read(port, "/healthz"))[0] == 404


@pytest.mark.parametrize("role", list(Role))
async def test_only_a_process_with_the_gateway_has_its_gauges_and_needs_it(
    caller: Caller, role: Role, tmp_path: Path
) -> None:
    """At 0 in every other process, they raised the alert GatewayAway."""
    own = {"roles": frozenset({role}), "database_url": SecretStr(f"sqlite:///{tmp_path}/{role}.db")}
    settings = caller.runner.settings.model_copy(update=own)
    async with build(settings, Effects()) as app, listening(app.web, "127.0.0.1", 0) as port:
        _, text = await read(port)
        status, _ = await read(port, "/readyz")
    names = set(re.findall(r"^comfydeploy_bot_(gateway_\w+|servers|store_up) [01].0$", text, re.MULTILINE))
    gateway = {"gateway_ready", "gateway_latency_seconds", "servers"}
    assert names == {"store_up", *(gateway if role is Role.GATEWAY else ())}
    # The gateway isn't connected.
    assert status == (503 if role is Role.GATEWAY else 200)


async def test_the_figures_of_runs_and_outcomes_come_from_the_database(caller: Caller) -> None:
    before = await caller.metrics()
    assert (before['runs{deployment="default",state="queued"}'], before["oldest_undelivered_seconds"]) == (
        1,
        0,
    )
    await caller.reports("success", outputs=[output()])
    caller.runner.clock.move(seconds=150)
    after = await caller.metrics()
    assert (after["oldest_undelivered_seconds"], after["outcomes_owed"]) == (150, 1)
    assert after['runs{deployment="default",state="queued"}'] == 0


async def test_the_page_has_the_metrics_of_the_alerts_and_the_dashboard(tmp_path: Path) -> None:
    async with open_app(tmp_path, backup_dir=tmp_path) as runner:
        _, text = await read(runner.port)
    shown = set(re.findall(r"^# TYPE (\S+) ", text, re.MULTILINE))
    files = [(DEPLOY / name).read_text(encoding="utf-8") for name in ("alerts.yml", "grafana.json")]
    named = {name for file in files for name in re.findall(rf"{PREFIX}_\w+", file)}
    assert len(named) > 20
    assert {re.sub("_(bucket|sum|count)$", "", name) for name in named} <= shown
