"""The role that hears of interactions: the services behind commands and buttons, and the bot itself."""

from __future__ import annotations

import logging
import os
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web

from bot.comfydeploy.client import ComfyDeploy, open_session
from bot.comfydeploy.ping import ping_route
from bot.comfydeploy.webhook_urls import WebhookSigner
from bot.comfydeploy.wire import call_name
from bot.config.settings import Settings, load_deployment_configs
from bot.database.coordination import Coordinator
from bot.delivery.courier import Courier
from bot.delivery.download import MediaFetcher
from bot.delivery.notices import NoticePlanner
from bot.delivery.posting import Poster
from bot.delivery.routes import Router
from bot.delivery.status import StatusUpdater
from bot.delivery.uploads import AttachmentRenewer, OutputPreparer
from bot.deployments.catalogue import Catalogue, Reloader
from bot.deployments.input_text import ShownInputs, displayed_inputs
from bot.domain.backend import Backend
from bot.domain.errors import StoreUnavailable
from bot.domain.policy import OperatorRules
from bot.domain.runs import Delivery, Output, Run
from bot.gateway.client import GenerateBot, ShardedBot
from bot.gateway.sync import Availability, CommandSync
from bot.metrics import Metrics
from bot.services import Services
from bot.services.blocks import PeopleDesk, PeopleStores
from bot.services.editing import EditingService, FormDrafts
from bot.services.generation import GenerationService, Intake
from bot.services.presets import PresetService
from bot.services.reviews import ReviewService
from bot.services.server_settings import ServerSettingsService
from bot.services.word_filter import AutomodCache, WordFilter
from bot.services.word_rules import WordRules
from bot.store import Store
from bot.store.privacy import ExpiredRows, RetentionStore
from bot.ui.components import OutgoingMessage, PreparedOutputs
from bot.ui.follow_ups import follow_ups_for
from bot.ui.results import Batch, outcome_messages, run_outcome_messages
from bot.workers.events import EventRecorder
from bot.workers.reconciler import Reconciler
from bot.workers.submission import Submitter
from bot.workers.webhook import WebhookServer
from bot.workers.worker import Wakeups, Worker


def gateway_bot(base: Resources, reloader: Reloader) -> GenerateBot:
    """Not yet logged in. Its commands follow the deployments."""

    async def automod_rules(guild_id: int) -> WordRules:
        return await bot.automod_rules(guild_id)

    words = WordFilter(AutomodCache(automod_rules, base.clock), base.store, base.clock)
    desk = _desk(base, words)
    desks = Services(
        desk=desk,
        reviews=ReviewService(base.store, base.catalogue, base.wakeups, base.clock),
        rules_desk=ServerSettingsService(base.store.rules, base.catalogue, base.clock, words.cache),
        words=words,
        people_desk=_people(base),
        edits=EditingService(base.store, desk, FormDrafts()),
        presets=PresetService(desk, base.store, base.clock),
        reloader=reloader,
    )
    bot = _bot(base, desks)
    reloader.on_change(bot.show_deployments)
    return bot


def _bot(base: Resources, desks: Services) -> GenerateBot:
    sync = CommandSync(base.store.notes, base.settings.command_guild_ids)
    shards = base.settings.shards
    more: dict[str, Any] = {
        "reach": Availability(
            direct_messages=base.settings.allow_direct_messages,
            user_installs=base.settings.allow_user_installs,
        ),
        "http_trace": base.metrics.discord_trace(),
    }
    if shards is None:
        return GenerateBot(desks, sync, **more)
    return ShardedBot(desks, sync, shards, base.store.notes, base.clock, **more)


def _desk(base: Resources, words: WordFilter) -> GenerationService:
    return GenerationService(
        catalogue=base.catalogue,
        intake=Intake(base.store, base.wakeups, base.operator_rules, base.clock),
        store=base.store,
        wakeups=base.wakeups,
        check_words=words.check,
        metrics=base.metrics,
        clock=base.clock,
        deadline_seconds=base.settings.run_deadline_seconds,
    )


