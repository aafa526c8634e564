"""`/audit`: the server's record for its moderators, in pages and as a file."""

from __future__ import annotations

import io
import re
from typing import Any

import discord
from discord import app_commands
from discord.app_commands import Choice, Range
from discord.ext import commands
from discord.ui import Button, DynamicItem, Item

from bot.domain.records import OUTCOMES, AuditButton
from bot.gateway.client import GenerateBot
from bot.gateway.dynamic_items import button_of, reporting_errors
from bot.gateway.interactions import Interaction, member_of
from bot.services.audit import SERVER_ACTIONS, AuditQuery, AuditService
from bot.strings import say
from bot.ui.custom_ids import AUDIT_PATTERN, read_record_id
from bot.ui.moderation import action_text, audit_layout, outcome_text

_OUTCOMES = [Choice(name=outcome_text(outcome), value=outcome.value) for outcome in OUTCOMES]
_ACTIONS = [Choice(name=action_text(action), value=action.value) for action in SERVER_ACTIONS]
_Days = Range[int, 0, 3650]


class RecordButton(DynamicItem[Button[Any]], template=AUDIT_PATTERN):
    """A button under a page of the record; everything it needs is in its custom_id."""

    def __init__(self, button: Button[Any], step: AuditButton, fields: str, deployment: str) -> None:
        super().__init__(button)
        self.step = step
        self.fields = fields
        self.deployment = deployment

    @classmethod
    async def from_custom_id(
        cls, _interaction: discord.Interaction[Any], item: Item[Any], match: re.Match[str], /
    ) -> RecordButton:
        return cls(button_of(item, match), AuditButton(match["step"]), match["fields"], match["deployment"])

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        service: AuditService = interaction.client.services.audit
        async with reporting_errors(interaction):
            if self.step is AuditButton.FILE:
                await self._send_file(interaction, service)
            else:
                await self._turn(interaction, service)

    async def _turn(self, interaction: Interaction, service: AuditService) -> None:
        wanted, cursor = read_record_id(self.fields, self.deployment)
        page = await service.turn(interaction.guild_id, member_of(interaction), wanted, self.step, cursor)
        layout = audit_layout(page, wanted)
        layout.stop()  # answered by custom_id
        await interaction.response.edit_message(view=layout)

    async def _send_file(self, interaction: Interaction, service: AuditService) -> None:
        wanted, _ = read_record_id(self.fields, self.deployment)
        await service.check_moderator(interaction.guild_id, member_of(interaction))
        await interaction.response.defer(ephemeral=True, thinking=True)
        made = await service.export(interaction.guild_id, member_of(interaction), wanted)
        sentence = say("record_file_cut" if made.cut else "record_file_done", rows=made.rows)
        await interaction.followup.send(
            sentence, file=discord.File(io.BytesIO(made.data), "audit.csv"), ephemeral=True
        )


class Audit(commands.Cog):
    """Discord's Integrations decide who sees the command; who may use it is checked all the same."""

    def __init__(self, bot: GenerateBot, service: AuditService) -> None:
        self._bot = bot
        self._service = service

    async def cog_load(self) -> None:
        self._bot.add_dynamic_items(RecordButton)

    async def cog_unload(self) -> None:
        self._bot.remove_dynamic_items(RecordButton)

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
    @app_commands.guild_only()
    async def audit(
        self,
        interaction: Interaction,
        *,
        person: discord.User | None = None,
        by: discord.User | None = None,
        deployment: Range[str, 1, 32] | None = None,
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
        page, wanted = await self._service.search(interaction.guild_id, member_of(interaction), query)
        layout = audit_layout(page, wanted)
        layout.stop()  # answered by custom_id
        await interaction.response.send_message(view=layout, ephemeral=True)

    @audit.autocomplete("deployment")
    async def _suggest(self, _interaction: Interaction, typed: str) -> list[Choice[str]]:
        return [Choice(name=name, value=name) for name in self._service.suggest_deployments(typed)]


async def setup(bot: GenerateBot) -> None:
    await bot.add_cog(Audit(bot, bot.services.audit))
