"""`/settings` shows the server's rules in one ephemeral panel, and changes them with forms.

The panel's custom_ids hold its whole state, so an open panel works after a restart. Each press checks
permissions.
"""

from __future__ import annotations

from dataclasses import replace

import discord
from discord import app_commands
from discord.ext import commands
from discord.ui import LayoutView

from bot.discord_api.channels import lacks
from bot.domain.errors import InputError, RefusedError
from bot.domain.settings.fields import SECTIONS, keys_of
from bot.domain.settings.rules_and_defaults import ServerRules
from bot.domain.settings.setting_types import ReviewChannel, Section, SettingsContext
from bot.gateway.client import GenerateBot, tell
from bot.gateway.interactions import Interaction, close_form, form_values, paged, selected_values
from bot.sentences import explain
from bot.services import server_settings
from bot.services.server_settings import Editor
from bot.ui.custom_ids import SettingId
from bot.ui.settings import Panel, panel_layout, settings_modal


def allowed(interaction: Interaction) -> Editor:
    """Return the user. Raises RefusedError if they may not manage the server, or if the bot isn't in it."""
    if interaction.guild_id is None:
        raise RefusedError("server_only")
    if not interaction.permissions.manage_guild:
        raise RefusedError("settings_not_allowed")
    guild = interaction.guild
    if guild is None or guild.me is None:
        raise RefusedError("settings_not_a_member")
    context = SettingsContext(
        server=guild.name,
        # Without @everyone, whose id equals the server's.
        role_ids=frozenset(role.id for role in guild.roles) - {guild.id},
        channel_ids=frozenset(channel.id for channel in guild.text_channels),
        manages_server=guild.me.guild_permissions.manage_guild,
    )
    return Editor(
        guild.id, interaction.user.id, server_settings.with_offered(interaction.client.app, context)
    )


def _with_channels(guild: discord.Guild, context: SettingsContext, rules: ServerRules) -> SettingsContext:
    """Add the state of the channels that the rules name, and leave out presets of missing channels."""
    there = {channel.id for channel in guild.channels}
    presets = {id: name for id, name in context.default_presets.items() if id in there}
    gallery = guild.get_channel(rules.gallery_channel_id or 0)
    lacking = lacks(gallery, gallery.permissions_for(guild.me)) if gallery is not None else ()
    channel = guild.get_channel(rules.approval.review_channel_id or 0)
    role = guild.get_role(rules.reviewer_role_id or 0)
    review: ReviewChannel | None = None
    if channel is not None:
        review = ReviewChannel(
            # Cards contain pictures and are searched for after a crash, so they need the same permissions as
            # a result.
            missing=tuple(lacks(channel, channel.permissions_for(guild.me))),
            reviewers_see=role is None or channel.permissions_for(role).view_channel,
            everybody_sees=channel.permissions_for(guild.default_role).view_channel,
        )
    return replace(context, review=review, gallery_lacks=tuple(lacking), default_presets=presets)


async def _pressed(interaction: Interaction, id: SettingId) -> None:
    app, editor = interaction.client.app, allowed(interaction)
    if id.action == "tidy":
        await _show(interaction, Panel(saved=await server_settings.tidy(app, editor)))
    elif id.action == "words":
        words = "\n".join((await app.store.rules.get(editor.guild_id)).words.blocked)
        await tell(interaction, file=("words.txt", words.encode()))
    elif id.section == "home":
        await _show(interaction, Panel())
    else:
        await _open(interaction, id)


def _section(id: SettingId) -> Section:
    """Return the section of a control. Raises RefusedError for one of another version."""
    if id.section not in SECTIONS or id.action not in ("open", "key", "form", "again"):
        raise RefusedError("other_version")
    return SECTIONS[id.section]


async def _open(interaction: Interaction, id: SettingId) -> None:
    """Open a form, or show the section if its key has to be chosen first."""
    section, token = _section(id), next(iter(selected_values(interaction)), id.about)
    if keys_of(section) is not None and not token:
        await _show(interaction, Panel(section))
        return
    app, editor = interaction.client.app, allowed(interaction)
    key, fields = await server_settings.form(app, editor, section, token, id.draft)
    if not fields:  # somebody else has made the whole section irrelevant
        await _show(interaction, Panel())
        return
    role = interaction.guild.get_role(key) if interaction.guild and isinstance(key, int) else None
    title = role.name if role is not None else editor.context.deployments.get(str(key), str(key or ""))
    await interaction.response.send_modal(settings_modal(section, key, title, fields))


@paged
async def _show(interaction: Interaction, panel: Panel) -> LayoutView:
    editor = allowed(interaction)
    rules, context = await server_settings.read(interaction.client.app, editor)
    if interaction.guild is not None:
        context = _with_channels(interaction.guild, context, rules)
    return panel_layout(replace(panel, turn=interaction.id % 2**30 + 1), rules, context)


async def _submitted(interaction: Interaction, id: SettingId) -> None:
    await close_form(interaction)
    app, editor, section = interaction.client.app, allowed(interaction), _section(id)
    submitted, changes = form_values(interaction), None
    try:
        changes, errors = await server_settings.submit(app, editor, section, id.about, submitted)
    except InputError as error:
        errors = [error]
    panel = Panel(section if keys_of(section) is not None else None, saved=changes)
    if errors:
        draft = app.drafts.keep(editor.user_id, submitted)
        mistakes = [line for each in errors for line in explain(each).splitlines()]
        panel = replace(panel, mistakes=mistakes, again=replace(id, action="again", draft=draft))
    await _show(interaction, panel)


class Settings(commands.Cog):
    @app_commands.command(name="settings", description="What the bot may do on this server, and for whom")
    @app_commands.default_permissions(manage_guild=True)
    async def settings(self, interaction: Interaction) -> None:
        await _show(interaction, Panel())


async def setup(bot: GenerateBot) -> None:
    bot.add_handlers(SettingId, _pressed, _submitted)
    await bot.add_cog(Settings())
