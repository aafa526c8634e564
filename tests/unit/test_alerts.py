"""The alert rules, and the page about them, name metrics that there are; each rule is explained."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.comfydeploy.wire import call_name
from bot.database.engine import Database
from bot.metrics import PREFIX, WEBHOOK_RESULTS, Metrics
from bot.metrics_page import MetricsPage
from bot.store.requests.usage import UsageStore
from tests.unit.factories import made_run

NOW = datetime(2026, 11, 24, tzinfo=UTC)
ROOT = Path(__file__).parents[2]
RULES = yaml.safe_load((ROOT / "deploy" / "alerts.yml").read_text(encoding="utf-8"))["groups"][0]["rules"]
ABOUT = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
RUN = made_run(created_at=NOW, submitted_at=NOW, started_at=NOW, ended_at=NOW)


async def families() -> dict[str, set[str]]:
    """Return the metrics with their labels, after each event has happened once."""
    metrics = Metrics()
    usage = UsageStore(Database("sqlite+aiosqlite:///nowhere.db"))
    MetricsPage(metrics, usage, lambda: NOW, None, token=None, own_port=False, daily_gpu_seconds=None)
    with metrics.request("flux"):
        metrics.attempt("outcome", "done")
    metrics.shown(RUN, NOW)
    metrics.settled(RUN, gpu=None, seconds=1)
    metrics.webhook(204)
    for trace in (metrics.discord_trace(), metrics.comfydeploy_trace(call_name)):
        await see_a_429(trace)
    return {
        family.name + suffix: {label for sample in family.samples for label in sample.labels}
        for family in metrics.registry.collect()
        for suffix in SUFFIXES.get(family.type, ("",))
    }


async def see_a_429(trace: aiohttp.TraceConfig) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=429, headers={"X-RateLimit-Scope": "global"})

    app = web.Application()
    app.router.add_get("/run", answer)
    async with TestServer(app) as server, aiohttp.ClientSession(trace_configs=[trace]) as session:
        await session.get(server.make_url("/run"))


async def test_rules_name_only_metrics_and_labels_that_there_are() -> None:
    known = await families()
    for rule in RULES:
        named = re.findall(rf"({PREFIX}_\w+)(?:\{{([^}}]*)\}})?", rule["expr"])
        assert named or rule["alert"] == "BotDown", rule["alert"]
        for name, labels in named:
            assert name in known, f"{rule['alert']} names {name}"
            assert set(re.findall(r"(\w+)\s*[=!]", labels)) <= known[name], rule["alert"]


def test_the_webhook_results_in_the_rules_are_given() -> None:
    (rule,) = [rule for rule in RULES if rule["alert"] == "WebhooksRejected"]
    (spared,) = re.findall(r'result!~"([^"]+)"', rule["expr"])
    assert set(spared.split("|")) <= set(WEBHOOK_RESULTS.values())


def test_each_rule_is_whole_and_explained() -> None:
    assert len({rule["alert"] for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["annotations"]["summary"].endswith(".")
        assert f"| `{rule['alert']}` |" in ABOUT


async def test_each_metric_is_explained() -> None:
    own = {name.removeprefix(f"{PREFIX}_") for name in await families() if name.startswith(f"{PREFIX}_")}
    plain = {re.sub("_(bucket|sum|count)$", "", name) for name in own if not name.startswith("process_")}
    assert [name for name in sorted(plain) if f"`{name}`" not in ABOUT] == []
