"""`/settings`: the server's rules in one ephemeral panel. Its custom_ids hold its whole state: an open panel
goes on after a restart; who may press is asked anew each time."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Sequence
from typing import Any

import discord
from discord import app_commands
from discord.ext import commands
from discord.ui import DynamicItem, Item, LayoutView

from bot.domain.errors import RefusedError
from bot.domain.settings_table import FORMS, Section, SettingControl
from bot.gateway.client import GenerateBot
from bot.gateway.dynamic_items import reporting_errors, selected_values, submitted_form, text_values
from bot.gateway.guild import GuildInfo
from bot.gateway.interactions import Interaction
from bot.services.server_settings import ServerSettingsService
from bot.strings import say
from bot.ui.custom_ids import SETTINGS_PATTERN, parse
from bot.ui.settings_panel import Panel

log = logging.getLogger(__name__)


def allowed(interaction: Interaction) -> GuildInfo:
    """The server, for somebody who may manage it. Raises RefusedError."""
    if interaction.guild_id is None:
        raise RefusedError("settings_only_in_servers")
    if not interaction.permissions.manage_guild:
        raise RefusedError("settings_not_allowed")
    if interaction.guild is None or interaction.guild.me is None:
        raise RefusedError("settings_not_a_member")
    return GuildInfo(interaction.guild)


class SettingsItem(DynamicItem[Item[Any]], template=SETTINGS_PATTERN):
    """Any button or select of the panel."""

    def __init__(self, item: Item[Any], rest: str) -> None:
        super().__init__(item)
        self.rest = rest

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: Item[Any], match: re.Match[str], /
    ) -> SettingsItem:
        return cls(item, match["rest"])

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        async with reporting_errors(interaction):
            desk: ServerSettingsService = interaction.client.services.server_settings
            await _pressed(interaction, desk, self.rest, selected_values(interaction))


async def _pressed(
    interaction: Interaction, desk: ServerSettingsService, rest: str, values: Sequence[str]
) -> None:
    server = allowed(interaction)
    control = parse(rest)
    if control is None:
        raise RefusedError("settings_stale")
    person = interaction.user.id
    if control.name == "again":
        modal = await desk.form_again(server, person, control)
        await _ask(interaction, modal)
    elif control.field in FORMS:
        about = values[0] if values else control.arg
        await _ask(interaction, await desk.form(server, SettingControl(control.section, control.name, about)))
    elif control.field == "words.show":
        await _send_words(interaction, await desk.word_list(server))
    else:
        await _update(interaction, await _next(desk, server, person, control, values))


async def _next(
    desk: ServerSettingsService,
    server: GuildInfo,
    person: int,
    control: SettingControl,
    values: Sequence[str],
) -> LayoutView:
    """What the panel shows after a press or a choice."""
    if control.field == "home.back":
        return await desk.show(server, Panel())
    if control.field == "home.open" and values and values[0] in set(Section):
        return await desk.show(server, Panel(Section(values[0])))
    if control.field in ("gpus.gpu", "gpus.deployment") and values:
        return await desk.choose(server, control, values[0])
    return await desk.edit(server, person, control, values)


async def _update(interaction: Interaction, layout: LayoutView) -> None:
    layout.stop()  # answered by custom_id
    await interaction.response.edit_message(view=layout)


async def _ask(interaction: Interaction, modal: discord.ui.Modal) -> None:
    modal.stop()  # answered by custom_id
    await interaction.response.send_modal(modal)


async def _send_words(interaction: Interaction, words: str) -> None:
    file = discord.File(io.BytesIO(words.encode()), "words.txt")
    await interaction.response.send_message(say("settings_words_file"), file=file, ephemeral=True)


class Settings(commands.Cog):
    """The command; the panel's items while it is loaded; and the forms that are sent."""

    def __init__(self, bot: GenerateBot, desk: ServerSettingsService) -> None:
        self._bot = bot
        self._desk = desk

    async def cog_load(self) -> None:
        self._bot.add_dynamic_items(SettingsItem)

    async def cog_unload(self) -> None:
        self._bot.remove_dynamic_items(SettingsItem)

    @app_commands.command(name="settings", description=say("command_settings"))
    @app_commands.guild_only()
    @app_commands.default_permissions(manage_guild=True)
    async def settings(self, interaction: Interaction) -> None:
        layout = await self._desk.show(allowed(interaction), Panel())
        layout.stop()
        await interaction.response.send_message(view=layout, ephemeral=True)

    @commands.Cog.listener()
    async def on_interaction(self, interaction: Interaction) -> None:
        match = submitted_form(interaction, SETTINGS_PATTERN)
        if match is None:
            return
        async with reporting_errors(interaction):
            await self._sent(interaction, match["rest"], list(text_values(interaction).values()))

    async def _sent(self, interaction: Interaction, rest: str, typed: Sequence[str]) -> None:
        server = allowed(interaction)
        control = parse(rest)
        if control is None:
            raise RefusedError("settings_stale")
        await _update(interaction, await self._desk.sent(server, interaction.user.id, control, typed))


async def setup(bot: GenerateBot) -> None:
    await bot.add_cog(Settings(bot, bot.services.server_settings))
