"""`/audit` shows a server's audit log to its moderators, in pages and as a CSV file."""

from __future__ import annotations

import io
from functools import partial

import discord
from discord import app_commands
from discord.app_commands import Choice, Range
from discord.ext import commands
from discord.ui import LayoutView

from bot.domain.moderation.audit import OUTCOMES, AuditButton, AuditFilter, AuditPage
from bot.domain.settings.values import SettingsContext
from bot.domain.text import shorten
from bot.gateway.channels import member_names
from bot.gateway.client import GenerateBot
from bot.gateway.dynamic_items import PersistentItem, selected_values
from bot.gateway.guild import GuildInfo
from bot.gateway.interactions import Interaction, member_of, requester_of
from bot.services.moderation.audit import SERVER_ACTIONS, AuditQuery, AuditService
from bot.strings import say
from bot.ui.audit import AUDIT_COLUMNS, action_text, audit_cells, audit_layout, outcome_text
from bot.ui.custom_ids import AuditId, OpenId
from bot.ui.private_results import open_rows, openable
from bot.ui.settings.changes import Naming, in_file, in_message

_OUTCOMES = [Choice(name=outcome_text(outcome), value=outcome) for outcome in OUTCOMES]
_ACTIONS = [Choice(name=action_text(action), value=action.value) for action in SERVER_ACTIONS]
_Days = Range[int, 0, 3650]
# Discord waits three seconds for the answer, so the names of a page may take no longer than this.
_SECONDS = 1.0
# Discord's limit for the characters of a choice.
_CHOICE_LENGTH = 100


class AuditItem(PersistentItem[AuditId], codec=AuditId):
    """A button under a page of the audit log."""

    async def pressed(self, interaction: Interaction, id: AuditId) -> None:
        await (_send_file if id.button is AuditButton.FILE else _show_page)(interaction, id)


async def _show_page(interaction: Interaction, id: AuditId) -> None:
    page = await interaction.client.services.audit.turn(
        interaction.guild_id, member_of(interaction), id.audit_filter, id.button, id.cursor
    )
    await interaction.response.edit_message(view=await _layout(interaction, page, id.audit_filter))


async def _layout(interaction: Interaction, page: AuditPage, audit_filter: AuditFilter) -> LayoutView:
    naming = _mentions(interaction)
    layout = audit_layout(page, audit_filter, naming)
    for row in open_rows(page, naming.title, await _requesters(interaction, page)):
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


class OpenItem(PersistentItem[OpenId], codec=OpenId):
    """The select that opens a private result for a moderator."""

    async def pressed(self, interaction: Interaction, id: OpenId) -> None:
        services, moderator = interaction.client.services, requester_of(interaction)
        with services.openings.slot(moderator.person.id):
            run = await services.reviews.open(next(iter(selected_values(interaction)), ""), moderator)
            await interaction.response.defer(ephemeral=True, thinking=True)
            await services.show_private([run], moderator.origin, to_moderator=True)


async def _send_file(interaction: Interaction, id: AuditId) -> None:
    service = interaction.client.services.audit
    await service.check_moderator(interaction.guild_id, member_of(interaction))
    await interaction.response.defer(ephemeral=True, thinking=True)
    csv = await service.export(
        interaction.guild_id,
        member_of(interaction),
        id.audit_filter,
        AUDIT_COLUMNS,
        partial(audit_cells, naming=_plain_names(interaction)),
    )
    sentence = say("record_file_cut" if csv.cut else "record_file_done", rows=csv.rows)
    await interaction.followup.send(
        sentence, file=discord.File(io.BytesIO(csv.data), "audit.csv"), ephemeral=True
    )


def _mentions(interaction: Interaction) -> Naming:
    """Return the `Naming` for a message, with mentions of the server's roles and channels."""
    title = interaction.client.services.audit.title
    if interaction.guild is None:
        return in_message(SettingsContext(), title)
    server = GuildInfo(interaction.guild)
    return in_message(SettingsContext(role_ids=server.role_ids, channel_ids=server.all_channel_ids), title)


def _plain_names(interaction: Interaction) -> Naming:
    """Return the `Naming` for the CSV file, with the plain names of the server's roles and channels."""
    title = interaction.client.services.audit.title
    if interaction.guild is None:
        return in_file(str, title)
    server = GuildInfo(interaction.guild)
    return in_file(server.channel_name, title)


class Audit(commands.Cog):
    """The command `/audit`. Discord's Integrations only decide who sees it, so the bot checks who uses it."""

    def __init__(self, service: AuditService) -> None:
        self._service = service

    @app_commands.command(name="audit", description=say("command_audit"))
    @app_commands.describe(
        person=say("option_audit_person"),
        by=say("option_audit_by"),
        deployment=say("option_audit_deployment"),
        outcome=say("option_audit_outcome"),
        action=say("option_audit_action"),
        since_days=say("option_audit_since"),
        until_days=say("option_audit_until"),
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
        query = AuditQuery(
            subject=person.id if person else None,
            actor=by.id if by else None,
            deployment=deployment,
            outcome=outcome,
            action=action,
            since_days=since_days,
            until_days=until_days,
        )
        page, audit_filter = await self._service.search(interaction.guild_id, member_of(interaction), query)
        layout = await _layout(interaction, page, audit_filter)
        await interaction.response.send_message(view=layout, ephemeral=True)

    @audit.autocomplete("deployment")
    async def _suggest(self, _interaction: Interaction, prefix: str) -> list[Choice[str]]:
        found = self._service.suggest_deployments(prefix)
        return [Choice(name=shorten(each.name, _CHOICE_LENGTH), value=str(each.value)) for each in found]


async def setup(bot: GenerateBot) -> None:
    bot.add_dynamic_items(AuditItem, OpenItem)
    await bot.add_cog(Audit(bot.services.audit))
