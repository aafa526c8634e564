"""The composition root: production, tests and the demo all build the bot here, top to bottom."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from bot.client import GenerateBot
from bot.comfy.client import ComfyClient, open_session
from bot.delivery import Courier
from bot.deployments.catalogue import Catalogue
from bot.deployments.config import load_deployments_file, single_deployment
from bot.deployments.schema import DeploymentConfig
from bot.desk import FrontDesk
from bot.errors import StartupError, StoreUnavailable
from bot.media import MediaFetcher, is_public, is_public_or_private
from bot.nudges import Nudges
from bot.packing import Packer
from bot.policy import OperatorRules
from bot.posting import Poster
from bot.progress import ProgressBuffer
from bot.reconcile import Reconciler
from bot.recorder import Recorder
from bot.runs import Output, Run
from bot.settings import Settings
from bot.signing import WebhookSigner
from bot.status import StatusKeeper
from bot.store import Store
from bot.submission import Submission
from bot.sync import CommandSync
from bot.webhook import WebhookServer
from bot.worker import Worker

log = logging.getLogger(__name__)

# With webhooks, a run is asked about only after it has been quiet for this many polling intervals.
_PATIENCE = 4


@dataclass(frozen=True, slots=True)
class App:
    """Everything that runs side by side. `workers` by name: submit, check, progress, show, deliver."""

    settings: Settings
    store: Store
    bot: GenerateBot
    web: web.Application
    workers: Mapping[str, Worker[Any]]


def utc_now() -> datetime:
    return datetime.now(UTC)


def _configs(settings: Settings) -> tuple[DeploymentConfig, ...]:
    if settings.deployments_file is not None:
        return load_deployments_file(settings.deployments_file)
    if settings.comfydeploy_deployment_id is None:
        raise StartupError("Set COMFYDEPLOY_DEPLOYMENT_ID, or describe deployments in deployments.toml.")
    return (single_deployment(str(settings.comfydeploy_deployment_id)),)


@asynccontextmanager
async def build(settings: Settings, clock: Callable[[], datetime] = utc_now) -> AsyncIterator[App]:
    """Opens what the bot stands on and puts its parts together; nothing runs yet. Raises StartupError."""
    async with AsyncExitStack() as stack:
        configs = _configs(settings)
        store = Store(settings.database_url.get_secret_value())
        stack.push_async_callback(store.close)
        await store.open()
        comfy = ComfyClient(
            await stack.enter_async_context(open_session()),
            settings.comfydeploy_api_url,
            settings.comfydeploy_api_key,
        )
        allows = is_public_or_private if settings.allow_private_media_hosts else is_public
        fetcher = await stack.enter_async_context(MediaFetcher(allows=allows))
        catalogue = Catalogue(configs, comfy, store.notes)
        await catalogue.load()
        yield await _assemble(
            settings, store=store, comfy=comfy, fetcher=fetcher, catalogue=catalogue, clock=clock
        )


async def _assemble(
    settings: Settings,
    *,
    store: Store,
    comfy: ComfyClient,
    fetcher: MediaFetcher,
    catalogue: Catalogue,
    clock: Callable[[], datetime],
) -> App:
    secret = settings.webhook_secret
    signer = WebhookSigner(
        secret.get_secret_value() if secret else await store.notes.secret("webhook_secret"),
        settings.public_url,
    )
    nudges = Nudges()
    interval = timedelta(seconds=settings.poll_interval_seconds)
    grace = timedelta(seconds=settings.submit_grace_seconds)
    silence = interval * _PATIENCE if settings.public_url else interval
    progress = ProgressBuffer(store, nudges, clock)
    recorder = Recorder(store, progress, nudges, silence, clock)
    submission = Submission(
        store=store,
        comfy=comfy,
        signer=signer,
        nudges=nudges,
        rules=_rules(settings),
        limit=lambda name: _limit(settings, catalogue, name),
        first_check=silence,
        grace=grace,
        clock=clock,
    )
    desk = FrontDesk(
        catalogue=catalogue,
        submission=submission,
        store=store,
        nudges=nudges,
        clock=clock,
        deadline_seconds=settings.run_deadline_seconds,
    )
    bot = GenerateBot(
        desk,
        CommandSync(store.notes, settings.command_guild_ids),
        direct_messages=settings.allow_direct_messages,
    )
    poster = Poster(bot)
    status = StatusKeeper(store, poster, desk.title, clock)
    courier = Courier(
        store=store,
        poster=poster,
        packer=Packer(fetcher, _renewer(comfy)),
        status=status,
        title=desk.title,
        owner=f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}",
        clock=clock,
    )
    reconciler = Reconciler(
        store=store,
        comfy=comfy,
        recorder=recorder,
        nudges=nudges,
        pause=interval,
        grace=grace,
        clock=clock,
    )
    workers: dict[str, Worker[Any]] = {
        "submit": Worker("submit", submission.claim, submission.submit, pause=2, width=32),
        "check": Worker("check", reconciler.claim, reconciler.check, pause=2, width=4),
        "progress": Worker("progress", progress.claim, progress.write, pause=1),
        "show": Worker("show", status.claim, status.show, pause=1, width=8),
        "deliver": Worker("deliver", courier.claim, courier.deliver, pause=1, width=8),
    }
    for topic in ("submit", "check", "show", "deliver"):
        nudges.on(topic, workers[topic].nudge)

    async def ready() -> bool:
        return bot.is_ready() and await _answers(store)

    return App(settings, store, bot, WebhookServer(signer, recorder, ready).application(), workers)


def _rules(settings: Settings) -> OperatorRules:
    allowed = settings.allowed_guild_ids
    return OperatorRules(
        allowed_guild_ids=frozenset(allowed) if allowed is not None else None,
        allow_direct_messages=settings.allow_direct_messages,
        daily_gpu_seconds=settings.daily_gpu_seconds,
    )


def _limit(settings: Settings, catalogue: Catalogue, name: str) -> int | None:
    """How many runs of a deployment may be in flight: the lowest of what is known."""
    found = catalogue.get(name)
    limits = [settings.max_concurrent_runs, found.concurrency_limit if found else None]
    return min((limit for limit in limits if limit), default=None)


def _renewer(comfy: ComfyClient) -> Callable[[Run], Any]:
    async def renew(run: Run) -> tuple[Output, ...]:
        return (await comfy.run(run.run_id)).outputs if run.run_id else run.outputs

    return renew


async def _answers(store: Store) -> bool:
    try:
        await store.work.in_flight()
    except StoreUnavailable:
        return False
    return True


async def start_web(app: App, host: str, port: int) -> tuple[web.AppRunner, int]:
    """Serves webhooks and health; returns the port really used. Raises StartupError."""
    runner = web.AppRunner(app.web, access_log=None, shutdown_timeout=2)
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    try:
        await site.start()
    except OSError as error:
        await runner.cleanup()
        raise StartupError(
            f"Port {port} on {host} can't be used ({error.strerror}). "
            "Stop what uses it, or set WEB_PORT to another."
        ) from error
    return runner, runner.addresses[0][1]


@asynccontextmanager
async def working(app: App, seconds: float = 6) -> AsyncIterator[None]:
    """The workers run inside the block; at its end running items get `seconds` to finish."""
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
