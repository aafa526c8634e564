"""`/block`, `/unblock` and `/blocked` let moderators stop members from generating in their server."""

from __future__ import annotations

from datetime import timedelta

import discord
from discord import app_commands
from discord.app_commands import Choice, Range
from discord.ext import commands
from discord.ui import LayoutView

from bot.discord_api.channels import member_from_user
from bot.domain.errors import RefusedError
from bot.domain.moderation import BLOCK_DURATIONS, block_duration
from bot.gateway.client import GenerateBot, PersistentItem, tell
from bot.gateway.interactions import Interaction, actor_of
from bot.gateway.payloads import page_button, show_list
from bot.services.moderation import blocks
from bot.strings import explain, say
from bot.ui.custom_ids import BlockedId, UnblockId
from bot.ui.lists import block_confirmation, blocked_layout

_CHOICES = [Choice(name=say(f"duration_{name}"), value=name) for name in BLOCK_DURATIONS]


async def _page(interaction: Interaction, page: int, *, or_last: bool = False) -> LayoutView:
    """Build a page. With `or_last`, build the previous page if this one has become empty."""
    app, actor = interaction.client.app, actor_of(interaction)
    found, more = await blocks.blocked(app, actor, page)
    if or_last and page and not found:
        page -= 1
        found, more = await blocks.blocked(app, actor, page)
    return blocked_layout(found, page, more=more)


_BlockedButton = page_button(BlockedId, _page)


class UnblockButton(PersistentItem[UnblockId], codec=UnblockId):
    """The button beside an entry of `/blocked`."""

    async def pressed(self, interaction: Interaction, id: UnblockId) -> None:
        app, actor = interaction.client.app, actor_of(interaction)
        sentence = say("unblock_done", person=id.user_id)
        try:
            await blocks.unblock(app, actor, id.user_id, since=id.since)
        except RefusedError as error:
            if error.code != "unblock_over":
                raise
            sentence = explain(error)
        await interaction.response.edit_message(view=await _page(interaction, id.page, or_last=True))
        await tell(interaction, sentence)


class Blocks(commands.Cog):
    """The commands `/block`, `/unblock` and `/blocked`. A member's roles come from the interaction."""

    @app_commands.command(name="block", description=say("command_block"))
    @app_commands.describe(
        user=say("option_block_user"),
        reason=say("option_block_reason"),
        duration=say("option_block_duration"),
        days=say("option_block_days"),
    )
    @app_commands.choices(duration=_CHOICES)
    @app_commands.default_permissions(manage_guild=True)
    async def block(
        self,
        interaction: Interaction,
        user: discord.User,
        reason: Range[str, 1, 300],
        duration: str | None = None,
        days: Range[int, 1, 3650] | None = None,
    ) -> None:
        if user.bot:
            raise RefusedError("block_bot")
        done = await blocks.block(
            interaction.client.app,
            actor_of(interaction),
            member_from_user(user),
            reason=reason,
            duration=_duration(duration, days),
        )
        await tell(interaction, block_confirmation(*done))

    @app_commands.command(name="unblock", description=say("command_unblock"))
    @app_commands.describe(user=say("option_unblock_user"))
    @app_commands.default_permissions(manage_guild=True)
    async def unblock(self, interaction: Interaction, user: discord.User) -> None:
        await blocks.unblock(interaction.client.app, actor_of(interaction), user.id)
        await tell(interaction, say("unblock_done", person=user.id))

    @app_commands.command(name="blocked", description=say("command_blocked"))
    @app_commands.default_permissions(manage_guild=True)
    async def blocked(self, interaction: Interaction) -> None:
        await show_list(interaction, _page)


def _duration(choice: str | None, days: int | None) -> timedelta | None:
    if choice is not None and days is not None:
        raise RefusedError("block_duration_twice")
    return timedelta(days=days) if days is not None else block_duration(choice)


async def setup(bot: GenerateBot) -> None:
    bot.add_items(_BlockedButton, UnblockButton)
    await bot.add_cog(Blocks())
