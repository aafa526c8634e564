"""The use cases behind commands and buttons. They know no discord.py and build no components."""

from __future__ import annotations

from dataclasses import dataclass

from bot.deployments.catalogue import Reloader
from bot.services.blocks import PeopleDesk
from bot.services.editing import EditingService
from bot.services.generation import GenerationService
from bot.services.presets import PresetService
from bot.services.reviews import ReviewService
from bot.services.server_settings import ServerSettingsService
from bot.services.word_filter import WordFilter


@dataclass(frozen=True, slots=True)
class Services:
    """The services that the cogs use."""

    desk: GenerationService
    reviews: ReviewService
    rules_desk: ServerSettingsService
    words: WordFilter
    people_desk: PeopleDesk
    edits: EditingService
    presets: PresetService
    reloader: Reloader
