"""Create the objects that each role needs, and connect them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import discord
from aiohttp import web

from bot.comfydeploy.client import ComfyDeploy, open_session
from bot.comfydeploy.ping import ping_route
from bot.comfydeploy.webhook_urls import WebhookSigner
from bot.comfydeploy.wire import call_name
from bot.config.settings import Settings, load_deployment_configs
from bot.database.coordination import Coordinator
from bot.delivery.attachment_renewal import AttachmentRenewer
from bot.delivery.discord_calls import DiscordCalls
from bot.delivery.media.download import MediaFetcher
from bot.delivery.media.file_types import sniff
from bot.delivery.media.outputs import OutputPreparer
from bot.delivery.media.shrink import Shrinker
from bot.delivery.messenger import Messenger
from bot.delivery.reopening import show_again
from bot.deployments.catalogue import Catalogue
from bot.deployments.reloading import Reloader
from bot.deployments.schema import DeploymentConfig
from bot.deployments.still_offered import offer_of
from bot.domain.access import OperatorRules
from bot.domain.backend import Backend
from bot.domain.errors import StoreUnavailable
from bot.domain.messages.records import MessageRef
from bot.domain.queue.fair_queue import lower_limit
from bot.domain.requests import Origin
from bot.domain.results.sharing import CopyRequest, MessageState
from bot.domain.run_timing import quiet_period
from bot.domain.runs import Output, Run
from bot.domain.text.run_log import end_of_log
from bot.gateway.channels import channel_state
from bot.gateway.client import GenerateBot
from bot.gateway.message_files import message_state
from bot.gateway.sharding import ShardedBot
from bot.gateway.sync import Availability, CommandSync
from bot.metrics import Metrics
from bot.outside import Outside
from bot.services import Services, ShowPrivate
from bot.services.age_marks import AgeMarks
from bot.services.drafts import DraftService
from bot.services.generation import GenerationService
from bot.services.help import HelpService
from bot.services.input_files import DetectType, InputFiles
from bot.services.moderation.audit import AuditService
from bot.services.moderation.blocks import BlockService
from bot.services.moderation.deletions import DeletionService
from bot.services.moderation.reviews import ReviewService
from bot.services.moderation.server_settings import ServerSettingsService
from bot.services.presets.service import PresetService
from bot.services.privacy import PrivacyService
from bot.services.rate_limits import Allowance, Openings
from bot.services.runs import RunService
from bot.services.sharing import FetchState, SendCopy, SharingService
from bot.services.words.filter import AutomodCache, WordFilter
from bot.services.words.rules import WordRules
from bot.store import Store
from bot.ui.message_parts import OutgoingMessage, PreparedOutputs
from bot.ui.private_results import opened_messages
from bot.ui.result_buttons import offered_actions
from bot.ui.results import Batch, outcome_messages
from bot.workers.backend_health import BackendHealth
from bot.workers.reconciler import Reconciler
from bot.workers.reports import ReportRecorder
from bot.workers.schedule import CHECK, PROBE, PRUNE, SUBMIT
from bot.workers.submission import Submitter
from bot.workers.webhook import WebhookServer, read_body
from bot.workers.worker import Wakeups, Worker


def gateway_bot(
    resources: Resources,
    reloader: Reloader,
    make_messenger: Callable[[Resources, discord.Client], Messenger],
) -> GenerateBot:
    """Build the bot without logging in. Its commands are updated when the deployments change."""

    async def automod_rules(guild_id: int) -> WordRules:
        return await bot.automod_rules(guild_id)

    async def show_private(batch: Sequence[Run], origin: Origin, *, to_moderator: bool) -> None:
        title, deployments = resources.catalogue.title(batch[0].deployment), resources.catalogue.all()

        def render(prepared: Mapping[str, PreparedOutputs]) -> Sequence[OutgoingMessage]:
            if to_moderator:
                return [each for run in batch for each in opened_messages(run, title, prepared)]
            return outcome_messages(Batch(batch, prepared), title, offered_actions(batch[0], deployments))

        await show_again(DiscordCalls(bot), resources.preparer, batch, origin, render)

    store, clock = resources.store, resources.clock
    word_filter = WordFilter(AutomodCache(automod_rules, resources.outside), store, clock)

    async def fetch_state(message: MessageRef) -> MessageState:
        return await message_state(bot, message)

    async def send_copy(copy: CopyRequest) -> str:
        return await messenger.copy(copy)

    bot = _bot(resources, _services(resources, word_filter, reloader, show_private, fetch_state, send_copy))
    messenger = make_messenger(resources, bot)
    reloader.on_change(bot.show_deployments)
    return bot


def _services(
    resources: Resources,
    word_filter: WordFilter,
    reloader: Reloader,
    show_private: ShowPrivate,
    fetch_state: FetchState,
    send_copy: SendCopy,
) -> Services:
    store, catalogue = resources.store, resources.catalogue
    wakeups, clock, random = resources.wakeups, resources.clock, resources.outside.random
    operator = operator_rules(resources.settings)
    age_marks = AgeMarks(store.runs, catalogue.age_marks)
    runs = RunService(store, age_marks, operator, wakeups, clock)
    generation = GenerationService(
        age_marks=age_marks,
        store=store,
        wakeups=wakeups,
        check_words=word_filter.check,
        files=InputFiles(resources.detect_type),
        metrics=resources.metrics,
        clock=clock,
        random=random,
        deadline_seconds=resources.settings.run_deadline_seconds,
    )
    drafts = DraftService(store, runs, catalogue, random)
    presets = PresetService(catalogue, store, resources.outside)
    return Services(
        generation=generation,
        runs=runs,
        drafts=drafts,
        presets=presets,
        help=HelpService(store, catalogue, clock),
        reviews=ReviewService(store, catalogue, age_marks, wakeups, clock),
        deletions=DeletionService(store, wakeups, clock),
        sharing=SharingService(
            store=store,
            age_marks=age_marks,
            operator=operator,
            send_copy=send_copy,
            check_words=word_filter.check,
            message_state=fetch_state,
            clock=clock,
        ),
        blocks=BlockService(store, wakeups, clock),
        audit=AuditService(store.audit, store.rules, catalogue, clock),
        privacy=PrivacyService(store.privacy, clock, [drafts, presets]),
        server_settings=ServerSettingsService(
            store, catalogue, resources.outside, wakeups, word_filter.cache
        ),
        show_private=show_private,
        openings=Openings(),
        allowance=Allowance(clock),
        word_filter=word_filter,
        catalogue=catalogue,
        reloader=reloader,
    )


def _bot(resources: Resources, services: Services) -> GenerateBot:
    settings, outside = resources.settings, resources.outside
    sync = CommandSync(resources.store.key_values, settings.command_guild_ids)
    shards = settings.shards
    options: dict[str, Any] = {
        "availability": Availability(
            direct_messages=settings.allow_direct_messages, user_installs=settings.allow_user_installs
        ),
        "http_trace": resources.metrics.discord_trace(),
    }
    if shards is None:
        return GenerateBot(services, sync, outside, **options)
    return ShardedBot(services, sync, outside, shards, resources.store.key_values, **options)


def operator_rules(settings: Settings) -> OperatorRules:
    """Return the operator's limits, which apply to every server."""
    allowed = settings.allowed_guild_ids
    return OperatorRules(
        allowed_guild_ids=frozenset(allowed) if allowed is not None else None,
        allow_direct_messages=settings.allow_direct_messages,
        allow_user_installs=settings.allow_user_installs,
        daily_gpu_seconds=settings.daily_gpu_seconds,
        max_waiting_per_server=settings.max_waiting_per_server,
    )


