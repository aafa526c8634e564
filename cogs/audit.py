"""`/audit` shows a server's audit log to its moderators, in pages and as a CSV file."""

from __future__ import annotations

import io
from functools import partial
from typing import cast

import discord
from discord import app_commands
from discord.app_commands import Choice, Range
from discord.ext import commands
from discord.ui import LayoutView

from bot.discord_api.channels import member_names
from bot.domain.moderation import OUTCOMES, AuditButton, AuditFilter, AuditPage
from bot.domain.text import shorten
from bot.gateway.client import GenerateBot
from bot.gateway.guild import GuildInfo
from bot.gateway.interactions import Interaction, actor_of, selected_values
from bot.gateway.replies import show_private
from bot.services import audit
from bot.services.access import moderator
from bot.services.audit import SERVER_ACTIONS
from bot.services.moderation import open_private
from bot.strings import say
from bot.ui.audit import (
    AUDIT_COLUMNS,
    AuditId,
    action_text,
    audit_cells,
    audit_layout,
    open_rows,
    openable,
    outcome_text,
)
from bot.ui.custom_ids import OpenId

_OUTCOMES = [Choice(name=outcome_text(outcome), value=outcome) for outcome in OUTCOMES]
_ACTIONS = [Choice(name=action_text(action), value=action.value) for action in SERVER_ACTIONS]
_Days = Range[int, 0, 3650]
# Discord waits three seconds for the answer, so the names of a page may take no longer than this.
_SECONDS = 1.0
# Discord's limit for the characters of a choice.
_CHOICE_LENGTH = 100


async def _turn(interaction: Interaction, id: AuditId) -> None:
    """Show another page of the audit log, or send it as a file."""
    if id.button is AuditButton.FILE:
        await _send_file(interaction, id)
        return
    app, actor = interaction.client.app, actor_of(interaction)
    page = await audit.turn(app, actor, id.audit_filter, id.button, id.cursor)
    await interaction.response.edit_message(view=await _layout(interaction, page, id.audit_filter))


async def _layout(interaction: Interaction, page: AuditPage, audit_filter: AuditFilter) -> LayoutView:
    title = interaction.client.app.catalogue.title
    layout = audit_layout(page, audit_filter, title)
    for row in open_rows(page, title, await _requesters(interaction, page)):
        layout.add_item(row)
    return layout


async def _requesters(interaction: Interaction, page: AuditPage) -> dict[int, str]:
    """Return the names of the requesters whose private results can be opened.

    Names that Discord doesn't return in time are missing.
    """
    people = {entry.subject_id for entry in openable(page).values() if entry.subject_id is not None}
    if interaction.guild is None:
        return {}
    return await member_names(interaction.guild, people, seconds=_SECONDS)


async def _open(interaction: Interaction, id: OpenId) -> None:
    """Open a private result for a moderator."""
    bot, actor = interaction.client, actor_of(interaction)
    key = next(iter(selected_values(interaction)), "")
    await show_private(interaction, await open_private(bot.app, actor, key), to_moderator=True)


async def _send_file(interaction: Interaction, id: AuditId) -> None:
    app, actor = interaction.client.app, actor_of(interaction)
    await moderator(app, actor)
    guild = cast("discord.Guild", interaction.guild)
    await interaction.response.defer(ephemeral=True, thinking=True)
    cells = partial(audit_cells, title=app.catalogue.title, server=GuildInfo(guild))
    csv = await audit.export(app, actor, id.audit_filter, AUDIT_COLUMNS, cells)
    sentence = say("record_file_cut" if csv.cut else "record_file_done", rows=csv.lines)
    await interaction.followup.send(
        sentence, file=discord.File(io.BytesIO(csv.data), "audit.csv"), ephemeral=True
    )


class Audit(commands.Cog):
    """The command `/audit`. Discord's Integrations only decide who sees it, so the bot checks who uses it."""

    @app_commands.command(
        name="audit", description="Show what was requested, decided and changed on this server"
    )
    @app_commands.describe(
        person="Only events about this person",
        by="Only actions of this person",
        deployment="Only this deployment",
        outcome="Only requests with this outcome",
        action="Only this kind of event",
        since_days="From this many days ago",
        until_days="Up to this many days ago",
    )
    @app_commands.choices(outcome=_OUTCOMES, action=_ACTIONS)
    @app_commands.default_permissions(manage_guild=True)
    async def audit(
        self,
        interaction: Interaction,
        *,
        person: discord.User | None = None,
        by: discord.User | None = None,
        deployment: Range[str, 1, _CHOICE_LENGTH] | None = None,
        outcome: str | None = None,
        action: str | None = None,
        since_days: _Days | None = None,
        until_days: _Days | None = None,
    ) -> None:
        page, audit_filter = await audit.search(
            interaction.client.app,
            actor_of(interaction),
            subject=person.id if person else None,
            by=by.id if by else None,
            deployment=deployment,
            outcome=outcome,
            action=action,
            since=since_days,
            until=until_days,
        )
        layout = await _layout(interaction, page, audit_filter)
        await interaction.response.send_message(view=layout, ephemeral=True)

    @audit.autocomplete("deployment")
    async def _suggest(self, interaction: Interaction, prefix: str) -> list[Choice[str]]:
        found = audit.suggest_deployments(interaction.client.app, prefix)
        return [Choice(name=shorten(each.name, _CHOICE_LENGTH), value=str(each.value)) for each in found]


async def setup(bot: GenerateBot) -> None:
    bot.add_press(AuditId, _turn)
    bot.add_press(OpenId, _open)
    await bot.add_cog(Audit())
