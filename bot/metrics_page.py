"""Serve the /metrics page, and decide who may read it."""

from __future__ import annotations

import hmac
import logging
from ipaddress import ip_address

import discord
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from bot.context import App
from bot.domain.errors import StoreUnavailable
from bot.domain.runs import FINAL, RunState

log = logging.getLogger(__name__)
METRICS_PATH = "/metrics"
# A local reverse proxy also connects from loopback; these headers give it away.
_FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via", "CF-Connecting-IP", "X-Forwarded-Host")
_ACTIVE_STATES = tuple(state.value for state in RunState if state not in FINAL)


class MetricsPage:
    """The /metrics page. It shows this process's metrics, and gauges that are updated on each request.

    `gateway` is the client that connects to Discord's gateway, or None in a process without one. With
    METRICS_TOKEN, readers must send it. Without, the page is open to everyone if METRICS_PORT is set. On the
    shared port, it is open only to direct connections from this machine.
    """

    def __init__(self, app: App, gateway: discord.Client | None) -> None:
        gauge, token = app.metrics.gauge, app.settings.metrics_token
        self._app = app
        self._token = token.get_secret_value() if token is not None else None
        self._known_deployments: set[str] = set()
        self._store_up = gauge("store_up", "Whether the database answered")
        self._runs = gauge("runs", "Runs that have not ended", "deployment", "state")
        self._pending = gauge("outcomes_owed", "Outcomes not shown yet")
        # Metrics keep their names, because operators' dashboards and alerts rely on them.
        self._undelivered = gauge("outcomes_kept", "Outcomes that no route could show; /runs offers them")
        self._oldest = gauge("oldest_undelivered_seconds", "Age of the oldest pending outcome")
        self._used = gauge("gpu_seconds_today", "GPU seconds today, with estimates for unfinished runs")
        gauge("gpu_seconds_daily_limit", "DAILY_GPU_SECONDS; 0 if unset").set(
            app.settings.daily_gpu_seconds or 0
        )
        if gateway is not None:  # a process without one lacks these, as a 0 would mean an outage
            ready = gauge("gateway_ready", "Whether Discord's gateway is connected and ready")
            ready.set_function(gateway.is_ready)
            gauge("servers", "Servers that the bot is on").set_function(lambda: len(gateway.guilds))
            latency = gauge("gateway_latency_seconds", "Discord's last heartbeat")
            # Before the first heartbeat it is NaN or infinite.
            latency.set_function(
                lambda: gateway.latency if gateway.is_ready() and gateway.latency < 3600 else 0
            )

    def add_to(self, app: web.Application) -> None:
        app.router.add_get(METRICS_PATH, self.answer)

    async def answer(self, request: web.Request) -> web.Response:
        if not self._may_read(request):
            return web.Response(status=403)
        await self._read_store()
        text = self._app.metrics.text()
        return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_LATEST})

    def _may_read(self, request: web.Request) -> bool:
        if self._token is not None:
            credentials = request.headers.get("Authorization", "").encode("utf-8", "replace")
            return hmac.compare_digest(credentials, f"Bearer {self._token}".encode())
        if self._app.settings.metrics_port is not None:
            return True
        forwarded = any(name in request.headers for name in _FORWARDED)
        return not forwarded and _is_loopback(request.remote)

    async def _read_store(self) -> None:
        now = self._app.now()
        try:
            values = await self._app.store.gauges.read(now)
        except StoreUnavailable as error:
            log.warning("can't read the gauges from the database: %s", error)
            self._store_up.set(0)
            return
        self._store_up.set(1)
        # Set vanished series to 0: a series that isn't updated looks alive.
        self._known_deployments |= {deployment for deployment, _ in values.runs}
        for deployment in self._known_deployments:
            for state in _ACTIVE_STATES:
                self._runs.labels(deployment, state).set(values.runs.get((deployment, state), 0))
        self._pending.set(values.pending)
        self._undelivered.set(values.undelivered)
        oldest = values.oldest_pending_at
        self._oldest.set(0 if oldest is None else max(0.0, (now - oldest).total_seconds()))
        self._used.set(values.gpu_seconds_today)


def _is_loopback(address: str | None) -> bool:
    try:
        return address is not None and ip_address(address.partition("%")[0]).is_loopback
    except ValueError:
        return False
