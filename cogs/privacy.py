"""`/privacy`: one's own data, to take along and to delete."""

from __future__ import annotations

import io
import re
from typing import Any

import discord
from discord import ButtonStyle, app_commands
from discord.ext import commands
from discord.ui import Button, DynamicItem, Item, View

from bot.domain.errors import RefusedError
from bot.domain.records import Erased
from bot.gateway.client import GenerateBot
from bot.gateway.dynamic_items import button_of, reporting_errors
from bot.gateway.interactions import Interaction
from bot.services.privacy import PrivacyService
from bot.strings import say

_NAMED = 10


def erased_text(erased: Erased) -> str:
    """What became of a wish to delete, and what was left."""
    done = say("erase_done", count=erased.emptied)
    if not erased.left:
        return done
    keys = ", ".join(f"`{run.key}`" for run in erased.left[:_NAMED])
    if len(erased.left) > _NAMED:
        keys = say("erase_left_more", keys=keys, more=len(erased.left) - _NAMED)
    return f"{done}\n{say('erase_left', keys=keys)}"


_PATTERN = re.compile(r"erase:(?P<person>\d{1,20})")


class EraseButton(DynamicItem[Button[Any]], template=_PATTERN):
    """The second yes before anything is deleted; it counts for the person it was shown to."""

    def __init__(self, button: Button[Any], user_id: int) -> None:
        super().__init__(button)
        self.user_id = user_id

    @classmethod
    async def from_custom_id(
        cls, _interaction: discord.Interaction[Any], item: Item[Any], match: re.Match[str], /
    ) -> EraseButton:
        return cls(button_of(item, match), int(match["person"]))

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        service: PrivacyService = interaction.client.services.privacy
        async with reporting_errors(interaction):
            await self._erase(interaction, service)

    async def _erase(self, interaction: Interaction, service: PrivacyService) -> None:
        if interaction.user.id != self.user_id:
            raise RefusedError("not_yours")
        await interaction.response.defer()
        erased = await service.erase(interaction.user.id)
        await interaction.edit_original_response(content=erased_text(erased), view=None)


@app_commands.allowed_contexts(guilds=True, dms=True, private_channels=False)
class Privacy(
    commands.GroupCog,
    group_name="privacy",
    group_description=say("command_privacy"),
):
    """Also in direct messages: who has left every server keeps this right."""

    def __init__(self, bot: GenerateBot, service: PrivacyService) -> None:
        super().__init__()
        self._bot = bot
        self._service = service

    async def cog_load(self) -> None:
        self._bot.add_dynamic_items(EraseButton)

    async def cog_unload(self) -> None:
        self._bot.remove_dynamic_items(EraseButton)

    @app_commands.command(name="export", description=say("command_privacy_export"))
    async def export(self, interaction: Interaction) -> None:
        await interaction.response.defer(ephemeral=True, thinking=True)
        made = await self._service.export(interaction.user.id)
        await interaction.followup.send(
            say("export_cut" if made.cut else "export_done"),
            file=discord.File(io.BytesIO(made.data), "my-data.json"),
            ephemeral=True,
        )

    @app_commands.command(name="delete", description=say("command_privacy_delete"))
    async def delete(self, interaction: Interaction) -> None:
        view = View(timeout=None)
        view.add_item(
            Button(
                label=say("erase_button"),
                style=ButtonStyle.danger,
                custom_id=f"erase:{interaction.user.id}",
            )
        )
        view.stop()  # answered by custom_id
        await interaction.response.send_message(say("erase_ask"), view=view, ephemeral=True)


async def setup(bot: GenerateBot) -> None:
    await bot.add_cog(Privacy(bot, bot.services.privacy))
