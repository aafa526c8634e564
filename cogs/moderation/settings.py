"""`/settings` shows the server's rules in one ephemeral panel.

The panel's custom_ids hold its whole state, so an open panel works after a restart. Each press checks
permissions.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from random import Random

import discord
from discord import app_commands
from discord.ext import commands
from discord.ui import LayoutView

from bot.domain.errors import RefusedError
from bot.domain.settings.fields import Section, SettingControl, resolve
from bot.domain.settings.forms import FORMS
from bot.domain.settings.values import SettingsContext
from bot.gateway.client import GenerateBot
from bot.gateway.dynamic_items import PersistentItem, selected_values, text_values
from bot.gateway.guild import GuildInfo
from bot.gateway.interactions import Interaction
from bot.services.moderation.server_settings import (
    CurrentSettings,
    EditResult,
    FormContent,
    ServerSettingsService,
)
from bot.strings import say
from bot.ui.custom_ids import SettingId
from bot.ui.settings.controls import Selection
from bot.ui.settings.panel import (
    Panel,
    again_arg,
    error_lines,
    panel_layout,
    parse_again,
    settings_modal,
    split_stamp,
)
from bot.ui.settings.text import describe_changes


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
        service, values = interaction.client.services.server_settings, selected_values(interaction)
        server, control, user_id = allowed(interaction), id.control, interaction.user.id
        random = interaction.client.outside.random
        if control.name == "again":
            draft, control = parse_again(control)
            await _open_form(interaction, await service.form(server, user_id, control, draft))
        elif control.key in FORMS:
            control = replace(control, arg=values[0] if values else control.arg)
            await _open_form(interaction, await service.form(server, user_id, control))
        elif control.key == "words.show":
            await _send_words(interaction, await service.word_list(server))
        elif (panel := _opened_panel(control, values)) is not None:
            await _update(interaction, await _layout(service, server, panel, random))
        else:
            result = await service.edit(server, user_id, control, values)
            await _update(interaction, await _result_layout(service, server, control, result, random))


def _opened_panel(control: SettingControl, values: Sequence[str]) -> Panel | None:
    """Return the panel that a control opens, or None if the control edits the rules."""
    if control.key == "home.back":
        return Panel()
    if control.key == "home.open" and values and values[0] in set(Section):
        return Panel(Section(values[0]))
    if control.key in ("gpus.gpu", "gpus.deployment") and values:
        return Panel(control.section, (control.name, values[0]))
    return None


async def _layout(
    service: ServerSettingsService, server: GuildInfo, panel: Panel, random: Random
) -> LayoutView:
    current = await service.read(server, panel.section)
    return _draw(panel, current, random)


async def _result_layout(
    service: ServerSettingsService,
    server: GuildInfo,
    control: SettingControl,
    result: EditResult,
    random: Random,
) -> LayoutView:
    """Build the panel that shows the result of an edit, in the section of the control."""
    tidied = control.key == "home.tidy" and control.arg in set(Section)
    section = Section(control.arg) if tidied else control.section
    current = await service.read(server, section)
    if result.error is not None:
        again = again_arg(control, result.draft) if result.draft is not None else None
        mistakes = error_lines(result.error, control, current.context)
        panel = Panel(section, mistakes=mistakes, again=again)
    else:
        saved = describe_changes(result.before, result.after, current.context)
        panel = Panel(section, saved=saved)
    return _draw(replace(panel, selection=_selection(control, current.context)), current, random)


def _selection(control: SettingControl, context: SettingsContext) -> Selection:
    """Return the GPU or deployment whose roles were set, so that it remains selected."""
    if control.section is not Section.GPUS:
        return None
    return control.name.partition("_")[0], resolve(control, context).arg


def _draw(panel: Panel, current: CurrentSettings, random: Random) -> LayoutView:
    return panel_layout(replace(panel, turn=random.getrandbits(32)), current.rules, current.context)


async def _update(interaction: Interaction, layout: LayoutView) -> None:
    await interaction.response.edit_message(view=layout)


async def _open_form(interaction: Interaction, form: FormContent) -> None:
    modal = settings_modal(form.control, form.rules, about=form.about, form_values=form.form_values)
    await interaction.response.send_modal(modal)


async def _send_words(interaction: Interaction, words: str) -> None:
    file = discord.File(io.BytesIO(words.encode()), "words.txt")
    await interaction.response.send_message(say("settings_words_file"), file=file, ephemeral=True)


async def _submitted(interaction: Interaction, id: SettingId) -> None:
    service, texts = interaction.client.services.server_settings, list(text_values(interaction).values())
    server = allowed(interaction)
    stamp, control = split_stamp(id.control)
    result = await service.submit(server, interaction.user.id, control, texts, stamp)
    random = interaction.client.outside.random
    await _update(interaction, await _result_layout(service, server, control, result, random))


class Settings(commands.Cog):
    """The command `/settings`, which shows the panel."""

    def __init__(self, service: ServerSettingsService, random: Random) -> None:
        self._service = service
        self._random = random

    @app_commands.command(name="settings", description=say("command_settings"))
    @app_commands.default_permissions(manage_guild=True)
    async def settings(self, interaction: Interaction) -> None:
        layout = await _layout(self._service, allowed(interaction), Panel(), self._random)
        await interaction.response.send_message(view=layout, ephemeral=True)


async def setup(bot: GenerateBot) -> None:
    bot.add_dynamic_items(SettingsItem)
    bot.add_form(SettingId, _submitted)
    await bot.add_cog(Settings(bot.services.server_settings, bot.outside.random))
