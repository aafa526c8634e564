"""Use as input: a picture of any message becomes the input of a new request."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import discord
from discord import app_commands
from discord.ext import commands
from discord.ui import DynamicItem, Item

from bot.deployments.revision import FormValue
from bot.deployments.validation import AttachedFile, check_file
from bot.domain.backend import InputKind
from bot.domain.errors import BotError, InputError, RefusedError
from bot.gateway.client import GenerateBot
from bot.gateway.dynamic_items import (
    custom_ids,
    form_values,
    reporting_errors,
    selected_values,
    submitted_form,
)
from bot.gateway.interactions import Interaction, requester_of
from bot.gateway.replies import check_start, started
from bot.strings import explain, say
from bot.ui.custom_ids import RUN_PATTERN, USE_PATTERN, UseForm, use_form
from bot.ui.edit_forms import form_modal, pictures_layout, refused_layout

_MOST = 10


async def offer_pictures(interaction: Interaction, message: discord.Message, parent: str = "") -> None:
    """An ephemeral message with the pictures and where each can go."""
    await check_start(interaction)
    takers = interaction.client.services.editing.taking_pictures()
    pictures = pictures_of(message) if message.author == interaction.client.user else attached_to(message)
    if not pictures:
        raise RefusedError("use_no_picture")
    layout = pictures_layout(
        pictures,
        takers,
        form_id=lambda name, index: UseForm(name, index, parent).custom_id,
        select_id=lambda index: UseForm("", index, parent).custom_id,
    )
    await interaction.response.send_message(view=layout, ephemeral=True)


def pictures_of(message: discord.Message) -> list[str]:
    """The links of the pictures in a message of ours: attached ones, else those of a gallery."""
    shown = [item.media.url for item in _gallery_items(message.components) if _is_shown_picture(item.media)]
    return attached_to(message) or shown[:_MOST]


def attached_to(message: discord.Message) -> list[str]:
    """The links of the pictures that anybody attached. Another application's gallery may name any address,
    with another picture behind it once a moderator has agreed to this one."""
    return [each.url for each in message.attachments if _is_picture(each)][:_MOST]


def _is_picture(attachment: discord.Attachment) -> bool:
    file = AttachedFile(attachment.url, attachment.filename, attachment.content_type, attachment.size)
    try:
        check_file(InputKind.IMAGE, "image", file)
    except InputError:
        return False
    return True


def _is_shown_picture(media: discord.UnfurledMediaItem) -> bool:
    return media.url.startswith("https://") and (media.content_type or "image/").startswith("image/")


def _gallery_items(components: Any) -> Iterator[discord.MediaGalleryItem]:
    for component in components:
        if isinstance(component, discord.MediaGalleryComponent):
            yield from component.items
        yield from _gallery_items(getattr(component, "children", ()))


def _key_of(message: discord.Message) -> str:
    """The run that a message of ours shows, read off its buttons."""
    found = RUN_PATTERN.search(" ".join(custom_ids(message.components)))
    return found["key"] if found else ""


class UseItem(DynamicItem[Item[Any]], template=USE_PATTERN):
    """The button or the select under a picture, and *Edit again*."""

    def __init__(self, item: Item[Any], form: UseForm) -> None:
        super().__init__(item)
        self.form = form

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: Item[Any], match: re.Match[str], /
    ) -> UseItem:
        return cls(item, use_form(match))

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        async with reporting_errors(interaction):
            chosen = next(iter(selected_values(interaction)), self.form.deployment)
            form = UseForm(chosen, self.form.index, self.form.parent, self.form.draft)
            await check_start(interaction)
            editing = interaction.client.services.editing
            inputs = editing.picture_form(form.deployment, form.draft, requester_of(interaction))
            modal = form_modal(form.custom_id, inputs.title, inputs.fields)
            await interaction.response.send_modal(modal)


class UseAsInput(commands.Cog):
    """The message menu, where a deployment takes pictures; and the forms that are sent."""

    def __init__(self, bot: GenerateBot) -> None:
        self._bot = bot
        self._menu = app_commands.ContextMenu(name=say("use_menu"), callback=self._chosen)

    async def cog_load(self) -> None:
        self._bot.add_dynamic_items(UseItem)
        try:
            self._bot.services.editing.taking_pictures()
        except RefusedError:
            return
        self._bot.tree.add_command(self._menu)

    async def cog_unload(self) -> None:
        self._bot.remove_dynamic_items(UseItem)
        self._bot.tree.remove_command(self._menu.name, type=self._menu.type)

    async def _chosen(self, interaction: Interaction, message: discord.Message) -> None:
        ours = message.author.id == interaction.application_id
        await offer_pictures(interaction, message, _key_of(message) if ours else "")

    @commands.Cog.listener()
    async def on_interaction(self, interaction: Interaction) -> None:
        match = submitted_form(interaction, USE_PATTERN)
        if match is None:
            return
        async with reporting_errors(interaction):
            form = use_form(match)
            earlier = self._bot.services.editing.draft(form.draft, interaction.user.id)
            await _send(interaction, form, {**earlier, **form_values(interaction)})


async def _send(interaction: Interaction, form: UseForm, typed: Mapping[str, FormValue]) -> None:
    """The picture stands in the message that the form was opened from."""
    editing = interaction.client.services.editing
    message = interaction.message
    found = pictures_of(message) if message is not None else []
    if form.index >= len(found):
        raise RefusedError("use_stale")
    picture = found[form.index]
    try:
        await check_start(interaction)
        run, dropped = await editing.submit_picture(
            form.deployment,
            picture,
            typed,
            requester_of(interaction),
            parent_key=form.parent or None,
        )
    except BotError as error:
        draft = editing.keep_draft(interaction.user.id, typed)
        again = UseForm(form.deployment, 0, form.parent, draft)
        layout = refused_layout(explain(error), again.custom_id, picture)
        await interaction.response.send_message(view=layout, ephemeral=True)
        return
    await started(interaction, run, dropped)


async def setup(bot: GenerateBot) -> None:
    await bot.add_cog(UseAsInput(bot))
