"""The use cases behind commands and buttons. Nothing here imports discord.py or builds a message."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from bot.deployments.catalogue import Catalogue
from bot.deployments.reloading import Reloader
from bot.domain.requests import Origin
from bot.domain.runs import Run
from bot.memory import Allowance, Openings
from bot.services.drafts import DraftService
from bot.services.generation import GenerationService
from bot.services.help import HelpService
from bot.services.moderation.audit import AuditService
from bot.services.moderation.blocks import BlockService
from bot.services.moderation.deletions import DeletionService
from bot.services.moderation.reviews import ReviewService
from bot.services.moderation.server_settings import ServerSettingsService
from bot.services.presets.service import PresetService
from bot.services.privacy import PrivacyService
from bot.services.runs import RunService
from bot.services.sharing import SharingService
from bot.services.words import WordFilter


class ShowPrivate(Protocol):
    """Shows a private result in the answer to a deferred interaction. Raises DiscordAway or RefusedError."""

    async def __call__(self, batch: Sequence[Run], origin: Origin, *, to_moderator: bool) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The services that the cogs use."""

    generation: GenerationService
    runs: RunService
    drafts: DraftService
    presets: PresetService
    help: HelpService
    reviews: ReviewService
    deletions: DeletionService
    sharing: SharingService
    blocks: BlockService
    audit: AuditService
    privacy: PrivacyService
    server_settings: ServerSettingsService
    show_private: ShowPrivate
    openings: Openings
    allowance: Allowance
    word_filter: WordFilter
    catalogue: Catalogue
    reloader: Reloader