def _people(base: Resources) -> PeopleDesk:
    store, catalogue = base.store, base.catalogue
    stores = PeopleStores(
        audit=store.audit,
        blocks=store.blocks,
        pause=store.pause,
        privacy=store.privacy,
        intake=store.intake,
        running=store.running,
    )
    return PeopleDesk(
        stores,
        rules=store.rules.get,
        deployments=lambda: [deployment.name for deployment in catalogue.all()],
        wakeups=base.wakeups,
        clock=base.clock,
    )


# With webhooks, a run is asked about only after it has been quiet for this many polling intervals.
_QUIET_INTERVALS = 4


@dataclass(frozen=True, slots=True)
class Resources:
    """Opened by `bot.app`, used by every role."""

    settings: Settings
    store: Store
    coordinator: Coordinator
    backend: Backend
    fetcher: MediaFetcher
    catalogue: Catalogue
    clock: Callable[[], datetime]
    wakeups: Wakeups
    signer: WebhookSigner
    metrics: Metrics

    @property
    def interval(self) -> timedelta:
        return timedelta(seconds=self.settings.poll_interval_seconds)

    @property
    def quiet_period(self) -> timedelta:
        """Return how long a run may be quiet before it is asked about."""
        return self.interval * _QUIET_INTERVALS if self.settings.public_url else self.interval

    @property
    def grace(self) -> timedelta:
        return timedelta(seconds=self.settings.submit_grace_seconds)

    @property
    def operator_rules(self) -> OperatorRules:
        allowed = self.settings.allowed_guild_ids
        return OperatorRules(
            allowed_guild_ids=frozenset(allowed) if allowed is not None else None,
            allow_direct_messages=self.settings.allow_direct_messages,
            allow_user_installs=self.settings.allow_user_installs,
            daily_gpu_seconds=self.settings.daily_gpu_seconds,
        )

    def limit(self, name: str) -> int | None:
        """How many runs of a deployment may be in flight: the lowest of what is known."""
        found = self.catalogue.get(name)
        limits = [self.settings.max_concurrent_runs, found.concurrency_limit if found else None]
        return min((limit for limit in limits if limit), default=None)

    async def store_answers(self) -> bool:
        try:
            await self.store.work.in_flight()
        except StoreUnavailable:
            return False
        return True


async def make_signer(settings: Settings, store: Store) -> WebhookSigner:
    """Sign by WEBHOOK_SECRET, or else by a secret in the store, which all of its processes share."""
    secret = settings.webhook_secret
    return WebhookSigner(
        secret.get_secret_value() if secret else await store.notes.secret("webhook_secret"),
        settings.public_url,
    )


@asynccontextmanager
async def open_backend(settings: Settings, signer: WebhookSigner, metrics: Metrics) -> AsyncIterator[Backend]:
    """Open the backend's HTTP session for the block."""
    async with open_session(metrics.comfydeploy_trace(call_name)) as session:
        yield ComfyDeploy(session, settings.comfydeploy_api_url, settings.comfydeploy_api_key, signer)


def add_webhooks(app: web.Application, base: Resources, recorder: EventRecorder) -> None:
    """Serve the backend's webhooks, and the ping of `python -m bot check` beneath the same path."""
    WebhookServer(base.backend, recorder, base.metrics).add_to(app)
    app.router.add_routes([ping_route(base.signer)])


def courier_workers(base: Resources, poster: Poster) -> dict[str, Worker[Any]]:
    """`show` and `deliver`, which keep out of each other's way over one run's status message."""
    status = StatusUpdater(
        store=base.store,
        coordinator=base.coordinator,
        poster=poster,
        title=base.catalogue.title,
        clock=base.clock,
    )
    courier = _courier(base, poster, status)
    return {
        "show": Worker("show", status.claim, status.show, pause=1, width=8),
        "deliver": Worker("deliver", courier.claim, courier.deliver, pause=1, width=8),
    }


