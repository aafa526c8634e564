"""`/pause` and `/resume`: the bot's owner takes on nothing new, on every server."""

from __future__ import annotations

from discord import app_commands
from discord.app_commands import Range
from discord.ext import commands

from bot.client import GenerateBot, tell
from bot.domain.errors import RefusedError
from bot.domain.text import quoted
from bot.moderation.people_desk import PeopleDesk
from bot.strings import say
from cogs.asker import Interaction

_REASON = 300


class Pause(commands.Cog):
    """Hidden from who isn't an administrator; in direct messages with the bot an owner finds it always."""

    def __init__(self, bot: GenerateBot, desk: PeopleDesk) -> None:
        self._bot = bot
        self._desk = desk

    @app_commands.command(name="pause", description=say("command_pause"))
    @app_commands.describe(reason=say("option_pause_reason"))
    @app_commands.default_permissions(administrator=True)
    @app_commands.allowed_contexts(guilds=True, dms=True, private_channels=False)
    async def pause(self, interaction: Interaction, reason: Range[str, 1, _REASON]) -> None:
        await self._check(interaction)
        # Shown to everybody who asks, so it is stored as it may be shown.
        shown = quoted(reason, _REASON)
        await self._desk.pause(interaction.user.id, shown)
        await tell(interaction, say("pause_done", reason=shown))

    @app_commands.command(name="resume", description=say("command_resume"))
    @app_commands.default_permissions(administrator=True)
    @app_commands.allowed_contexts(guilds=True, dms=True, private_channels=False)
    async def resume(self, interaction: Interaction) -> None:
        await self._check(interaction)
        await self._desk.resume(interaction.user.id)
        await tell(interaction, say("resume_done"))

    async def _check(self, interaction: Interaction) -> None:
        """The application's owner, or its team's admins and developers, as Discord names them."""
        if not await self._bot.is_owner(interaction.user):
            raise RefusedError("owner_only")


async def setup(bot: GenerateBot) -> None:
    await bot.add_cog(Pause(bot, bot.people_desk))
