"""The embedded web server: health checks and metrics."""

from __future__ import annotations

import errno
import hmac
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from ipaddress import ip_address

import discord
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from bot.domain.errors import StartupError, StoreUnavailable
from bot.domain.runs import FINAL, RunState
from bot.metrics import Metrics
from bot.store.usage import UsageStore

# Webhooks are the largest request bodies.
MAX_BODY = 1024 * 1024
# The body of `/healthz`.
HEALTHY = "ok\n"
Check = Callable[[], Awaitable[bool]]


def application(ready: Check) -> web.Application:
    """Build an application with `/healthz` (alive) and `/readyz` (able to work)."""

    async def healthz(_request: web.Request) -> web.Response:
        return web.Response(text=HEALTHY)

    async def readyz(_request: web.Request) -> web.Response:
        if await ready():
            return web.Response(text="ready\n")
        return web.Response(status=503, text="not ready\n")

    app = web.Application(client_max_size=MAX_BODY)
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    return app


async def start_server(
    app: web.Application, host: str, port: int, *, setting: str = "WEB_PORT"
) -> tuple[web.AppRunner, int]:
    """Start a server and return it with the port in use.

    Raises StartupError, which names the `setting` that the port comes from.
    """
    # No client needs compressed bodies. Decompressing them would cost work before authentication.
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=2, auto_decompress=False)
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    try:
        await site.start()
    except OSError as error:
        await runner.cleanup()
        remedy = port_remedy(error, setting)
        raise StartupError(f"Port {port} on {host} can't be used ({error.strerror}). {remedy}") from error
    return runner, runner.addresses[0][1]


def port_remedy(error: OSError, setting: str) -> str:
    """Return what to do if a port can't be opened."""
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return "WEB_HOST is the address of one of this machine's own interfaces, or 0.0.0.0 for all."
    return f"Stop what uses it, or set {setting} to another."


@asynccontextmanager
async def listening(
    app: web.Application, host: str, port: int, *, setting: str = "WEB_PORT"
) -> AsyncIterator[int]:
    """Serve inside the block and yield the port in use. Raises StartupError."""
    runner, used = await start_server(app, host, port, setting=setting)
    try:
        yield used
    finally:
        await runner.cleanup()


log = logging.getLogger(__name__)
METRICS_PATH = "/metrics"
# A local reverse proxy also connects from loopback; these headers give it away.
_FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via", "CF-Connecting-IP", "X-Forwarded-Host")
_ACTIVE_STATES = tuple(state.value for state in RunState if state not in FINAL)


class MetricsPage:
    """The /metrics page: counters of this process, and gauges read from the store on each request.

    `client` is None in a process without Discord. With `own_port` the page is open to every caller that can
    reach the port.
    """

    def __init__(
        self,
        metrics: Metrics,
        usage: UsageStore,
        clock: Callable[[], datetime],
        client: discord.Client | None,
        *,
        token: str | None,
        own_port: bool,
        daily_gpu_seconds: int | None,
    ) -> None:
        self._metrics = metrics
        self._usage = usage
        self._clock = clock
        self._client = client
        self._token = token
        self._own_port = own_port
        self._known_deployments: set[str] = set()
        gauge = metrics.gauge
        self._store_up = gauge("store_up", "Whether the database answered")
        self._runs = gauge("runs", "Runs that have not ended", "deployment", "state")
        self._pending = gauge("outcomes_owed", "Outcomes not shown yet")
        # Metrics keep their names, because operators' dashboards and alerts know them.
        self._undelivered = gauge("outcomes_kept", "Outcomes for which every way was closed; /runs has them")
        self._oldest = gauge("oldest_undelivered_seconds", "How long the oldest outcome has been owed")
        self._used = gauge("gpu_seconds_today", "GPU seconds of today, what still runs as estimated")
        gauge("gpu_seconds_daily_limit", "DAILY_GPU_SECONDS; 0 is none").set(daily_gpu_seconds or 0)
        self._gateway = gauge("gateway_ready", "Whether Discord's gateway is connected and ready")
        self._latency = gauge("gateway_latency_seconds", "Discord's last heartbeat")
        self._servers = gauge("servers", "Servers that the bot is on")

    def add_to(self, app: web.Application) -> None:
        app.router.add_get(METRICS_PATH, self.answer)

    async def answer(self, request: web.Request) -> web.Response:
        if not self._may_read(request):
            return web.Response(status=403)
        await self._read_store()
        self._read_gateway()
        text = self._metrics.text()
        return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_LATEST})

    def _may_read(self, request: web.Request) -> bool:
        if self._token is not None:
            credentials = request.headers.get("Authorization", "").encode("utf-8", "replace")
            return hmac.compare_digest(credentials, f"Bearer {self._token}".encode())
        if self._own_port:
            return True
        forwarded = any(name in request.headers for name in _FORWARDED)
        return not forwarded and _is_loopback(request.remote)

    async def _read_store(self) -> None:
        now = self._clock()
        try:
            values = await self._usage.gauges(now)
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

    def _read_gateway(self) -> None:
        client = self._client
        if client is None:
            return
        ready = client.is_ready()
        self._gateway.set(ready)
        # Before the first heartbeat the latency is NaN or infinite.
        self._latency.set(client.latency if ready and client.latency < 3600 else 0)
        self._servers.set(len(client.guilds))


def _is_loopback(address: str | None) -> bool:
    try:
        return address is not None and ip_address(address.partition("%")[0]).is_loopback
    except ValueError:
        return False