def _courier(base: Resources, poster: Poster, status: StatusUpdater) -> Courier:
    packer = OutputPreparer(base.fetcher, _link_renewer(base.backend))

    def render(delivery: Delivery, prepared: Mapping[str, PreparedOutputs]) -> list[OutgoingMessage]:
        run = delivery.run
        title = base.catalogue.title(run.deployment)
        if delivery.batch:
            return outcome_messages(Batch(delivery.batch, prepared, delivery.late), title)
        onward = follow_ups_for(run, base.catalogue.all())
        return run_outcome_messages(run, title, prepared.get(run.key, PreparedOutputs()), onward)

    def inputs(run: Run) -> ShownInputs:
        return displayed_inputs(base.catalogue.get(run.deployment), run.inputs)

    owner = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
    return Courier(
        store=base.store,
        poster=poster,
        ladder=Router(
            deliveries=base.store.deliveries,
            poster=poster,
            packer=packer,
            render=render,
            owner=owner,
            clock=base.clock,
        ),
        status=status,
        metrics=base.metrics,
        errands=NoticePlanner(
            store=base.store,
            poster=poster,
            packer=packer,
            title=base.catalogue.title,
            inputs=inputs,
            clock=base.clock,
        ),
        owner=owner,
        clock=base.clock,
    )


def _link_renewer(backend: Backend) -> Callable[[Run], Any]:
    async def renew(run: Run) -> tuple[Output, ...]:
        return (await backend.get_run(run.run_id)).outputs if run.run_id else run.outputs

    return renew


def reconcile_workers(base: Resources, poster: Poster, recorder: EventRecorder) -> dict[str, Worker[Any]]:
    """`submit`, `check` and `prune`."""
    submission = _submission(base, poster)
    reconciler = _reconciler(base, recorder)
    pruner = Pruner(base.store.retention, base.clock)
    return {
        "submit": Worker("submit", submission.claim, submission.submit, pause=2, width=32),
        "check": Worker("check", reconciler.claim, reconciler.check, pause=2, width=4),
        "prune": Worker("prune", pruner.claim, pruner.handle, pause=3600),
    }


def _submission(base: Resources, poster: Poster) -> Submitter:
    renewer = AttachmentRenewer(base.catalogue, base.store.reviews, poster)
    return Submitter(
        store=base.store,
        backend=base.backend,
        wakeups=base.wakeups,
        limit=base.limit,
        renew=renewer.inputs,
        first_check=base.quiet_period,
        grace=base.grace,
        user_installs=base.settings.allow_user_installs,
        clock=base.clock,
    )


def _reconciler(base: Resources, recorder: EventRecorder) -> Reconciler:
    return Reconciler(
        store=base.store,
        backend=base.backend,
        recorder=recorder,
        wakeups=base.wakeups,
        metrics=base.metrics,
        pause=base.interval,
        grace=base.grace,
        clock=base.clock,
    )


def reloader_of(base: Resources) -> Reloader:
    return Reloader(
        base.catalogue,
        read=lambda: load_deployment_configs(base.settings),
        notify=base.wakeups.reload,
        every=timedelta(seconds=base.settings.deployments_refresh_seconds),
        clock=base.clock,
    )


log = logging.getLogger(__name__)
# Small, because on SQLite everybody who writes waits meanwhile.
_MANY = 200


class Pruner:
    """`claim` and `handle` for a Worker whose pause is an hour."""

    def __init__(self, store: RetentionStore, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock

    async def claim(self) -> ExpiredRows | None:
        return await self._store.outdated(self._clock(), _MANY)

    async def handle(self, outdated: ExpiredRows) -> None:
        removed = await self._store.remove(outdated)
        log.info(
            "removed %s requests and lines of the record that were older than servers keep them", removed
        )
