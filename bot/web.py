"""The embedded web server with its health checks and the page /metrics. Other modules add the webhooks."""

from __future__ import annotations

import errno
import hmac
import logging
import platform
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_address

import discord
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from bot import __version__
from bot.context import App
from bot.domain.errors import StartupError, StoreUnavailable
from bot.domain.runs import FINAL, RunState
from bot.store import Store

# Webhooks are the largest request bodies.
MAX_BODY = 1024 * 1024


def application(store: Store, gateway: discord.Client | None) -> web.Application:
    """Build an application with the health checks `/healthz`, which always succeeds, and `/readyz`.

    The process is ready if the database responds and `gateway` is connected to Discord. In a process without
    the gateway role, `gateway` is None and isn't needed.
    """

    async def healthz(_request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_request: web.Request) -> web.Response:
        with suppress(StoreUnavailable):
            if gateway is None or gateway.is_ready():
                await store.database.ping()
                return web.Response(text="ready\n")
        return web.Response(status=503, text="not ready\n")

    app = web.Application(client_max_size=MAX_BODY)
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    return app


@asynccontextmanager
async def listening(
    app: web.Application, host: str, port: int, *, setting: str = "WEB_PORT"
) -> AsyncIterator[int]:
    """Serve inside the block and yield the port in use.

    Raises StartupError if the server can't listen on this host and port. The error says whether to change
    WEB_HOST or `setting`, the name of the setting with the port.
    """
    # No client needs compressed bodies. Decompressing them would cost work before authentication.
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=2, auto_decompress=False)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            remedy = f"Stop what uses it, or set {setting} to another."
            if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
                remedy = "WEB_HOST is an address of one of this machine's interfaces, or 0.0.0.0 for all."
            raise StartupError(f"Port {port} on {host} can't be used ({error.strerror}). {remedy}") from error
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


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
        build = gauge("build_info", "What runs, as labels; always 1", "version", "python")
        build.labels(__version__, platform.python_version()).set(1)
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
            latency.set_function(lambda: gateway.latency if gateway.latency < 3600 else 0)

    def add_to(self, app: web.Application) -> None:
        app.router.add_get(METRICS_PATH, self.respond)

    async def respond(self, request: web.Request) -> web.Response:
        if not self._may_read(request):
            return web.Response(status=403)
        await self._read_store()
        text = generate_latest(self._app.metrics.registry)
        return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_LATEST})

    def _may_read(self, request: web.Request) -> bool:
        if self._token is not None:
            credentials = request.headers.get("Authorization", "").encode("utf-8", "replace")
            return hmac.compare_digest(credentials, f"Bearer {self._token}".encode())
        if self._app.settings.metrics_port is not None:
            return True
        if request.remote is None or any(name in request.headers for name in _FORWARDED):
            return False
        try:
            return ip_address(request.remote.partition("%")[0]).is_loopback
        except ValueError:
            return False

    async def _read_store(self) -> None:
        now = self._app.now()
        try:
            values = await self._app.store.figures.gauges(now)
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
        self._oldest.set(0 if oldest is None else (now - oldest).total_seconds())
        self._used.set(values.gpu_seconds_today)
