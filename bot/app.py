"""The composition root, where production, tests and the demo build the bot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import discord
from aiohttp import web

from bot.config.roles import CALLING_ROLES, Role
from bot.config.settings import Settings, load_deployment_configs
from bot.database.coordination import Coordinator
from bot.delivery.media.download import MediaFetcher
from bot.delivery.media.ssrf import public_or_in
from bot.deployments.catalogue import Catalogue
from bot.deployments.options import EXTRA_OPTIONS
from bot.deployments.reloading import Reloader
from bot.gateway.client import GenerateBot, RestClient
from bot.metrics import Metrics
from bot.metrics_page import MetricsPage
from bot.outside import Outside
from bot.store import Store
from bot.web import application, listening
from bot.wiring import (
    ReadHead,
    Resources,
    add_webhooks,
    gateway_bot,
    make_reloader,
    make_signer,
    open_backend,
    open_executors,
    operator_rules,
    output_preparer,
    reconcile_workers,
    type_detector,
)
from bot.wiring_delivery import make_messenger, messenger_workers
from bot.workers.progress import ProgressBuffer
from bot.workers.reports import ReportRecorder
from bot.workers.schedule import DEPLOYMENTS, PROGRESS
from bot.workers.worker import Wakeups, Worker


@asynccontextmanager
async def build(
    settings: Settings, outside: Outside, *, read_head: ReadHead | None = None
) -> AsyncIterator[App]:
    """Open all resources for the block, and yield the assembled process, which is not started yet.

    `read_head` reads the beginning of files that aren't on the network, as in tests and the demo.
    Raises StartupError, or StoreUnavailable if the database doesn't answer.
    """
    async with AsyncExitStack() as stack:
        calling = bool(settings.roles & CALLING_ROLES)
        configs = load_deployment_configs(settings) if calling else ()
        store = await _store(settings, outside, stack)
        coordinator = store.coordinator()
        wakeups = Wakeups(coordinator.notify)
        stack.push_async_callback(coordinator.close)
        await coordinator.open(wakeups.receive)
        await _release_leases(store, coordinator)
        metrics = Metrics(outside.monotonic)
        signer = await make_signer(settings, store)
        backend = await stack.enter_async_context(open_backend(settings, signer, metrics))
        allows = public_or_in(settings.allow_private_media_networks)
        fetcher = await stack.enter_async_context(MediaFetcher(allows=allows))
        shrinker, files = open_executors(outside, stack)
        catalogue = Catalogue(configs, backend, store.key_values, extra=EXTRA_OPTIONS)
        if calling:
            await catalogue.load()
        yield assemble(
            Resources(
                settings=settings,
                store=store,
                coordinator=coordinator,
                backend=backend,
                preparer=output_preparer(fetcher, backend, shrinker, files),
                detect_type=type_detector(fetcher, read_head),
                catalogue=catalogue,
                outside=outside,
                files=files,
                wakeups=wakeups,
                signer=signer,
                metrics=metrics,
            )
        )


async def _store(settings: Settings, outside: Outside, stack: AsyncExitStack) -> Store:
    url = settings.database_url.get_secret_value()
    store = Store(url, outside, settings.database_pool_size, operator=operator_rules(settings))
    stack.push_async_callback(store.close)
    await store.open()
    return store


async def _release_leases(store: Store, coordinator: Coordinator) -> None:
    """Release the leases that a dead process left in a SQLite database, so its messages go on at once.

    Does nothing on PostgreSQL, or if another process holds the lock of the SQLite database.
    """
    if store.database.is_sqlite and await coordinator.try_acquire("leases"):
        await store.messages.release_leases()


@asynccontextmanager
async def metrics_port(app: App) -> AsyncIterator[None]:
    """Serve /metrics inside the block if METRICS_PORT is set. Raises StartupError."""
    settings = app.settings
    if settings.metrics_port is None:
        yield
        return
    page = web.Application()
    app.metrics_page.add_to(page)
    async with listening(page, settings.web_host, settings.metrics_port, setting="METRICS_PORT"):
        yield


@asynccontextmanager
async def running_workers(app: App, seconds: float) -> AsyncIterator[None]:
    """Run the workers inside the block, then give running items `seconds` to finish."""
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


@asynccontextmanager
async def watched_event_loop(app: App) -> AsyncIterator[None]:
    """Measure the event loop's lag inside the block."""
    watch = asyncio.create_task(app.metrics.watch_event_loop(), name="lag")
    try:
        yield
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)