@dataclass(frozen=True, slots=True)
class Resources:
    """The resources that `bot.app` opens for every role."""

    settings: Settings
    store: Store
    coordinator: Coordinator
    backend: Backend
    preparer: OutputPreparer
    detect_type: DetectType
    catalogue: Catalogue
    outside: Outside
    files: Executor
    wakeups: Wakeups
    signer: WebhookSigner
    metrics: Metrics

    @property
    def clock(self) -> Callable[[], datetime]:
        return self.outside.now

    @property
    def interval(self) -> timedelta:
        return timedelta(seconds=self.settings.poll_interval_seconds)

    @property
    def quiet_period(self) -> timedelta:
        """Return how long a run may be silent before the reconciler asks about it."""
        return quiet_period(self.interval, webhooks=self.settings.public_url is not None)

    @property
    def grace(self) -> timedelta:
        return timedelta(seconds=self.settings.submit_grace_seconds)

    def limit(self, name: str) -> int | None:
        """Return how many runs of a deployment may be in flight, or None without a limit.

        If the deployment was renamed or removed, the lowest limit of all applies to its waiting runs.
        """
        deployment = self.catalogue.get(name)
        found = self.catalogue.all() if deployment is None else [deployment]
        own = min((each.concurrency_limit for each in found if each.concurrency_limit), default=None)
        return lower_limit(own, self.settings.max_concurrent_runs)

    def run_timeout(self, name: str) -> int | None:
        """Return the seconds after which the backend stops a run of a deployment, or None if unknown."""
        deployment = self.catalogue.get(name)
        return deployment.run_timeout if deployment else None

    async def store_answers(self) -> bool:
        """Return whether the database answers, for `/readyz`."""
        try:
            await self.store.database.ping()
        except StoreUnavailable:
            return False
        return True


async def make_signer(settings: Settings, store: Store) -> WebhookSigner:
    """Build the signer of webhook URLs.

    Its secret is WEBHOOK_SECRET or, if that isn't set, a random one that is stored in the database.
    """
    secret = settings.webhook_secret
    return WebhookSigner(
        secret.get_secret_value() if secret else await store.key_values.secret("webhook_secret"),
        settings.public_url,
    )


