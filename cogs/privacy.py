"""`/privacy` exports and erases a user's own data."""

from __future__ import annotations

import io
from collections.abc import Callable

import discord
from discord import ButtonStyle, app_commands
from discord.ext import commands

from bot.domain.errors import RefusedError
from bot.domain.runs import Erased
from bot.domain.text import escape_line
from bot.gateway.client import GenerateBot
from bot.gateway.interactions import Interaction
from bot.services import privacy
from bot.strings import counted, say
from bot.ui.custom_ids import EraseId
from bot.ui.message_parts import button, view_of
from bot.ui.runs import LABEL_LENGTH, run_label

_LISTED = 3


def erased_text(erased: Erased, title: Callable[[str], str]) -> str:
    """Return a text with the numbers of erased requests and presets, and the remaining requests by name."""
    lines = [counted("erase_done", erased.emptied)]
    if erased.presets:
        lines.append(counted("erase_presets", erased.presets))
    if erased.left:
        names = [escape_line(run_label(run, title), LABEL_LENGTH) for run in erased.left[:_LISTED]]
        if more := len(erased.left) - len(names):
            names.append(f"and {more} more")
        lines.append(say("erase_left", requests="\n".join(f"- {name}" for name in names)))
    return "\n".join(lines)


async def _erase(interaction: Interaction, id: EraseId) -> None:
    """Erase the user's data. Only the user to whom the button was shown can press it."""
    if interaction.user.id != id.user_id:
        raise RefusedError("not_yours")
    await interaction.response.defer()
    erased = await privacy.erase(interaction.client.app, interaction.user.id)
    await interaction.edit_original_response(
        content=erased_text(erased, interaction.client.app.catalogue.title), view=None
    )


class Privacy(
    commands.GroupCog, group_name="privacy", group_description="Get or delete what the bot keeps about you"
):
    """The subcommands of `/privacy`. They are also available in direct messages, so that users who have left
    every server can still export and erase their data.
    """

    @app_commands.command(name="export", description="Get what the bot keeps about you, as a file")
    async def export(self, interaction: Interaction) -> None:
        await interaction.response.defer(ephemeral=True, thinking=True)
        export = await privacy.export(interaction.client.app, interaction.user.id)
        await interaction.followup.send(
            say("export_cut" if export.cut else "export_done"),
            file=discord.File(io.BytesIO(export.data), "my-data.jsonl"),
            ephemeral=True,
        )

    @app_commands.command(
        name="delete", description="Delete your prompts, inputs and outputs from the bot's database"
    )
    async def delete(self, interaction: Interaction) -> None:
        erase = button("Delete my data", EraseId(interaction.user.id), ButtonStyle.danger)
        view = view_of([[erase]])
        await interaction.response.send_message(say("erase_ask"), view=view, ephemeral=True)


async def setup(bot: GenerateBot) -> None:
    bot.add_press(EraseId, _erase)
    await bot.add_cog(Privacy())
