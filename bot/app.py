"""The composition root: production, tests and the demo all build the bot here, top to bottom."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import discord
from aiohttp import web

from bot.comfydeploy.client import ComfyClient, open_session
from bot.config.roles import ALL_ROLES, CALLING_ROLES, Role
from bot.config.settings import Settings, load_deployment_configs
from bot.database.coordination import Coordinator
from bot.delivery.download import MediaFetcher
from bot.delivery.posting import Poster, RestClient
from bot.delivery.ssrf import is_public, is_public_or_private
from bot.deployments.catalogue import Catalogue, Reloader
from bot.deployments.options import PRESET_OPTION
from bot.gateway.client import GenerateBot
from bot.metrics import Metrics
from bot.store import Store
from bot.web import MetricsPage, application, listening, start_server
from bot.wiring import Resources, courier_workers, gateway_bot, make_signer, reconcile_workers, reloader_of
from bot.workers.events import EventRecorder, ProgressBuffer
from bot.workers.webhook import WebhookServer
from bot.workers.worker import Wakeups, Worker


def utc_now() -> datetime:
    return datetime.now(UTC)


@asynccontextmanager
async def build(settings: Settings, clock: Callable[[], datetime] = utc_now) -> AsyncIterator[App]:
    """Opens what the bot stands on and puts its parts together; nothing runs yet. Raises StartupError."""
    async with AsyncExitStack() as stack:
        calling = bool(settings.roles & CALLING_ROLES)
        configs = load_deployment_configs(settings) if calling else ()
        store = await _store(settings, stack)
        coordinator = store.coordinator()
        wakeups = Wakeups(coordinator.notify)
        stack.push_async_callback(coordinator.close)
        await coordinator.open(wakeups.receive)
        metrics = Metrics()
        comfy = ComfyClient(
            await stack.enter_async_context(open_session(metrics.comfydeploy_trace())),
            settings.comfydeploy_api_url,
            settings.comfydeploy_api_key,
        )
        allows = is_public_or_private if settings.allow_private_media_hosts else is_public
        fetcher = await stack.enter_async_context(MediaFetcher(allows=allows))
        catalogue = Catalogue(configs, comfy, store.notes, extra=(PRESET_OPTION,))
        if calling:
            await catalogue.load()
        signer = await make_signer(settings, store)
        yield assemble(
            Resources(
                settings, store, coordinator, comfy, fetcher, catalogue, clock, wakeups, signer, metrics
            )
        )


async def _store(settings: Settings, stack: AsyncExitStack) -> Store:
    store = Store(settings.database_url.get_secret_value(), settings.database_pool_size)
    stack.push_async_callback(store.close)
    await store.open(alone=settings.roles == ALL_ROLES)
    return store


async def start_web(app: App, host: str, port: int) -> tuple[web.AppRunner, int]:
    """Serves webhooks and health; returns the port really used. Raises StartupError."""
    return await start_server(app.web, host, port)


@asynccontextmanager
async def metrics_port(app: App) -> AsyncIterator[None]:
    """Serves the metrics inside the block, where they have a port of their own. Raises StartupError."""
    settings = app.settings
    if settings.metrics_port is None:
        yield
        return
    page = web.Application()
    app.metrics.add_to(page)
    async with listening(page, settings.web_host, settings.metrics_port, setting="METRICS_PORT"):
        yield


@asynccontextmanager
async def working(app: App, seconds: float = 5) -> AsyncIterator[None]:
    """The workers run inside the block; at its end running items get `seconds` to finish.

    Docker kills ten seconds after SIGTERM, and connections still have to be closed by then.
    """
    loops = [asyncio.create_task(worker.run(), name=name) for name, worker in app.workers.items()]
    try:
        yield
    finally:
        for worker in app.workers.values():
            worker.stop()
        await asyncio.gather(*(worker.finish(seconds) for worker in app.workers.values()))
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)


@dataclass(frozen=True, slots=True)
class App:
    """Everything that runs side by side.

    `client` is the way to Discord: the bot itself, without the gateway role one that only speaks, and None
    for a process that only takes webhooks. `workers` by name: submit, check, progress, show, deliver, look,
    prune.
    """

    settings: Settings
    store: Store
    coordinator: Coordinator
    client: discord.Client | None
    web: web.Application
    workers: Mapping[str, Worker[Any]]
    metrics: MetricsPage
    reloader: Reloader

    def read_again(self) -> None:
        """The deployments' file, soon; told to the log."""
        self.reloader.ask()
        if "look" in self.workers:
            self.workers["look"].wake()

    @property
    def bot(self) -> GenerateBot:
        """Only in a process with the gateway role."""
        if not isinstance(self.client, GenerateBot):
            raise TypeError("this process has no gateway role")
        return self.client


def assemble(base: Resources) -> App:
    """Puts the parts together; nothing runs yet."""
    roles = base.settings.roles
    reloader = reloader_of(base)
    client = _client(base, reloader)
    progress = ProgressBuffer(base.store, base.wakeups, base.clock)
    recorder = EventRecorder(base.store, progress, base.wakeups, base.silence, base.clock)
    workers: dict[str, Worker[Any]] = {}
    if client is not None:
        poster = Poster(client)
        if Role.RECONCILE in roles:
            workers |= reconcile_workers(base, poster, recorder)
        if Role.COURIER in roles:
            workers |= courier_workers(base, poster)
    if Role.WEB in roles:
        workers["progress"] = Worker("progress", progress.claim, progress.write, pause=1, rest=1)
    if roles & CALLING_ROLES:
        workers["look"] = Worker("look", reloader.claim, reloader.handle, pause=15)
    for topic in ("submit", "check", "show", "deliver"):
        if topic in workers:
            base.wakeups.on(topic, workers[topic].wake)
    page = _metrics_page(base, client)
    served = _web(base, client, recorder, page)
    app = App(base.settings, base.store, base.coordinator, client, served, workers, page, reloader)
    base.wakeups.on("reload", app.read_again)
    return app


def _client(base: Resources, reloader: Reloader) -> discord.Client | None:
    roles = base.settings.roles
    if Role.GATEWAY in roles:
        return gateway_bot(base, reloader)
    return RestClient(base.metrics.discord_trace()) if roles & CALLING_ROLES else None


def _web(
    base: Resources, client: discord.Client | None, recorder: EventRecorder, page: MetricsPage
) -> web.Application:
    async def ready() -> bool:
        connected = Role.GATEWAY not in base.settings.roles or (client is not None and client.is_ready())
        return connected and await base.store_answers()

    app = application(ready)
    if base.settings.metrics_port is None:
        page.add_to(app)
    if Role.WEB in base.settings.roles:
        WebhookServer(base.signer, recorder, base.metrics).add_to(app)
    return app


def _metrics_page(base: Resources, client: discord.Client | None) -> MetricsPage:
    token = base.settings.metrics_token
    return MetricsPage(
        base.metrics,
        base.store.gauges,
        base.clock,
        client,
        token=token.get_secret_value() if token else None,
        own_port=base.settings.metrics_port is not None,
        daily_gpu_seconds=base.settings.daily_gpu_seconds,
    )
