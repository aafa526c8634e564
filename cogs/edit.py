"""*Edit* opens a form with an earlier run's inputs, and starts a run for the user who submits the form."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import aiohttp
import discord
from discord.ui import LayoutView

from bot.deployments.form_fields import FormValue
from bot.deployments.validation import AttachedFile
from bot.domain.errors import BotError, InputError, InputErrors, PressedTwice, RefusedError
from bot.gateway.client import GenerateBot, tell
from bot.gateway.dynamic_items import PersistentItem, form_values
from bot.gateway.interactions import Interaction, requester_of
from bot.gateway.replies import check_start, start
from bot.strings import explain
from bot.ui.custom_ids import EditId
from bot.ui.edit_forms import TEXT_FILE, form_modal, ready_layout, refused_layout

_TEXT_BYTES = 64 * 1024
_READ_SECONDS = 10


async def open_edit(interaction: Interaction, id: EditId) -> None:
    """Show the form, filled with the draft's values if there is a draft, otherwise with the run's inputs."""
    editing = interaction.client.services.editing
    await check_start(interaction)
    inputs = await editing.form(id.key, id.draft, requester_of(interaction))
    modal = form_modal(EditId(id.key, id.draft).encode(), inputs.title, inputs.fields)
    await interaction.response.send_modal(modal)


class EditItem(PersistentItem[EditId], codec=EditId):
    """The buttons *Edit again* and *Send*, under the answer to a form that was not accepted immediately."""

    async def pressed(self, interaction: Interaction, id: EditId) -> None:
        await (_send_draft if id.send else open_edit)(interaction, id)


async def _submitted(interaction: Interaction, id: EditId) -> None:
    draft = interaction.client.services.editing.draft(id.draft, interaction.user.id)
    values = {**draft, **form_values(interaction)}
    await (_read_texts if _uploaded_texts(values) else _send)(interaction, id, values)


async def _send_draft(interaction: Interaction, id: EditId) -> None:
    values = interaction.client.services.editing.draft(id.draft, interaction.user.id)
    if not values:
        raise RefusedError("edit_forgotten")
    await _send(interaction, id, values)


async def _send(interaction: Interaction, id: EditId, values: dict[str, FormValue]) -> None:
    editing = interaction.client.services.editing
    try:
        await start(interaction, lambda requester: editing.resubmit(id.key, values, requester))
    except PressedTwice:
        raise
    except BotError as error:
        await _refuse(interaction, id, values, error)


async def _read_texts(interaction: Interaction, id: EditId, values: dict[str, FormValue]) -> None:
    """Read uploaded texts, then offer to send the form, or to edit it again if it has mistakes.

    The rules that don't depend on the texts are checked first. Reading takes too long for an immediate
    answer.
    """
    editing, requester = interaction.client.services.editing, requester_of(interaction)
    try:
        await check_start(interaction)
        await editing.check_before_texts(id.key, requester)
    except BotError as error:
        await _refuse(interaction, id, values, error)
        return
    await interaction.response.defer(ephemeral=True, thinking=True)
    mistakes = await _replace_files(interaction, values)
    try:
        await editing.check(id.key, values, requester)
    except InputErrors as errors:
        mistakes += errors.errors
    except BotError as error:
        mistakes = [error]
    if mistakes:
        layout = _refused(interaction, id, values, *mistakes)
    else:
        draft = editing.keep_draft(interaction.user.id, values)
        layout = ready_layout(EditId(id.key, draft).encode(), EditId(id.key, draft, send=True).encode())
    await interaction.followup.send(view=layout, ephemeral=True)


async def _replace_files(interaction: Interaction, values: dict[str, FormValue]) -> list[BotError]:
    """Replace uploaded texts by their content, and return a mistake for each text that can't be read."""
    mistakes: list[BotError] = []
    for name, file in _uploaded_texts(values).items():
        del values[name + TEXT_FILE]
        try:
            values[name] = await _download_text(interaction, name, file)
        except InputError as error:
            mistakes.append(error)
    return mistakes


async def _refuse(
    interaction: Interaction, id: EditId, values: Mapping[str, FormValue], error: BotError
) -> None:
    """Answer a form that was refused. If the request is gone, raise the error, since no other value helps."""
    if error.code in ("run_gone", "run_erased"):
        raise error
    await tell(interaction, view=_refused(interaction, id, values, error))


def _refused(
    interaction: Interaction, id: EditId, values: Mapping[str, FormValue], *errors: BotError
) -> LayoutView:
    """Keep the values as a draft, and build the answer with *Edit again*."""
    draft = interaction.client.services.editing.keep_draft(interaction.user.id, values, *errors)
    return refused_layout("\n".join(map(explain, errors)), EditId(id.key, draft).encode())


def _uploaded_texts(values: Mapping[str, FormValue]) -> dict[str, AttachedFile]:
    """Return the files that replace long texts, by option name; see `TEXT_FILE`."""
    return {
        name.removesuffix(TEXT_FILE): value[0]
        for name, value in values.items()
        if isinstance(value, tuple) and name.endswith(TEXT_FILE)
    }


async def _download_text(interaction: Interaction, name: str, file: AttachedFile) -> str:
    """Return the text of a file.

    Raises InputError if the file is too large, not text or can't be downloaded.
    """
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
    bot.add_dynamic_items(EditItem)
    bot.add_form(EditId, _submitted)
