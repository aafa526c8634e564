"""The role that hears of interactions: the services behind commands and buttons, and the bot itself."""

from __future__ import annotations

import logging
import os
import secrets
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bot.comfydeploy.client import ComfyClient
from bot.comfydeploy.webhook_urls import WebhookSigner
from bot.config.settings import Settings, configs_of
from bot.database.coordination import Line
from bot.delivery.courier import Courier
from bot.delivery.download import MediaFetcher
from bot.delivery.notices import Errands
from bot.delivery.posting import Poster
from bot.delivery.routes import Ladder
from bot.delivery.status import StatusKeeper
from bot.delivery.uploads import AttachmentRenewer, Packer
from bot.deployments.catalogue import Catalogue, Reloader
from bot.deployments.input_text import ShownInputs, shown_inputs
from bot.domain.errors import StoreUnavailable
from bot.domain.policy import OperatorRules
from bot.domain.runs import Delivery, Output, Run
from bot.gateway.client import GenerateBot, ShardedBot
from bot.gateway.sync import CommandSync, Reach
from bot.metrics import Metrics
from bot.services import Desks
from bot.services.blocks import PeopleDesk, PeopleStores
from bot.services.editing import Drafts, EditDesk
from bot.services.generation import FrontDesk, Intake
from bot.services.presets import PresetDesk
from bot.services.reviews import ReviewDesk
from bot.services.server_settings import RulesDesk
from bot.services.word_filter import AutomodCache, WordDesk
from bot.services.word_rules import WordRules
from bot.store import Store
from bot.store.privacy import Outdated, RetentionStore
from bot.ui.components import Part, Prepared
from bot.ui.follow_ups import onward_of
from bot.ui.results import Several, outcome_parts, several_parts
from bot.workers.events import Recorder
from bot.workers.reconciler import Reconciler
from bot.workers.submission import Submission
from bot.workers.worker import Nudges, Worker


def gateway_bot(base: Foundations, reloader: Reloader) -> GenerateBot:
    """Not yet logged in. Its commands follow the deployments."""

    async def automod_rules(guild_id: int) -> WordRules:
        return await bot.automod_rules(guild_id)

    words = WordDesk(AutomodCache(automod_rules, base.clock), base.store, base.clock)
    desk = _desk(base, words)
    desks = Desks(
        desk=desk,
        reviews=ReviewDesk(base.store, base.catalogue, base.nudges, base.clock),
        rules_desk=RulesDesk(base.store.rules, base.catalogue, base.clock, words.cache),
        words=words,
        people_desk=_people(base),
        edits=EditDesk(base.store, desk, Drafts()),
        presets=PresetDesk(desk, base.store, base.clock),
        reloader=reloader,
    )
    bot = _bot(base, desks)
    reloader.on_change(bot.show_deployments)
    return bot


def _bot(base: Foundations, desks: Desks) -> GenerateBot:
    sync = CommandSync(base.store.notes, base.settings.command_guild_ids)
    shards = base.settings.shards
    more: dict[str, Any] = {
        "reach": Reach(
            direct_messages=base.settings.allow_direct_messages,
            user_installs=base.settings.allow_user_installs,
        ),
        "http_trace": base.metrics.discord_trace(),
    }
    if shards is None:
        return GenerateBot(desks, sync, **more)
    return ShardedBot(desks, sync, shards, base.store.notes, base.clock, **more)


def _desk(base: Foundations, words: WordDesk) -> FrontDesk:
    return FrontDesk(
        catalogue=base.catalogue,
        intake=Intake(base.store, base.nudges, base.operator_rules, base.clock),
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


# With webhooks, a run is asked about only after it has been quiet for this many polling intervals.
_PATIENCE = 4


@dataclass(frozen=True, slots=True)
class Foundations:
    """Opened by `bot.app`, used by every role."""

    settings: Settings
    store: Store
    line: Line
    comfy: ComfyClient
    fetcher: MediaFetcher
    catalogue: Catalogue
    clock: Callable[[], datetime]
    nudges: Nudges
    signer: WebhookSigner
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


async def signer_of(settings: Settings, store: Store) -> WebhookSigner:
    """All processes over one store sign alike: by WEBHOOK_SECRET, or by the secret that the store keeps."""
    secret = settings.webhook_secret
    return WebhookSigner(
        secret.get_secret_value() if secret else await store.notes.secret("webhook_secret"),
        settings.public_url,
    )


def courier_workers(base: Foundations, poster: Poster) -> dict[str, Worker[Any]]:
    """`show` and `deliver`, which keep out of each other's way over one run's status message."""
    status = StatusKeeper(
        store=base.store, line=base.line, poster=poster, title=base.catalogue.title, clock=base.clock
    )
    courier = _courier(base, poster, status)
    return {
        "show": Worker("show", status.claim, status.show, pause=1, width=8),
        "deliver": Worker("deliver", courier.claim, courier.deliver, pause=1, width=8),
    }


def _courier(base: Foundations, poster: Poster, status: StatusKeeper) -> Courier:
    packer = Packer(base.fetcher, _link_renewer(base.comfy))

    def render(delivery: Delivery, prepared: Mapping[str, Prepared]) -> list[Part]:
        run = delivery.run
        title = base.catalogue.title(run.deployment)
        if delivery.together:
            return several_parts(Several(delivery.together, prepared, delivery.late), title)
        onward = onward_of(run, base.catalogue.all())
        return outcome_parts(run, title, prepared.get(run.key, Prepared()), onward)

    def inputs(run: Run) -> ShownInputs:
        return shown_inputs(base.catalogue.get(run.deployment), run.inputs)

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
            title=base.catalogue.title,
            inputs=inputs,
            clock=base.clock,
        ),
        owner=owner,
        clock=base.clock,
    )


def _link_renewer(comfy: ComfyClient) -> Callable[[Run], Any]:
    async def renew(run: Run) -> tuple[Output, ...]:
        return (await comfy.run(run.run_id)).outputs if run.run_id else run.outputs

    return renew


def reconcile_workers(base: Foundations, poster: Poster, recorder: Recorder) -> dict[str, Worker[Any]]:
    """`submit`, `check` and `prune`."""
    submission = _submission(base, poster)
    reconciler = _reconciler(base, recorder)
    pruner = Pruner(base.store.retention, base.clock)
    return {
        "submit": Worker("submit", submission.claim, submission.submit, pause=2, width=32),
        "check": Worker("check", reconciler.claim, reconciler.check, pause=2, width=4),
        "prune": Worker("prune", pruner.claim, pruner.handle, pause=3600),
    }


def _submission(base: Foundations, poster: Poster) -> Submission:
    renewer = AttachmentRenewer(base.catalogue, base.store.reviews, poster)
    return Submission(
        store=base.store,
        comfy=base.comfy,
        signer=base.signer,
        nudges=base.nudges,
        limit=base.limit,
        renew=renewer.inputs,
        first_check=base.silence,
        grace=base.grace,
        user_installs=base.settings.allow_user_installs,
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


def reloader_of(base: Foundations) -> Reloader:
    return Reloader(
        base.catalogue,
        read=lambda: configs_of(base.settings),
        announce=base.nudges.reload,
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

    async def claim(self) -> Outdated | None:
        return await self._store.outdated(self._clock(), _MANY)

    async def handle(self, outdated: Outdated) -> None:
        removed = await self._store.remove(outdated)
        log.info(
            "removed %s requests and lines of the record that were older than servers keep them", removed
        )
