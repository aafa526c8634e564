"""The parts of all the roles that this process has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import discord
from aiohttp import web

from bot.client import GenerateBot
from bot.config.roles import CALLING, Role
from bot.config.settings import Settings
from bot.database.coordination import Line
from bot.delivery.posting import Poster, Speaker
from bot.deployments.catalogue import Reloader
from bot.store import Store
from bot.web import MetricsPage, application
from bot.wiring.courier import courier_workers
from bot.wiring.foundations import Foundations
from bot.wiring.gateway import gateway_bot
from bot.wiring.reconcile import reconcile_workers
from bot.wiring.reloading import reloader_of
from bot.workers.events import ProgressBuffer, Recorder
from bot.workers.webhook import WebhookServer
from bot.workers.worker import Worker


@dataclass(frozen=True, slots=True)
class App:
    """Everything that runs side by side.

    `client` is the way to Discord: the bot itself, without the gateway role one that only speaks, and None
    for a process that only takes webhooks. `workers` by name: submit, check, progress, show, deliver, look,
    prune.
    """

    settings: Settings
    store: Store
    line: Line
    client: discord.Client | None
    web: web.Application
    workers: Mapping[str, Worker[Any]]
    metrics: MetricsPage
    reloader: Reloader

    def read_again(self) -> None:
        """The deployments' file, soon; told to the log."""
        self.reloader.ask()
        if "look" in self.workers:
            self.workers["look"].nudge()

    @property
    def bot(self) -> GenerateBot:
        """Only in a process with the gateway role."""
        if not isinstance(self.client, GenerateBot):
            raise TypeError("this process has no gateway role")
        return self.client


def assemble(base: Foundations) -> App:
    """Puts the parts together; nothing runs yet."""
    roles = base.settings.roles
    reloader = reloader_of(base)
    client = _client(base, reloader)
    progress = ProgressBuffer(base.store, base.nudges, base.clock)
    recorder = Recorder(base.store, progress, base.nudges, base.silence, base.clock)
    workers: dict[str, Worker[Any]] = {}
    if client is not None:
        poster = Poster(client)
        if Role.RECONCILE in roles:
            workers |= reconcile_workers(base, poster, recorder)
        if Role.COURIER in roles:
            workers |= courier_workers(base, poster)
    if Role.WEB in roles:
        workers["progress"] = Worker("progress", progress.claim, progress.write, pause=1, rest=1)
    if roles & CALLING:
        workers["look"] = Worker("look", reloader.claim, reloader.handle, pause=15)
    for topic in ("submit", "check", "show", "deliver"):
        if topic in workers:
            base.nudges.on(topic, workers[topic].nudge)
    page = _metrics_page(base, client)
    served = _web(base, client, recorder, page)
    app = App(base.settings, base.store, base.line, client, served, workers, page, reloader)
    base.nudges.on("reload", app.read_again)
    return app


def _client(base: Foundations, reloader: Reloader) -> discord.Client | None:
    roles = base.settings.roles
    if Role.GATEWAY in roles:
        return gateway_bot(base, reloader)
    return Speaker(base.metrics.discord_trace()) if roles & CALLING else None


def _web(
    base: Foundations, client: discord.Client | None, recorder: Recorder, page: MetricsPage
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


def _metrics_page(base: Foundations, client: discord.Client | None) -> MetricsPage:
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
