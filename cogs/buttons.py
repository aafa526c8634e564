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
from bot.deployments.model import deployment_of
from bot.gateway.client import GenerateBot, tell
from bot.gateway.interactions import Interaction, is_user_install_only, member_of, requester_of
from bot.gateway.replies import check_start, redeliver_here, send_placeholder, started
from bot.services.reviews import ReviewedRun
from bot.strings import say
from bot.ui.custom_ids import RUN_PATTERN, Action, EditForm, custom_id
from bot.ui.details import FILENAME, details
from bot.ui.follow_ups import follow_ups_for
from bot.ui.moderation import block_modal, reject_modal
from bot.ui.results import single_layout
from cogs.edit import open_edit
from cogs.reviews import close_report, is_report, report_card_error, show_decision
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
    await interaction.client.services.runs.cancel(key, interaction.user.id, moderated=moderated)
    # The status message itself says that it is being cancelled.
    await interaction.response.defer()


async def _again(interaction: Interaction, key: str, repeat: RepeatMode = RepeatMode.ONE) -> None:
    await check_start(interaction)
    generation = interaction.client.services.generation
    run, dropped = await generation.repeat(key, requester_of(interaction), repeat)
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
    reviews = interaction.client.services.reviews
    reviewed = await reviews.approve(key, member_of(interaction), interaction.guild_id)
    await show_decision(interaction, reviewed)


async def _reject(interaction: Interaction, key: str) -> None:
    await interaction.client.services.reviews.check_open(key, member_of(interaction), interaction.guild_id)
    await interaction.response.send_modal(reject_modal(key))


async def _block(interaction: Interaction, key: str) -> None:
    await interaction.client.services.reviews.requester_id(key, member_of(interaction), interaction.guild_id)
    await interaction.response.send_modal(block_modal(key))


async def _delete(interaction: Interaction, key: str) -> None:
    reviews, by_card = interaction.client.services.reviews, is_report(interaction, key)
    reviewed = await reviews.delete(key, member_of(interaction), interaction.guild_id, by_card=by_card)
    await _deleted(interaction, reviewed, by_card=by_card)


async def _clear(interaction: Interaction, key: str) -> None:
    reviews, by_card = interaction.client.services.reviews, is_report(interaction, key)
    reviewed = await reviews.delete_all(key, member_of(interaction), interaction.guild_id, by_card=by_card)
    await _deleted(interaction, reviewed, by_card=by_card)


async def _deleted(interaction: Interaction, reviewed: ReviewedRun, *, by_card: bool) -> None:
    """Close the report if the button is on its card; otherwise confirm the deletion."""
    if by_card:
        person = interaction.user.id
        gone = reviewed.already_deleted
        verdict = say("report_gone") if gone else say("report_deleted", person=person)
        await close_report(interaction, reviewed, verdict)
    elif is_user_install_only(interaction):
        await interaction.response.defer()
        await interaction.delete_original_response()
    else:
        await tell(interaction, say("delete_noted"))


async def _report(interaction: Interaction, key: str) -> None:
    is_new = await interaction.client.services.reviews.report(key, requester_of(interaction))
    await tell(interaction, say("report_noted" if is_new else "report_looked_at"))


async def _dismiss(interaction: Interaction, key: str) -> None:
    reviews = interaction.client.services.reviews
    reviewed = await reviews.dismiss(key, member_of(interaction), interaction.guild_id)
    await close_report(interaction, reviewed, say("report_dismissed", person=interaction.user.id))


async def _edit(interaction: Interaction, key: str) -> None:
    await open_edit(interaction, EditForm(key))


async def _use(interaction: Interaction, key: str) -> None:
    if interaction.message is not None:
        await offer_pictures(interaction, interaction.message, key)


async def show_details(interaction: discord.Interaction[GenerateBot], key: str) -> None:
    services = interaction.client.services
    catalogue = services.catalogue
    run = await services.editing.visible_run(key, requester_of(interaction))
    deployment = deployment_of(run, catalogue.all())
    found = details(run, catalogue.title(run.deployment), deployment, catalogue.plan)
    files = [discord.File(io.BytesIO(found.file.encode()), FILENAME)] if found.file is not None else []
    await interaction.response.send_message(
        view=found.layout,
        files=files,
        ephemeral=True,
        allowed_mentions=discord.AllowedMentions.none(),
    )


async def show_one(interaction: discord.Interaction[GenerateBot], key: str) -> None:
    """Its pictures and its own buttons, which work on it alone."""
    services = interaction.client.services
    catalogue = services.catalogue
    message = interaction.message
    pictures = [url for url in pictures_of(message) if f"-{key}-" in url] if message is not None else []
    run = await services.editing.visible_run(key, requester_of(interaction))
    title, follow_ups = catalogue.title(run.deployment), follow_ups_for(run, catalogue.all())
    layout = single_layout(run, title, pictures, follow_ups)
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
