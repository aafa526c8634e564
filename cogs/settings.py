"""`/settings`: the server's rules in one ephemeral panel. Its custom_ids hold its whole state: an open panel
goes on after a restart; who may press is asked anew each time."""

from __future__ import annotations

import io
import logging
from collections.abc import Sequence

import discord
from discord import app_commands
from discord.ext import commands
from discord.ui import LayoutView

from bot.domain.errors import RefusedError
from bot.domain.settings_table import FORMS, Section, SettingControl
from bot.gateway.client import GenerateBot
from bot.gateway.dynamic_items import PersistentItem, selected_values, text_values
from bot.gateway.guild import GuildInfo
from bot.gateway.interactions import Interaction
from bot.services.server_settings import ServerSettingsService
from bot.strings import say
from bot.ui.custom_ids import SettingId
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


class SettingsItem(PersistentItem[SettingId], codec=SettingId):
    """Any button or select of the panel."""

    async def pressed(self, interaction: Interaction, id: SettingId) -> None:
        server = allowed(interaction)
        desk, control, values = (
            interaction.client.services.server_settings,
            id.control,
            selected_values(interaction),
        )
        if control.name == "again":
            await _ask(interaction, await desk.form_again(server, interaction.user.id, control))
        elif control.field in FORMS:
            about = values[0] if values else control.arg
            form = await desk.form(server, SettingControl(control.section, control.name, about))
            await _ask(interaction, form)
        elif control.field == "words.show":
            await _send_words(interaction, await desk.word_list(server))
        else:
            await _update(interaction, await _next(desk, server, interaction.user.id, control, values))


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


async def _submitted(interaction: Interaction, id: SettingId) -> None:
    server, texts = allowed(interaction), list(text_values(interaction).values())
    desk = interaction.client.services.server_settings
    await _update(interaction, await desk.sent(server, interaction.user.id, id.control, texts))


class Settings(commands.Cog):
    """The command, which shows the panel."""

    def __init__(self, desk: ServerSettingsService) -> None:
        self._desk = desk

    @app_commands.command(name="settings", description=say("command_settings"))
    @app_commands.guild_only()
    @app_commands.default_permissions(manage_guild=True)
    async def settings(self, interaction: Interaction) -> None:
        layout = await self._desk.show(allowed(interaction), Panel())
        layout.stop()
        await interaction.response.send_message(view=layout, ephemeral=True)


async def setup(bot: GenerateBot) -> None:
    bot.add_dynamic_items(SettingsItem)
    bot.add_form(SettingId, _submitted)
    await bot.add_cog(Settings(bot.services.server_settings))
