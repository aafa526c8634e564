"""The buttons under the bot's messages. They carry the run key, so they outlive every restart."""

from __future__ import annotations

import io
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import discord
from discord.ext import commands
from discord.ui import Button, DynamicItem, Item

from bot.deployments.inputs import RepeatMode
from bot.gateway.client import GenerateBot, tell
from bot.gateway.interactions import (
    Interaction,
    check_here,
    check_overrides,
    is_user_install_only,
    member_of,
    requester_of,
)
from bot.gateway.replies import redeliver_here, send_placeholder, started
from bot.strings import say
from bot.ui.components import OutgoingMessage
from bot.ui.custom_ids import RUN_PATTERN, Action, EditForm, custom_id
from bot.ui.details import FILENAME
from bot.ui.moderation import block_modal, reject_modal
from cogs.edit import open_edit
from cogs.reviews import is_report, report_card_error, show_card
from cogs.use_as_input import offer_pictures, pictures_of

Press = Callable[[Interaction, str], Awaitable[None]]


class RunButton(DynamicItem[Button[Any]], template=RUN_PATTERN):
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
            await report_card_error(interaction, self.key, error)


async def _cancel(interaction: Interaction, key: str) -> None:
    moderates = interaction.permissions.manage_messages and not is_user_install_only(interaction)
    moderated = interaction.channel_id if moderates else None
    await interaction.client.desk.cancel(key, interaction.user.id, moderated=moderated)
    # The status message itself says that it is being cancelled.
    await interaction.response.defer()


async def _again(interaction: Interaction, key: str, repeat: RepeatMode = RepeatMode.ONE) -> None:
    desk = interaction.client.desk
    check_here(interaction)
    await check_overrides(interaction)
    run, dropped = await desk.again(key, requester_of(interaction, desk.now()), repeat)
    await started(interaction, run, dropped)


async def _repeat(interaction: Interaction, key: str) -> None:
    await _again(interaction, key, RepeatMode.ALL)


async def _vary(interaction: Interaction, key: str) -> None:
    await _again(interaction, key, RepeatMode.VARIED)


async def _post(interaction: Interaction, key: str) -> None:
    await redeliver_here(interaction, key)
    if is_user_install_only(interaction):
        await send_placeholder(interaction, key)
    else:
        await tell(interaction, say("post_noted"))


async def _approve(interaction: Interaction, key: str) -> None:
    reviews = interaction.client.reviews
    part = await reviews.approve(key, member_of(interaction), interaction.guild_id)
    await show_card(interaction, part)


async def _reject(interaction: Interaction, key: str) -> None:
    await interaction.client.reviews.check_open(key, member_of(interaction), interaction.guild_id)
    await interaction.response.send_modal(reject_modal(key))


async def _block(interaction: Interaction, key: str) -> None:
    await interaction.client.reviews.subject(key, member_of(interaction), interaction.guild_id)
    await interaction.response.send_modal(block_modal(key))


async def _delete(interaction: Interaction, key: str) -> None:
    reviews, by_card = interaction.client.reviews, is_report(interaction, key)
    part = await reviews.delete(key, member_of(interaction), interaction.guild_id, by_card=by_card)
    await _deleted(interaction, part, by_card=by_card)


async def _clear(interaction: Interaction, key: str) -> None:
    reviews, by_card = interaction.client.reviews, is_report(interaction, key)
    part = await reviews.delete_all(key, member_of(interaction), interaction.guild_id, by_card=by_card)
    await _deleted(interaction, part, by_card=by_card)


async def _deleted(interaction: Interaction, part: OutgoingMessage, *, by_card: bool) -> None:
    """`part` is a report's card as it looks afterwards."""
    if by_card:
        await show_card(interaction, part, keep_files=False)
    elif is_user_install_only(interaction):
        await interaction.response.defer()
        await interaction.delete_original_response()
    else:
        await tell(interaction, say("delete_noted"))


async def _report(interaction: Interaction, key: str) -> None:
    requester = requester_of(interaction, interaction.client.desk.now())
    heard = await interaction.client.reviews.report(key, requester)
    await tell(interaction, say("report_noted" if heard else "report_looked_at"))


async def _dismiss(interaction: Interaction, key: str) -> None:
    part = await interaction.client.reviews.dismiss(key, member_of(interaction), interaction.guild_id)
    await show_card(interaction, part, keep_files=False)


async def _edit(interaction: Interaction, key: str) -> None:
    await open_edit(interaction, EditForm(key))


async def _use(interaction: Interaction, key: str) -> None:
    if interaction.message is not None:
        await offer_pictures(interaction, interaction.message, key)


async def show_details(interaction: discord.Interaction[GenerateBot], key: str) -> None:
    bot = interaction.client
    found = await bot.edits.details(key, requester_of(interaction, bot.desk.now()))
    files = [discord.File(io.BytesIO(found.file.encode()), FILENAME)] if found.file is not None else []
    await interaction.response.send_message(
        view=found.layout,
        files=files,
        ephemeral=True,
        allowed_mentions=discord.AllowedMentions.none(),
    )


async def show_one(interaction: discord.Interaction[GenerateBot], key: str) -> None:
    """Its pictures and its own buttons, which work on it alone."""
    bot = interaction.client
    message = interaction.message
    pictures = [url for url in pictures_of(message) if f"-{key}-" in url] if message is not None else []
    layout = await bot.edits.one_of_several(key, pictures, requester_of(interaction, bot.desk.now()))
    await interaction.response.send_message(
        view=layout, ephemeral=True, allowed_mentions=discord.AllowedMentions.none()
    )


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
    Action.PICK: show_one,
    Action.REPEAT: _repeat,
    Action.CLEAR: _clear,
    Action.VARY: _vary,
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
