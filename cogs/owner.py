"""`/pause`, `/resume` and `/reload`, for the bot's owner."""

from __future__ import annotations

from collections.abc import Sequence

from discord import app_commands
from discord.app_commands import Range
from discord.ext import commands

from bot.deployments.catalogue import ReloadResult
from bot.domain.errors import RefusedError, StartupError
from bot.domain.text import escape_line, shorten
from bot.gateway.client import GenerateBot, tell
from bot.gateway.interactions import Interaction
from bot.services.moderation import blocks
from bot.strings import say

_REASON = 300


class Owner(commands.Cog):
    """The commands, shown to administrators, and to others only in direct messages."""

    @app_commands.command(
        name="pause", description="For the bot's owner: accept and start nothing, on every server"
    )
    @app_commands.describe(reason="The reason, shown to everybody who requests something")
    @app_commands.default_permissions(administrator=True)
    async def pause(self, interaction: Interaction, reason: Range[str, 1, _REASON]) -> None:
        await _require_owner(interaction)
        # Every refused requester sees the reason, so it is stored in the form that may be shown.
        shown = escape_line(reason, _REASON)
        await blocks.pause(interaction.client.app, interaction.user.id, shown)
        await tell(interaction, say("pause_done", reason=shown))

    @app_commands.command(name="resume", description="For the bot's owner: accept requests again")
    @app_commands.default_permissions(administrator=True)
    async def resume(self, interaction: Interaction) -> None:
        await _require_owner(interaction)
        await blocks.resume(interaction.client.app, interaction.user.id)
        await tell(interaction, say("resume_done"))

    @app_commands.command(name="reload", description="For the bot's owner: read deployments.toml again")
    @app_commands.default_permissions(administrator=True)
    async def reload(self, interaction: Interaction) -> None:
        await _require_owner(interaction)
        # ComfyDeploy is asked about each deployment, which takes longer than Discord waits.
        await interaction.response.defer(ephemeral=True, thinking=True)
        try:
            found = await interaction.client.app.reloader.reload()
        except StartupError as error:
            await tell(interaction, broken_text(error.mistakes))
            return
        await tell(interaction, reloaded_text(found))


async def _require_owner(interaction: Interaction) -> None:
    """Raise RefusedError unless the user owns the application or is an admin or developer of its team."""
    if not await interaction.client.is_owner(interaction.user):
        raise RefusedError("owner_only")


_NAMES = 600
_LINE = 300
_LINES = 5
_MESSAGE_LENGTH = 1900


def reloaded_text(found: ReloadResult) -> str:
    """Return the result of a reload, within a message's 2,000 characters."""
    lines = [say(f"reload_{word}", names=_names(names)) for word, names in found.names.items()]
    lines = ["I have read the deployments again.", *(lines or ["Nothing has changed."])]
    if not found.synced:
        lines.append(say("reload_unsynced"))
    if found.warnings:
        lines += [say("reload_warnings"), *_listed(found.warnings, _MESSAGE_LENGTH - len("\n".join(lines)))]
    return "\n".join(lines)


def broken_text(mistakes: Sequence[str]) -> str:
    """Return the reasons why nothing was changed, with text from the file escaped."""
    return "\n".join([say("reload_broken"), *_listed(mistakes, _MESSAGE_LENGTH)])


def _listed(sentences: Sequence[str], space: int) -> list[str]:
    """Return a line for each of the first sentences that fit in `space` characters.

    If sentences are left out, the last line says how many.
    """
    lines: list[str] = []
    for sentence in sentences[:_LINES]:
        line = f"- {escape_line(sentence, _LINE)}"
        space -= len(line) + 1
        if space < 100:
            break
        lines.append(line)
    if len(sentences) > len(lines):
        lines.append(f"And {len(sentences) - len(lines)} more, which `python -m bot check` lists.")
    return lines


def _names(names: Sequence[str]) -> str:
    return shorten(", ".join(f"`{name}`" for name in names), _NAMES)


async def setup(bot: GenerateBot) -> None:
    await bot.add_cog(Owner())
