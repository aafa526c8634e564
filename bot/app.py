"""The composition root: production, tests and the demo all build the bot here, top to bottom."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime

from aiohttp import web

from bot.comfydeploy.client import ComfyClient, open_session
from bot.config.roles import ALL_ROLES, CALLING
from bot.config.settings import Settings, configs_of
from bot.delivery.download import MediaFetcher
from bot.delivery.ssrf import is_public, is_public_or_private
from bot.deployments.catalogue import Catalogue
from bot.deployments.options import PRESET_OPTION
from bot.metrics import Metrics
from bot.store import Store
from bot.web import listening, start_server
from bot.wiring.assembly import App, assemble
from bot.wiring.foundations import Foundations, signer_of
from bot.workers.worker import Nudges


def utc_now() -> datetime:
    return datetime.now(UTC)


@asynccontextmanager
async def build(settings: Settings, clock: Callable[[], datetime] = utc_now) -> AsyncIterator[App]:
    """Opens what the bot stands on and puts its parts together; nothing runs yet. Raises StartupError."""
    async with AsyncExitStack() as stack:
        calling = bool(settings.roles & CALLING)
        configs = configs_of(settings) if calling else ()
        store = await _store(settings, stack)
        line = store.line()
        nudges = Nudges(line.announce)
        stack.push_async_callback(line.close)
        await line.open(nudges.heard)
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
        signer = await signer_of(settings, store)
        yield assemble(
            Foundations(settings, store, line, comfy, fetcher, catalogue, clock, nudges, signer, metrics)
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
