"""The buttons under the bot's messages. They carry the run key, so they outlive every restart."""

from __future__ import annotations

import re
from typing import Any

import discord
from discord.ext import commands
from discord.ui import Button, DynamicItem, Item

from bot.buttons import PATTERN, Action, custom_id
from bot.client import GenerateBot, tell, tell_error
from bot.desk import FrontDesk
from bot.preflight import check_place
from bot.words import say
from cogs.answers import answer
from cogs.origin import origin_of

Interaction = discord.Interaction[GenerateBot]


class RunButton(DynamicItem[Button[Any]], template=PATTERN):
    """Any button of a run, recognised by its custom_id."""

    def __init__(self, button: Button[Any], key: str, action: Action) -> None:
        super().__init__(button)
        self.key = key
        self.action = action

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: Item[Any], match: re.Match[str], /
    ) -> RunButton:
        key, action = match["key"], Action(match["action"])
        button: Button[Any] = item if isinstance(item, Button) else Button(custom_id=custom_id(key, action))
        return cls(button, key, action)

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        desk: FrontDesk = interaction.client.desk
        try:
            await _ACTIONS[self.action](interaction, desk, self.key)
        except Exception as error:  # a view's errors never reach the tree's handler
            await tell_error(interaction, error)


async def _cancel(interaction: Interaction, desk: FrontDesk, key: str) -> None:
    moderator = interaction.permissions.manage_messages
    await desk.cancel(key, interaction.user.id, moderator=moderator)
    await tell(interaction, say("cancel_noted"))


async def _again(interaction: Interaction, desk: FrontDesk, key: str) -> None:
    check_place(interaction.channel, interaction.app_permissions)
    run = await desk.again(key, interaction.user.id, origin_of(interaction, desk.now()))
    await answer(interaction, desk, run)


async def _post(interaction: Interaction, desk: FrontDesk, key: str) -> None:
    check_place(interaction.channel, interaction.app_permissions)
    await desk.post_again(key, interaction.user.id, origin_of(interaction, desk.now()))
    await tell(interaction, say("post_noted"))


_ACTIONS = {Action.CANCEL: _cancel, Action.AGAIN: _again, Action.POST: _post}


class Buttons(commands.Cog):
    """Registers the buttons while it is loaded."""

    def __init__(self, bot: GenerateBot) -> None:
        self._bot = bot

    async def cog_load(self) -> None:
        self._bot.add_dynamic_items(RunButton)

    async def cog_unload(self) -> None:
        self._bot.remove_dynamic_items(RunButton)


async def setup(bot: GenerateBot) -> None:
    await bot.add_cog(Buttons(bot))
