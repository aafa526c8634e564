"""The composition root, where production, tests and the demo build the bot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import aiohttp
import discord
from aiohttp import web

from bot.breakers import BackendBreakers
from bot.comfydeploy.client import ComfyDeploy, open_session
from bot.comfydeploy.wire import WebhookSigner
from bot.config.fields import CALLING_ROLES, Role
from bot.config.settings import Settings, configured
from bot.context import App, FormDrafts, Wakeups
from bot.database.coordination import Coordinator
from bot.database.errors import database_errors
from bot.database.schema import explained, make_file
from bot.delivery.messenger import WIDTH, Messenger
from bot.deployments.catalogue import Catalogue
from bot.deployments.schema import DeploymentSettings
from bot.discord_api.calls import DiscordCalls
from bot.domain.errors import StartupError
from bot.domain.picture_check import Flagged
from bot.domain.policy import OperatorRules
from bot.effects import Effects
from bot.gateway.client import GenerateBot, RestClient, ShardedBot, read_automod
from bot.media.download import MediaFetcher
from bot.media.outputs import OutputPreparer
from bot.media.picture_check import PictureChecker
from bot.media.ssrf import public_or_in
from bot.metrics import Metrics
from bot.ops.backups import DailyBackup
from bot.ops.releases import ReleaseCheck
from bot.services.reloading import Reloader
from bot.store import Store
from bot.store.erasure import ExpiredRows
from bot.web import MetricsPage, application, listening
from bot.word_filter.cache import AutomodCache
from bot.worker import Worker
from bot.workers.notices import Notices
from bot.workers.run_updates import Reconciler, UpdateRecorder, add_webhooks
from bot.workers.submission import Submitter

# A clean shutdown takes up to this long, and a supervisor may start the next process before the old one ends.
_LOCK_SECONDS = 10.0


@asynccontextmanager
async def build(settings: Settings, effects: Effects) -> AsyncIterator[Process]:
    """Open all resources for the block, and yield the assembled process, which is not started yet.

    Raises StartupError, also if another process keeps a shard's lock for `_LOCK_SECONDS`, or
    StoreUnavailable if the database doesn't respond.
    """
    async with AsyncExitStack() as stack:
        calling = bool(settings.roles & CALLING_ROLES)
        configs = tuple(configured(settings).deployments.values()) if calling else ()
        url = settings.database_url.get_secret_value()
        store = Store(url, effects, settings.database_pool_size, operator=_operator_rules(settings))
        stack.push_async_callback(store.close)
        coordinator = store.database.coordinator()
        wakeups = Wakeups(coordinator.notify)
        stack.push_async_callback(coordinator.close)
        # First, so that a second start is told as such, changes nothing, and needs no free port.
        with explained(store.database), database_errors():
            make_file(store.database)
            await coordinator.open(wakeups.receive)
            for shard in settings.shards if Role.GATEWAY in settings.roles else ():
                if not await coordinator.acquire(f"shard {shard}", _LOCK_SECONDS):
                    raise lock_held(f"shard {shard}", is_sqlite=store.database.is_sqlite)
        await store.open()
        # A dead process may have left leases in a SQLite database, which belongs to this process alone.
        if store.database.is_sqlite:
            await store.messages.release_leases()
        app = await _open(stack, settings, effects, configs, store, wakeups)
        if calling:
            await app.catalogue.load()
        yield _assemble(app, coordinator)


def lock_held(name: str, *, is_sqlite: bool = False) -> StartupError:
    if is_sqlite:
        return StartupError("The bot, or a command, is already running on this database. Stop it first.")
    remedy = "Stop that process, or give each its own shards with SHARD_COUNT and SHARD_IDS."
    return StartupError(f"The bot is already running on this database, with {name}. {remedy}")


def _operator_rules(settings: Settings) -> OperatorRules:
    allowed = settings.allowed_guild_ids
    return OperatorRules(
        allowed_guild_ids=frozenset(allowed) if allowed is not None else None,
        allow_direct_messages=settings.allow_direct_messages,
        allow_user_installs=settings.allow_user_installs,
        daily_gpu_seconds=settings.daily_gpu_seconds,
        max_waiting_per_server=settings.max_waiting_per_server,
        flagged=Flagged(settings.picture_check),
        holds_unknown=settings.picture_check_fails == "hold",
    )


async def _open(
    stack: AsyncExitStack,
    settings: Settings,
    effects: Effects,
    configs: Sequence[DeploymentSettings],
    store: Store,
    wakeups: Wakeups,
) -> App:
    metrics, secret = Metrics(effects.monotonic), settings.webhook_secret
    signer = WebhookSigner(
        secret.get_secret_value() if secret else await store.key_values.secret("webhook_secret"),
        settings.public_url,
    )
    session = await stack.enter_async_context(open_session())
    url, key = settings.comfydeploy_api_url, settings.comfydeploy_api_key
    backend = ComfyDeploy(session, url, key, signer, metrics.comfydeploy_called)
    catalogue = Catalogue(configs, backend, store.key_values.get, store.key_values.put)
    allows = public_or_in(settings.allow_private_media_networks)
    fetcher = await stack.enter_async_context(MediaFetcher(allows=allows))
    files = effects.executor("files", 4)
    stack.callback(files.shutdown, wait=False, cancel_futures=True)
    pictures = None
    if settings.picture_check_url is not None and settings.roles & CALLING_ROLES:
        labels = configured(settings).picture_check.labels
        pictures = PictureChecker(settings, labels, effects, files, metrics)
        stack.push_async_callback(pictures.close)
    client = _client(settings, metrics.discord_trace())
    app = App(
        settings=settings,
        store=store,
        backend=backend,
        catalogue=catalogue,
        discord=DiscordCalls(client),
        fetcher=fetcher,
        outputs=OutputPreparer(fetcher, backend, effects.executor("pictures", 1)),
        pictures=pictures,
        words=AutomodCache(partial(read_automod, client), effects),
        drafts=FormDrafts(effects.random),
        effects=effects,
        files=files,
        wakeups=wakeups,
        metrics=metrics,
    )
    if isinstance(client, GenerateBot):
        client.use(app)
    return app


def _client(settings: Settings, trace: aiohttp.TraceConfig) -> discord.Client:
    if Role.GATEWAY not in settings.roles:
        return RestClient(trace)
    if settings.shard_count is None:
        return GenerateBot(http_trace=trace)
    # discord.py's type stub gives AutoShardedBot an `__init__` that it doesn't have.
    sharded: Callable[..., ShardedBot] = ShardedBot
    return sharded(shard_count=settings.shard_count, shard_ids=[*settings.shards], http_trace=trace)


@dataclass(frozen=True, slots=True)
class Process:
    """The assembled process, with the workers that its roles need: submit, check, probe, progress, show,
    look, prune, and by their settings backup and release. Without the gateway role, `client` uses only
    Discord's HTTP API.
    """

    app: App
    coordinator: Coordinator
    reloader: Reloader
    web: web.Application
    workers: Mapping[str, Worker[Any]]
    metrics_page: MetricsPage

    def request_reload(self) -> None:
        self.reloader.requested = True
        self.app.wakeups.receive(["look"])

    @property
    def client(self) -> discord.Client:
        return self.app.discord.client

    @property
    def bot(self) -> GenerateBot:
        """Return the bot. Raises TypeError in a process without the gateway role."""
        if not isinstance(self.client, GenerateBot):
            raise TypeError("this process has no gateway role")
        return self.client


def _assemble(app: App, coordinator: Coordinator) -> Process:
    recorder, client = UpdateRecorder(app), app.discord.client
    gateway = client if isinstance(client, GenerateBot) else None
    reloader = gateway.reloader if gateway is not None else Reloader(app)
    page = MetricsPage(app, gateway)
    server = application(app.store, gateway)
    if app.settings.metrics_port is None:
        page.add_to(server)
    if Role.WEB in app.settings.roles:
        add_webhooks(server, app, recorder)
    workers = _workers(app, recorder, reloader)
    for topic, worker in workers.items():
        app.wakeups.on(topic, worker.wake)
    process = Process(app, coordinator, reloader, server, workers, page)
    app.wakeups.on("reload", process.request_reload)
    app.wakeups.on("rules", app.store.rules.known.clear)
    return process


def _workers(app: App, recorder: UpdateRecorder, reloader: Reloader) -> dict[str, Worker[Any]]:
    roles, workers = app.settings.roles, dict[str, Worker[Any]]()
    if Role.RECONCILE in roles:
        breakers, retention = BackendBreakers(app), app.store.retention

        async def expired(_room: int) -> Sequence[ExpiredRows]:
            now = app.now()
            ended = await app.store.claims.expire_waiting(now)
            if await app.store.reviews.expire_pictures(now) or ended:
                app.wakeups.wake("show")
            found = await retention.claim(now)
            return [found] if found is not None else []

        submitter = Submitter(app, breakers, recorder)
        reconciler = Reconciler(app, breakers, recorder)
        workers["submit"] = Worker("submit", submitter.claim, submitter.submit, width=32)
        workers["check"] = Worker("check", reconciler.claim, reconciler.check, width=10)
        workers["probe"] = Worker("probe", breakers.claim, breakers.probe)
        if app.settings.backup_dir is not None:
            daily = DailyBackup(app, app.settings.backup_dir)
            workers["backup"] = Worker("backup", daily.claim, daily.handle, longest=600)
        if app.settings.releases_url is not None:
            release = ReleaseCheck(app, app.settings.releases_url)
            workers["release"] = Worker("release", release.claim, release.handle, longest=600)
        # Nothing announces that data has expired.
        workers["prune"] = Worker("prune", expired, retention.handle, longest=3600)
    if Role.MESSENGER in roles:
        messenger = Messenger(app)
        workers["show"] = Worker(
            "show",
            messenger.claim,
            messenger.handle,
            width=WIDTH,
            claims_again=True,
            close=messenger.close,
        )
    if Role.WEB in roles:
        # A status message is edited every three seconds at most.
        workers["progress"] = Worker("progress", recorder.claim_progress, recorder.save_progress, rest=1)
    if roles & CALLING_ROLES:
        notices = Notices(app)
        workers["notice"] = Worker("notice", notices.claim, notices.handle, longest=120)
        # Checks whether DEPLOYMENTS_REFRESH_SECONDS have passed; the files are read only then.
        workers["look"] = Worker("look", reloader.claim, reloader.handle, longest=15)
    return workers


@asynccontextmanager
async def metrics_port(process: Process) -> AsyncIterator[None]:
    """Serve /metrics inside the block if METRICS_PORT is set. Raises StartupError."""
    settings = process.app.settings
    if settings.metrics_port is None:
        yield
        return
    page = web.Application()
    process.metrics_page.add_to(page)
    async with listening(page, settings.web_host, settings.metrics_port, setting="METRICS_PORT"):
        yield


@asynccontextmanager
async def running_workers(process: Process, seconds: float) -> AsyncIterator[None]:
    """Run the workers and measure the event loop's lag; at the end, items have `seconds` to finish."""
    workers = process.workers
    loops = [asyncio.create_task(worker.run(), name=name) for name, worker in workers.items()]
    loops.append(asyncio.create_task(process.app.metrics.watch_event_loop(), name="lag"))
    try:
        yield
    finally:
        await asyncio.gather(*(worker.stop(seconds) for worker in workers.values()))
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)
