"""The use cases behind commands and buttons. They know no discord.py and build no components."""

from __future__ import annotations

from dataclasses import dataclass

from bot.deployments.catalogue import Reloader
from bot.services.blocks import PeopleDesk
from bot.services.editing import EditDesk
from bot.services.generation import FrontDesk
from bot.services.presets import PresetDesk
from bot.services.reviews import ReviewDesk
from bot.services.server_settings import RulesDesk
from bot.services.word_filter import WordDesk


@dataclass(frozen=True, slots=True)
class Desks:
    """The services that the cogs use."""

    desk: FrontDesk
    reviews: ReviewDesk
    rules_desk: RulesDesk
    words: WordDesk
    people_desk: PeopleDesk
    edits: EditDesk
    presets: PresetDesk
    reloader: Reloader
