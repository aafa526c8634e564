"""`/reload`: the bot's owner has the deployments read again."""

from __future__ import annotations

from discord import app_commands
from discord.ext import commands

from bot.client import GenerateBot, tell
from bot.deployments.catalogue import Reloader
from bot.domain.errors import RefusedError, StartupError
from bot.messages.reloaded import broken_text, reloaded_text
from bot.strings import say
from cogs.asker import Interaction


class Reload(commands.Cog):
    """Hidden from who isn't an administrator; in direct messages with the bot an owner finds it always."""

    def __init__(self, bot: GenerateBot, reloader: Reloader) -> None:
        self._bot = bot
        self._reloader = reloader

    @app_commands.command(name="reload", description=say("command_reload"))
    @app_commands.default_permissions(administrator=True)
    @app_commands.allowed_contexts(guilds=True, dms=True, private_channels=False)
    async def reload(self, interaction: Interaction) -> None:
        if not await self._bot.is_owner(interaction.user):
            raise RefusedError("owner_only")
        # ComfyDeploy is asked about each deployment, which takes longer than Discord waits.
        await interaction.response.defer(ephemeral=True, thinking=True)
        try:
            found = await self._reloader.reload()
        except StartupError as error:
            await tell(interaction, broken_text(error.mistakes))
            return
        await tell(interaction, reloaded_text(found))


async def setup(bot: GenerateBot) -> None:
    await bot.add_cog(Reload(bot, bot.reloader))
