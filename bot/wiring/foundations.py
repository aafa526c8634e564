"""What everything else stands on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.comfydeploy.client import ComfyClient
from bot.comfydeploy.webhook_urls import WebhookSigner
from bot.config.settings import Settings
from bot.database.coordination import Line
from bot.delivery.download import MediaFetcher
from bot.deployments.catalogue import Catalogue
from bot.domain.errors import StoreUnavailable
from bot.domain.policy import OperatorRules
from bot.metrics import Metrics
from bot.store import Store
from bot.workers.worker import Nudges

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
