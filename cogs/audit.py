"""`/audit` shows a server's audit log to its moderators, in pages and as a CSV file."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import cast

import discord
from discord import app_commands
from discord.app_commands import Choice, Range
from discord.ext import commands
from discord.ui import LayoutView

from bot.domain.errors import RefusedError
from bot.domain.moderation import OUTCOMES, AuditAction, AuditFilter
from bot.domain.requests import PAGE_SIZE
from bot.domain.text import escape_line
from bot.gateway.client import GenerateBot, tell
from bot.gateway.interactions import Interaction, actor_of, paged, suggestions
from bot.gateway.replies import show_private
from bot.sentences import say
from bot.services.access import moderator
from bot.services.exports import export_audit
from bot.services.moderation import open_private
from bot.ui.audit import (
    AUDIT_COLUMNS,
    AuditFileId,
    AuditId,
    action_name,
    audit_cells,
    audit_layout,
    outcome_text,
)
from bot.ui.custom_ids import OpenId

_OUTCOMES = [Choice(name=outcome_text(outcome), value=outcome) for outcome in OUTCOMES]
# These events belong to no server.
_WITHOUT_SERVER = frozenset({AuditAction.PAUSE, AuditAction.RESUME, AuditAction.PRIVACY})
_ACTIONS = [
    Choice(name=action_name(action), value=action.value)
    for action in AuditAction
    if action not in _WITHOUT_SERVER
]
# The longest name of a deployment, which the custom_ids of the page buttons contain.
_NAME_LENGTH = 32
_Days = Range[int, 1, 3650]


@paged
async def _page(interaction: Interaction, id: AuditId) -> LayoutView:
    app = interaction.client.app
    server, offset = await moderator(app, actor_of(interaction)), id.page * PAGE_SIZE
    found = await app.store.audit.page(server, id, app.now(), limit=PAGE_SIZE + 1, offset=offset)
    return audit_layout(found, id, app.catalogue.title)


async def _open(interaction: Interaction, id: OpenId) -> None:
    interaction.client.check_rate(interaction.user.id)
    opened = await open_private(interaction.client.app, actor_of(interaction), id.about)
    await show_private(interaction, opened, to_moderator=True)


async def _send_file(interaction: Interaction, id: AuditFileId) -> None:
    app, actor = interaction.client.app, actor_of(interaction)
    guild = cast("discord.Guild", interaction.guild)
    await interaction.response.defer(ephemeral=True, thinking=True)
    cells = partial(audit_cells, title=app.catalogue.title, guild=guild)
    csv = await export_audit(app, actor, id, AUDIT_COLUMNS, cells)
    sentence = say("record_file_cut" if csv.cut else "record_file_done", rows=csv.lines)
    await tell(interaction, sentence, file=("audit.csv", csv.data))


def _deployment_name(interaction: Interaction, typed: str) -> str:
    """Return the name of the deployment that was typed as a name or title, in any case.

    Another name is kept as it was typed, since the log may have entries of a deployment that isn't offered
    any more. Raises RefusedError if no deployment can have that name.
    """
    offered = interaction.client.app.catalogue.all()
    names = {each.title.casefold(): each.name for each in reversed(offered)}
    names |= {each.name.casefold(): each.name for each in offered}
    found = names.get(typed.casefold(), typed)
    if len(found) > _NAME_LENGTH:
        raise RefusedError("record_no_deployment", name=escape_line(found, 60))
    return found


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
        deployment: Range[str, 1, 100] = "",
        outcome: str = "",
        action: str = "",
        since_days: _Days = 0,
        until_days: _Days = 0,
    ) -> None:
        if since_days and since_days <= until_days:
            raise RefusedError("record_range", since=since_days, until=until_days)
        wanted = AuditFilter(
            subject=person.id if person else 0,
            actor=by.id if by else 0,
            deployment=_deployment_name(interaction, deployment.strip()),
            outcome=outcome,
            action=action,
            since=since_days,
            until=until_days,
        )
        await _page(interaction, AuditId(page=0, **asdict(wanted)))

    @audit.autocomplete("deployment")
    async def _suggest(self, interaction: Interaction, prefix: str) -> list[Choice[str]]:
        offered = interaction.client.app.catalogue.all()
        return suggestions(((each.title, each.name) for each in offered), prefix)


async def setup(bot: GenerateBot) -> None:
    bot.add_handlers(AuditId, _page)
    bot.add_handlers(AuditFileId, _send_file)
    bot.add_handlers(OpenId, _open)
    await bot.add_cog(Audit())
