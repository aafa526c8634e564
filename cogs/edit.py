"""Edit: a form with an earlier run's inputs, whose answer is a request of the person who sends it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any

import aiohttp
import discord
from discord.ext import commands
from discord.ui import DynamicItem, Item

from bot.deployments.revision import FormValue
from bot.deployments.validation import AttachedFile
from bot.domain.errors import BotError, InputError, RefusedError
from bot.gateway.client import GenerateBot
from bot.gateway.dynamic_items import form_values, reporting_errors, submitted_form
from bot.gateway.interactions import Interaction, requester_of
from bot.gateway.replies import check_start, started
from bot.strings import explain
from bot.ui.custom_ids import EDIT_PATTERN, EditForm, edit_form
from bot.ui.edit_forms import TEXT_FILE, form_modal, ready_layout, refused_layout

_TEXT_BYTES = 64 * 1024
_READ_SECONDS = 10


async def open_edit(interaction: Interaction, form: EditForm) -> None:
    editing = interaction.client.services.editing
    await check_start(interaction)
    inputs = await editing.form(form.key, form.draft, requester_of(interaction))
    modal = form_modal(EditForm(form.key, form.draft).custom_id, inputs.title, inputs.fields)
    await interaction.response.send_modal(modal)


class EditAgain(DynamicItem[Item[Any]], template=EDIT_PATTERN):
    """*Edit again* and *Send*, under a form that was not taken at once."""

    def __init__(self, item: Item[Any], form: EditForm) -> None:
        super().__init__(item)
        self.form = form

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: Item[Any], match: re.Match[str], /
    ) -> EditAgain:
        return cls(item, edit_form(match))

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        async with reporting_errors(interaction):
            await (_send_draft if self.form.send else open_edit)(interaction, self.form)


class Edit(commands.Cog):
    """The buttons while it is loaded, and the forms that are sent."""

    def __init__(self, bot: GenerateBot) -> None:
        self._bot = bot

    async def cog_load(self) -> None:
        self._bot.add_dynamic_items(EditAgain)

    async def cog_unload(self) -> None:
        self._bot.remove_dynamic_items(EditAgain)

    @commands.Cog.listener()
    async def on_interaction(self, interaction: Interaction) -> None:
        match = submitted_form(interaction, EDIT_PATTERN)
        if match is None:
            return
        async with reporting_errors(interaction):
            form = edit_form(match)
            earlier = self._bot.services.editing.draft(form.draft, interaction.user.id)
            typed = {**earlier, **form_values(interaction)}
            if _uploaded_texts(typed):
                await _read(interaction, form, typed)
            else:
                await _send(interaction, form, typed)


async def _send_draft(interaction: Interaction, form: EditForm) -> None:
    typed = interaction.client.services.editing.draft(form.draft, interaction.user.id)
    if not typed:
        raise RefusedError("edit_forgotten")
    await _send(interaction, form, typed)


async def _send(interaction: Interaction, form: EditForm, typed: Mapping[str, FormValue]) -> None:
    editing = interaction.client.services.editing
    try:
        await check_start(interaction)
        run, dropped = await editing.resubmit(form.key, typed, requester_of(interaction))
    except BotError as error:
        draft = editing.keep_draft(interaction.user.id, typed)
        layout = refused_layout(explain(error), EditForm(form.key, draft).custom_id)
        await interaction.response.send_message(view=layout, ephemeral=True)
        return
    await started(interaction, run, dropped)


async def _read(interaction: Interaction, form: EditForm, typed: dict[str, FormValue]) -> None:
    """Reading takes its time, so it is acknowledged first; then the person says whether to send it."""
    await interaction.response.defer(ephemeral=True, thinking=True)
    editing = interaction.client.services.editing
    try:
        for name, file in _uploaded_texts(typed).items():
            del typed[name + TEXT_FILE]
            typed[name] = await _text(interaction, name, file)
    except BotError as error:
        draft = editing.keep_draft(interaction.user.id, typed)
        layout = refused_layout(explain(error), EditForm(form.key, draft).custom_id)
    else:
        draft = editing.keep_draft(interaction.user.id, typed)
        again, send = EditForm(form.key, draft), EditForm(form.key, draft, send=True)
        layout = ready_layout(again.custom_id, send.custom_id)
    await interaction.followup.send(view=layout, ephemeral=True)


def _uploaded_texts(typed: Mapping[str, FormValue]) -> dict[str, AttachedFile]:
    """By option name; see `TEXT_FILE`."""
    return {
        name.removesuffix(TEXT_FILE): value[0]
        for name, value in typed.items()
        if isinstance(value, tuple) and name.endswith(TEXT_FILE)
    }


async def _text(interaction: Interaction, name: str, file: AttachedFile) -> str:
    """Raises InputError."""
    if file.size > _TEXT_BYTES:
        raise InputError("edit_text_too_large", option=name, limit_kib=_TEXT_BYTES // 1024)
    try:
        async with asyncio.timeout(_READ_SECONDS):
            content = await interaction.client.http.get_from_cdn(file.url)
    except (discord.HTTPException, aiohttp.ClientError, TimeoutError, OSError) as error:
        raise InputError("edit_unread", str(error), option=name) from error
    try:
        return content.decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise InputError("edit_not_text", option=name) from error


async def setup(bot: GenerateBot) -> None:
    await bot.add_cog(Edit(bot))