@dataclass(frozen=True, slots=True)
class App:
    """The assembled process.

    `client` is the bot itself or, in a process without the gateway role, a client that uses only Discord's
    HTTP API. It is None in a process that only receives webhooks. `workers` maps names to the workers that
    the process's roles need: submit, check, probe, progress, show, look and prune.
    """

    settings: Settings
    store: Store
    coordinator: Coordinator
    client: discord.Client | None
    web: web.Application
    workers: Mapping[str, Worker[Any]]
    metrics_page: MetricsPage
    metrics: Metrics
    reloader: Reloader

    def request_reload(self) -> None:
        """Request a reload of the deployments file; the outcome is logged."""
        self.reloader.request_reload()
        if "look" in self.workers:
            self.workers["look"].wake()

    @property
    def bot(self) -> GenerateBot:
        """Return the bot. Raises TypeError in a process without the gateway role."""
        if not isinstance(self.client, GenerateBot):
            raise TypeError("this process has no gateway role")
        return self.client


def assemble(resources: Resources) -> App:
    """Assemble the roles of this process without starting them."""
    roles = resources.settings.roles
    reloader = make_reloader(resources)
    client = _client(resources, reloader)
    progress = ProgressBuffer()
    recorder = ReportRecorder(
        store=resources.store,
        progress=progress,
        wakeups=resources.wakeups,
        quiet_period=resources.quiet_period,
        run_timeout=resources.run_timeout,
        clock=resources.clock,
    )
    workers: dict[str, Worker[Any]] = {}
    if client is not None:
        if Role.RECONCILE in roles:
            workers |= reconcile_workers(resources, client, recorder)
        if Role.MESSENGER in roles:
            workers |= messenger_workers(make_messenger(resources, client))
    if Role.WEB in roles:
        workers["progress"] = Worker("progress", progress.claim, recorder.save_progress, PROGRESS)
    if roles & CALLING_ROLES:
        workers["look"] = Worker("look", reloader.claim, reloader.handle, DEPLOYMENTS)
    for topic in ("submit", "check", "show", "probe", "progress"):
        if topic in workers:
            resources.wakeups.on(topic, workers[topic].wake)
    gateway = client if Role.GATEWAY in roles else None
    page = _metrics_page(resources, gateway)
    webhooks = _web(resources, gateway, recorder, page)
    app = App(
        settings=resources.settings,
        store=resources.store,
        coordinator=resources.coordinator,
        client=client,
        web=webhooks,
        workers=workers,
        metrics_page=page,
        metrics=resources.metrics,
        reloader=reloader,
    )
    resources.wakeups.on("reload", app.request_reload)
    return app


def _client(resources: Resources, reloader: Reloader) -> discord.Client | None:
    roles = resources.settings.roles
    if Role.GATEWAY in roles:
        return gateway_bot(resources, reloader, make_messenger)
    return RestClient(resources.metrics.discord_trace()) if roles & CALLING_ROLES else None


def _web(
    resources: Resources, gateway: discord.Client | None, recorder: ReportRecorder, page: MetricsPage
) -> web.Application:
    app = application(resources.store_answers, gateway)
    if resources.settings.metrics_port is None:
        page.add_to(app)
    if Role.WEB in resources.settings.roles:
        add_webhooks(app, resources, recorder)
    return app


def _metrics_page(resources: Resources, gateway: discord.Client | None) -> MetricsPage:
    token = resources.settings.metrics_token
    return MetricsPage(
        resources.metrics,
        resources.store.gauges,
        resources.clock,
        gateway,
        token=token.get_secret_value() if token else None,
        own_port=resources.settings.metrics_port is not None,
        daily_gpu_seconds=resources.settings.daily_gpu_seconds,
    )
