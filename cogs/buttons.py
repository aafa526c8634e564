"""The buttons under the bot's messages. They carry the run key, so they outlive every restart."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import discord
from discord.ext import commands
from discord.ui import Button, DynamicItem, Item

from bot.buttons import PATTERN, Action, custom_id
from bot.client import GenerateBot, tell, tell_error
from bot.edit_ids import EditForm
from bot.preflight import check_place
from bot.words import say
from cogs.answers import answer
from cogs.asker import asker_of, check_overrides, person_of
from cogs.cards import show_card
from cogs.details import show_details
from cogs.edit import open_edit
from cogs.modals import block_modal, reject_modal
from cogs.use_as_input import offer_pictures

Interaction = discord.Interaction[GenerateBot]
Press = Callable[[Interaction, str], Awaitable[None]]


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
        try:
            await _PRESSES[self.action](interaction, self.key)
        except Exception as error:  # a view's errors never reach the tree's handler
            await tell_error(interaction, error)


async def _cancel(interaction: Interaction, key: str) -> None:
    moderator = interaction.permissions.manage_messages
    await interaction.client.desk.cancel(key, interaction.user.id, moderator=moderator)
    # The status message itself says that it is being cancelled.
    await interaction.response.defer()


async def _again(interaction: Interaction, key: str) -> None:
    desk = interaction.client.desk
    check_place(interaction.channel, interaction.app_permissions)
    await check_overrides(interaction)
    run = await desk.again(key, asker_of(interaction, desk.now()))
    await answer(interaction, desk, run)


async def _post(interaction: Interaction, key: str) -> None:
    desk = interaction.client.desk
    check_place(interaction.channel, interaction.app_permissions)
    await desk.post_again(key, asker_of(interaction, desk.now()))
    await tell(interaction, say("post_noted"))


async def _approve(interaction: Interaction, key: str) -> None:
    reviews = interaction.client.reviews
    part = await reviews.approve(key, person_of(interaction), interaction.guild_id)
    await show_card(interaction, part)


async def _reject(interaction: Interaction, key: str) -> None:
    await interaction.client.reviews.check_open(key, person_of(interaction), interaction.guild_id)
    await interaction.response.send_modal(reject_modal(key))


async def _block(interaction: Interaction, key: str) -> None:
    await interaction.client.reviews.subject(key, person_of(interaction), interaction.guild_id)
    await interaction.response.send_modal(block_modal(key))


async def _delete(interaction: Interaction, key: str) -> None:
    reviews = interaction.client.reviews
    part = await reviews.delete(key, person_of(interaction), interaction.guild_id)
    if _is_report(interaction):
        await show_card(interaction, part)
    else:
        await tell(interaction, say("delete_noted"))


async def _report(interaction: Interaction, key: str) -> None:
    asker = asker_of(interaction, interaction.client.desk.now())
    await interaction.client.reviews.report(key, asker)
    await tell(interaction, say("report_noted"))


async def _dismiss(interaction: Interaction, key: str) -> None:
    reviews = interaction.client.reviews
    await show_card(interaction, await reviews.dismiss(key, person_of(interaction), interaction.guild_id))


async def _edit(interaction: Interaction, key: str) -> None:
    await open_edit(interaction, EditForm(key))


async def _use(interaction: Interaction, key: str) -> None:
    if interaction.message is not None:
        await offer_pictures(interaction, interaction.message, key)


def _is_report(interaction: Interaction) -> bool:
    """A report's card is the only message whose Delete stands beside Dismiss."""
    message = interaction.message
    return message is not None and f":{Action.DISMISS.value}" in str(_ids(message.components))


def _ids(components: Any) -> list[str]:
    found: list[str] = []
    for component in components:
        found.append(getattr(component, "custom_id", None) or "")
        found += _ids(getattr(component, "children", ()))
    return found


_PRESSES: Mapping[Action, Press] = {
    Action.CANCEL: _cancel,
    Action.AGAIN: _again,
    Action.POST: _post,
    Action.APPROVE: _approve,
    Action.REJECT: _reject,
    Action.BLOCK: _block,
    Action.DELETE: _delete,
    Action.REPORT: _report,
    Action.DISMISS: _dismiss,
    Action.EDIT: _edit,
    Action.DETAILS: show_details,
    Action.USE: _use,
}


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
