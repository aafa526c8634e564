"""How the parts know each other. Each gets what it uses, and nothing else."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import discord
from aiohttp import web
from discord import AutoModRule

from bot.attachments import AttachmentRenewer
from bot.client import Desks, GenerateBot
from bot.comfy.client import ComfyClient
from bot.delivery import Courier
from bot.deployments.catalogue import Catalogue
from bot.desk import FrontDesk
from bot.edit import taking_pictures
from bot.edit_desk import EditDesk
from bot.errand import Errands
from bot.errors import StoreUnavailable
from bot.ladder import Ladder
from bot.media import MediaFetcher
from bot.messages import outcome_parts
from bot.metrics import Metrics
from bot.metrics_page import MetricsPage, count_webhooks
from bot.moderation.automod import AutomodCache, Fetch
from bot.moderation.drafts import Drafts
from bot.moderation.people_desk import PeopleDesk, PeopleStores
from bot.moderation.review_desk import ReviewDesk
from bot.moderation.rules_desk import RulesDesk
from bot.moderation.word_desk import WordDesk
from bot.nudges import Nudges
from bot.packing import Packer
from bot.parts import Part, Prepared
from bot.policy import OperatorRules
from bot.posting import Poster
from bot.preset_desk import PresetDesk
from bot.progress import ProgressBuffer
from bot.reconcile import Reconciler
from bot.recorder import Recorder
from bot.retention import Pruner
from bot.runs import InputValue, Output, Run
from bot.settings import Settings
from bot.signing import WebhookSigner
from bot.status import StatusKeeper
from bot.store import Store
from bot.submission import Submission
from bot.sync import CommandSync
from bot.webhook import WebhookServer
from bot.worker import Worker

# With webhooks, a run is asked about only after it has been quiet for this many polling intervals.
_PATIENCE = 4


@dataclass(frozen=True, slots=True)
class App:
    """Everything that runs side by side. `workers` by name: submit, check, progress, show, deliver, prune."""

    settings: Settings
    store: Store
    bot: GenerateBot
    web: web.Application
    workers: Mapping[str, Worker[Any]]
    metrics: MetricsPage


@dataclass(frozen=True, slots=True)
class Foundations:
    """What everything else stands on."""

    settings: Settings
    store: Store
    comfy: ComfyClient
    fetcher: MediaFetcher
    catalogue: Catalogue
    clock: Callable[[], datetime]
    nudges: Nudges
    metrics: Metrics

    @property
    def interval(self) -> timedelta:
        return timedelta(seconds=self.settings.poll_interval_seconds)

    @property
    def silence(self) -> timedelta:
        """How long a run may be quiet before it is asked about."""
        return self.interval * _PATIENCE if self.settings.public_url else self.interval

    @property
    def grace(self) -> timedelta:
        return timedelta(seconds=self.settings.submit_grace_seconds)


async def assemble(base: Foundations) -> App:
    """Puts the parts together; nothing runs yet."""
    secret = base.settings.webhook_secret
    signer = WebhookSigner(
        secret.get_secret_value() if secret else await base.store.notes.secret("webhook_secret"),
        base.settings.public_url,
    )
    progress = ProgressBuffer(base.store, base.nudges, base.clock)
    recorder = Recorder(base.store, progress, base.nudges, base.silence, base.clock)

    async def renew(run: Run, now: datetime) -> Mapping[str, InputValue]:
        return await renewer.inputs(run, now)

    async def automod_rules(guild_id: int) -> Sequence[AutoModRule]:
        return await bot.automod_rules(guild_id)

    submission = _submission(base, signer, renew)
    words = _words(base, automod_rules)
    desk = _desk(base, submission, words)
    reviews = ReviewDesk(base.store, base.catalogue, base.nudges, base.clock)
    bot = GenerateBot(
        Desks(
            desk=desk,
            reviews=reviews,
            rules_desk=RulesDesk(base.store.rules, base.catalogue, base.clock, words.cache),
            words=words,
            people_desk=_people(base),
            edits=EditDesk(base.store, desk, Drafts()),
            presets=PresetDesk(desk, base.catalogue, base.store, base.clock),
        ),
        CommandSync(base.store.notes, base.settings.command_guild_ids),
        direct_messages=base.settings.allow_direct_messages,
        http_trace=base.metrics.discord_trace(),
    )
    poster = Poster(bot)
    renewer = AttachmentRenewer(base.catalogue, base.store.reviews, poster)
    status = StatusKeeper(base.store, poster, desk.title, base.clock)
    courier = _courier(base, poster, status, desk, reviews)
    reconciler = _reconciler(base, recorder)
    pruner = Pruner(base.store.retention, base.clock)
    workers: dict[str, Worker[Any]] = {
        "submit": Worker("submit", submission.claim, submission.submit, pause=2, width=32),
        "check": Worker("check", reconciler.claim, reconciler.check, pause=2, width=4),
        "progress": Worker("progress", progress.claim, progress.write, pause=1, rest=1),
        "show": Worker("show", status.claim, status.show, pause=1, width=8),
        "deliver": Worker("deliver", courier.claim, courier.deliver, pause=1, width=8),
        "prune": Worker("prune", pruner.claim, pruner.handle, pause=3600),
    }
    for topic in ("submit", "check", "show", "deliver"):
        base.nudges.on(topic, workers[topic].nudge)

    async def ready() -> bool:
        return bot.is_ready() and await _answers(base.store)

    server = WebhookServer(signer, recorder, ready)
    page = _metrics_page(base, bot)
    web_app = server.application(count_webhooks(base.metrics))
    if base.settings.metrics_port is None:
        page.add_to(web_app)
    return App(base.settings, base.store, bot, web_app, workers, page)


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


def _submission(base: Foundations, signer: WebhookSigner, renew: Any) -> Submission:
    return Submission(
        store=base.store,
        comfy=base.comfy,
        signer=signer,
        nudges=base.nudges,
        rules=_operator_rules(base.settings),
        limit=lambda name: _limit(base, name),
        renew=renew,
        first_check=base.silence,
        grace=base.grace,
        clock=base.clock,
    )


def _words(base: Foundations, fetch: Fetch) -> WordDesk:
    return WordDesk(AutomodCache(fetch, base.clock), base.store, base.clock)


def _desk(base: Foundations, submission: Submission, words: WordDesk) -> FrontDesk:
    return FrontDesk(
        catalogue=base.catalogue,
        submission=submission,
        store=base.store,
        nudges=base.nudges,
        check_words=words.check,
        metrics=base.metrics,
        clock=base.clock,
        deadline_seconds=base.settings.run_deadline_seconds,
    )


def _people(base: Foundations) -> PeopleDesk:
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
        nudges=base.nudges,
        clock=base.clock,
    )


def _courier(
    base: Foundations, poster: Poster, status: StatusKeeper, desk: FrontDesk, reviews: ReviewDesk
) -> Courier:
    packer = Packer(base.fetcher, _link_renewer(base.comfy))

    def render(run: Run, prepared: Prepared) -> list[Part]:
        usable = bool(taking_pictures(base.catalogue.all()))
        return outcome_parts(run, desk.title(run.deployment), prepared, usable=usable)

    owner = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
    return Courier(
        store=base.store,
        poster=poster,
        ladder=Ladder(
            deliveries=base.store.deliveries,
            poster=poster,
            packer=packer,
            render=render,
            owner=owner,
            clock=base.clock,
        ),
        status=status,
        metrics=base.metrics,
        errands=Errands(
            store=base.store,
            poster=poster,
            packer=packer,
            title=desk.title,
            inputs=reviews.inputs,
            clock=base.clock,
        ),
        owner=owner,
        clock=base.clock,
    )


def _reconciler(base: Foundations, recorder: Recorder) -> Reconciler:
    return Reconciler(
        store=base.store,
        comfy=base.comfy,
        recorder=recorder,
        nudges=base.nudges,
        metrics=base.metrics,
        pause=base.interval,
        grace=base.grace,
        clock=base.clock,
    )


def _operator_rules(settings: Settings) -> OperatorRules:
    allowed = settings.allowed_guild_ids
    return OperatorRules(
        allowed_guild_ids=frozenset(allowed) if allowed is not None else None,
        allow_direct_messages=settings.allow_direct_messages,
        daily_gpu_seconds=settings.daily_gpu_seconds,
    )


def _limit(base: Foundations, name: str) -> int | None:
    """How many runs of a deployment may be in flight: the lowest of what is known."""
    found = base.catalogue.get(name)
    limits = [base.settings.max_concurrent_runs, found.concurrency_limit if found else None]
    return min((limit for limit in limits if limit), default=None)


def _link_renewer(comfy: ComfyClient) -> Callable[[Run], Any]:
    async def renew(run: Run) -> tuple[Output, ...]:
        return (await comfy.run(run.run_id)).outputs if run.run_id else run.outputs

    return renew


async def _answers(store: Store) -> bool:
    try:
        await store.work.in_flight()
    except StoreUnavailable:
        return False
    return True