@asynccontextmanager
async def open_backend(settings: Settings, signer: WebhookSigner, metrics: Metrics) -> AsyncIterator[Backend]:
    """Open the backend's HTTP session for the block."""
    async with open_session(metrics.comfydeploy_trace(call_name)) as session:
        yield ComfyDeploy(session, settings.comfydeploy_api_url, settings.comfydeploy_api_key, signer)


def add_webhooks(app: web.Application, resources: Resources, recorder: ReportRecorder) -> None:
    """Serve the backend's webhooks, and the ping of `python -m bot check` under the same path."""
    WebhookServer(resources.backend, recorder, resources.metrics).add_to(app)
    app.router.add_routes([ping_route(resources.signer, read_body)])


# Returns the beginning of a file, or None for an address that it doesn't know.
ReadHead = Callable[[str], Awaitable[bytes | None]]


def type_detector(fetcher: MediaFetcher, read_head: ReadHead | None = None) -> DetectType:
    """Build the function that tells a file's type by its first bytes.

    The bytes come from `read_head` or, if that isn't given or returns None, from the network.
    """

    async def detect(url: str) -> str:
        head = await read_head(url) if read_head is not None else None
        return sniff(head if head is not None else await fetcher.head(url))[0]

    return detect


def output_preparer(
    fetcher: MediaFetcher, backend: Backend, shrinker: Shrinker, files: Executor
) -> OutputPreparer:
    """Build the preparer, which downloads and shrinks outputs; the backend renews their links."""

    async def renew(run: Run) -> tuple[Output, ...]:
        return (await backend.get_run(run.run_id)).outputs if run.run_id else run.outputs

    return OutputPreparer(fetcher, renew, shrinker, files)


def open_executors(outside: Outside, stack: AsyncExitStack) -> tuple[Shrinker, Executor]:
    """Return the shrinker, and the threads that read files. A stop waits for neither."""
    shrinking, files = outside.executor("shrink", 1), outside.executor("files", 4)
    for executor in (shrinking, files):
        stack.callback(executor.shutdown, wait=False, cancel_futures=True)
    return Shrinker(shrinking, outside.monotonic), files


def reconcile_workers(
    resources: Resources, client: discord.Client, recorder: ReportRecorder
) -> dict[str, Worker[Any]]:
    """Return the workers `submit`, `check`, `probe` and `prune`."""
    health = BackendHealth(resources.store, resources.backend, resources.wakeups, resources.outside)
    submission = _submission(resources, client, recorder, health)
    reconciler = _reconciler(resources, recorder, submission, health)
    retention = resources.store.retention
    return {
        "submit": Worker("submit", submission.claim, submission.submit, SUBMIT),
        "check": Worker("check", reconciler.claim, reconciler.check, CHECK),
        "probe": Worker("probe", health.claim, health.probe, PROBE),
        "prune": Worker("prune", lambda: retention.claim(resources.clock()), retention.handle, PRUNE),
    }


def _submission(
    resources: Resources, client: discord.Client, recorder: ReportRecorder, health: BackendHealth
) -> Submitter:
    renewer = AttachmentRenewer(resources.catalogue, resources.store.reviews, DiscordCalls(client))
    return Submitter(
        store=resources.store,
        backend=resources.backend,
        health=health,
        wakeups=resources.wakeups,
        limit=resources.limit,
        renew=renewer.inputs,
        look=partial(channel_state, client),
        offer=partial(offer_of, resources.catalogue),
        recorder=recorder,
        grace=resources.grace,
        user_installs=resources.settings.allow_user_installs,
        clock=resources.clock,
        random=resources.outside.random,
    )


def _reconciler(
    resources: Resources, recorder: ReportRecorder, submission: Submitter, health: BackendHealth
) -> Reconciler:
    async def read_log(run_id: str) -> str | None:
        log = await resources.backend.read_log(run_id)
        return await asyncio.get_running_loop().run_in_executor(resources.files, end_of_log, log)

    return Reconciler(
        store=resources.store,
        backend=resources.backend,
        health=health,
        recorder=recorder,
        wakeups=resources.wakeups,
        metrics=resources.metrics,
        run_timeout=resources.run_timeout,
        read_log=read_log if resources.settings.run_logs else None,
        is_submitting=submission.is_submitting,
        pause=resources.interval,
        grace=resources.grace,
        clock=resources.clock,
    )


def make_reloader(resources: Resources) -> Reloader:
    async def read() -> Sequence[DeploymentConfig]:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(resources.files, load_deployment_configs, resources.settings)

    return Reloader(
        resources.catalogue,
        read=read,
        notify=resources.wakeups.reload,
        loaded=resources.wakeups.submit,
        every=timedelta(seconds=resources.settings.deployments_refresh_seconds),
        clock=resources.clock,
    )
