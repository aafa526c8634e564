"""`/settings` shows the server's rules in one ephemeral panel, and changes them with forms.

The panel's custom_ids hold its whole state, so an open panel works after a restart. Each press checks
permissions.
"""

from __future__ import annotations

import io
from dataclasses import replace

import discord
from discord import app_commands
from discord.ext import commands
from discord.ui import LayoutView

from bot.domain.errors import RefusedError
from bot.domain.settings.fields import SECTIONS, keys_of
from bot.domain.settings.kinds import Section
from bot.domain.settings.rules_and_defaults import WORDS
from bot.gateway.client import GenerateBot
from bot.gateway.dynamic_items import PersistentItem, selected_values, submitted_values
from bot.gateway.guild import GuildInfo
from bot.gateway.interactions import Interaction
from bot.strings import say
from bot.ui.custom_ids import SettingId
from bot.ui.settings.panel import Panel, error_lines, form_parts, panel_layout, settings_modal


def allowed(interaction: Interaction) -> GuildInfo:
    """Return the server. Raises RefusedError if the user may not manage it, or if the bot isn't in it."""
    if interaction.guild_id is None:
        raise RefusedError("settings_only_in_servers")
    if not interaction.permissions.manage_guild:
        raise RefusedError("settings_not_allowed")
    if interaction.guild is None or interaction.guild.me is None:
        raise RefusedError("settings_not_a_member")
    return GuildInfo(interaction.guild)


class SettingsItem(PersistentItem[SettingId], codec=SettingId):
    """A button or select of the panel."""

    async def pressed(self, interaction: Interaction, id: SettingId) -> None:
        service, server = interaction.client.services.server_settings, allowed(interaction)
        user_id = interaction.user.id
        if id.action == "tidy":
            saved = await service.tidy(server.id, server.context(), user_id)
            await _show(interaction, server, Panel(saved=saved))
        elif id.section == "home":
            await _show(interaction, server, Panel())
        elif id.action == "show":
            file = discord.File(io.BytesIO((await service.word_list(server.id)).encode()), "words.txt")
            await interaction.response.send_message(file=file, ephemeral=True)
        else:
            await _open(interaction, server, id)


def _section(id: SettingId) -> Section:
    """Return the section of a control. Raises RefusedError for one of another version."""
    if id.section not in SECTIONS or id.action not in ("open", "key", "form", "again"):
        raise RefusedError("settings_stale")
    return SECTIONS[id.section]


async def _open(interaction: Interaction, server: GuildInfo, id: SettingId) -> None:
    """Open a form, or show the section if its keys, its parts or its words have to be seen first."""
    section, token, draft = _section(id), "", ""
    part = 0
    if id.action == "key":
        token = next(iter(selected_values(interaction)), "")
    elif id.action in ("form", "again"):
        draft, part, token = id.form
    if keys_of(section) is not None and not token:
        await _show(interaction, server, Panel(section))
        return
    key, boxes = await interaction.client.services.server_settings.form(
        server.id, server.context(), interaction.user.id, section, token, draft
    )
    parts = form_parts(boxes)
    if id.action in ("open", "key") and (len(parts) > 1 or section == WORDS):
        await _show(interaction, server, Panel(section, key, parts=len(parts)))
    elif part >= len(parts):
        raise RefusedError("settings_stale")
    else:
        title = server.role_name(key) if isinstance(key, int) else key or ""
        await interaction.response.send_modal(settings_modal(section, key, part, title, parts[part]))


async def _show(interaction: Interaction, server: GuildInfo, panel: Panel) -> None:
    await interaction.response.edit_message(view=await _layout(interaction, server, panel))


async def _layout(interaction: Interaction, server: GuildInfo, panel: Panel) -> LayoutView:
    service = interaction.client.services.server_settings
    rules, context = await service.read(server.id, server.context())
    panel = replace(panel, turn=interaction.id % 2**30 + 1)
    return panel_layout(panel, rules, server.with_channels(context, rules))


async def _submitted(interaction: Interaction, id: SettingId) -> None:
    service, server, section = interaction.client.services.server_settings, allowed(interaction), _section(id)
    _, part, token = id.form
    result = await service.submit(
        server.id, server.context(), interaction.user.id, section, token, submitted_values(interaction)
    )
    shown = Panel(section if keys_of(section) is not None else None, saved=result.changes)
    if result.error is not None:
        again = SettingId(section.name, "again", f"{result.draft}:{part}:{token}")
        shown = replace(shown, mistakes=error_lines(result.error), again=again)
    await _show(interaction, server, shown)


class Settings(commands.Cog):
    """The command `/settings`, which shows the panel."""

    @app_commands.command(name="settings", description=say("command_settings"))
    @app_commands.default_permissions(manage_guild=True)
    async def settings(self, interaction: Interaction) -> None:
        layout = await _layout(interaction, allowed(interaction), Panel())
        await interaction.response.send_message(view=layout, ephemeral=True)


async def setup(bot: GenerateBot) -> None:
    bot.add_dynamic_items(SettingsItem)
    bot.add_form(SettingId, _submitted)
    await bot.add_cog(Settings())
