"""Follow-ups that the operator configured: under results, behind *More*, and as message commands."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any

import discord
from discord import app_commands

from bot.deployments.form_fields import FormValues
from bot.deployments.model import FollowUp
from bot.deployments.validation import AttachedFile, media_type
from bot.domain.errors import BotError, CodedError, PressedTwice, RefusedError, WrongFiles
from bot.domain.text.file_names import key_in
from bot.gateway.client import GenerateBot, tell
from bot.gateway.dynamic_items import PersistentItem, form_values, selected_values
from bot.gateway.interactions import Interaction, requester_of
from bot.gateway.message_files import (
    attached_pictures,
    fetch_run_files,
    picture_file,
    run_files,
    shown_pictures,
)
from bot.gateway.replies import check_start, start
from bot.services.follow_ups import OpenFollowUp
from bot.strings import explain
from bot.ui.custom_ids import FollowUpId
from bot.ui.edit_forms import follow_up_pictures_layout, form_modal, refused_layout


class FollowUpItem(PersistentItem[FollowUpId], codec=FollowUpId):
    """The button of a follow-up, the select that lists several, or *Edit again* after a refused form."""

    async def pressed(self, interaction: Interaction, id: FollowUpId) -> None:
        for value in selected_values(interaction):
            id = FollowUpId.read(value) or id
        await check_start(interaction)
        opened, files = await _open(interaction, id)
        services, requester = interaction.client.services, requester_of(interaction)
        fields = opened.fields(services.editing.draft(id.draft, interaction.user.id))
        if fields:
            await services.follow_ups.check_before_form(opened, requester)
            title = opened.preparation.target.title
            modal = form_modal(id.encode(), title, fields, label=opened.label)
            await interaction.response.send_modal(modal)
            return
        await _start(interaction, opened, files, {})


async def _start(
    interaction: Interaction, opened: OpenFollowUp, files: Sequence[AttachedFile], values: FormValues
) -> None:
    check = interaction.client.services.follow_ups.check
    await start(interaction, lambda requester: check(opened, files, values, requester), "follow_up_dropped")


async def _open(interaction: Interaction, id: FollowUpId) -> tuple[OpenFollowUp, Sequence[AttachedFile]]:
    """Return the follow-up of a button or form, and the files from which it takes the first that fits.

    Raises RefusedError if the follow-up or its file is gone.
    """
    follow_ups, requester = interaction.client.services.follow_ups, requester_of(interaction)
    message = interaction.message
    if id.ref is None:
        raise RefusedError("follow_up_gone")
    if id.picture:
        pictures = shown_pictures(message) if message is not None else []
        if int(id.picture) >= len(pictures):
            raise RefusedError("use_stale")
        opened = await follow_ups.of_picture(id.key, id.ref, requester)
        return opened, [picture_file(pictures[int(id.picture)])]
    opened = await follow_ups.of_result(id.key, id.ref, requester)
    files = await _files(interaction, opened, id.key)
    if not opened.fits(files):
        raise RefusedError("follow_up_no_file")
    return opened, files


async def _files(interaction: Interaction, opened: OpenFollowUp, key: str) -> Sequence[AttachedFile]:
    """Return a result's files from the message with the button or, if none of them fits, from all messages
    of the result.

    The button may be behind *More*, or the file in another message. A user install can't read other messages.
    """
    message, run = interaction.message, opened.parent
    if message is None or run is None:
        return []
    files = run_files(message, key, linked=run.needs_interaction)
    if run.user_install or opened.fits(files):
        return files
    posted = await interaction.client.services.follow_ups.result_messages(run)
    return await fetch_run_files(interaction.client, posted, key)


async def _submitted(interaction: Interaction, id: FollowUpId) -> None:
    services = interaction.client.services
    values = {**services.editing.draft(id.draft, interaction.user.id), **form_values(interaction)}
    files: Sequence[AttachedFile] = []
    is_checked = False
    try:
        await check_start(interaction)
        is_checked = True
        opened, files = await _open(interaction, id)
        await _start(interaction, opened, files, values)
    except PressedTwice:
        raise
    except BotError as error:
        is_gone = is_checked and not files and isinstance(error, CodedError)
        is_wrong = isinstance(error, WrongFiles) and not error.urls.isdisjoint(file.url for file in files)
        if is_gone or is_wrong:
            raise  # no other value helps
        draft = services.editing.keep_draft(interaction.user.id, values, error)
        pictures = [file.url for file in files if media_type(file).startswith("image/")]
        # The picture is shown again, since the new form reads it from this message.
        again = replace(id, picture="0" if id.picture and pictures else id.picture, draft=draft)
        layout = refused_layout(explain(error), again.encode(), next(iter(pictures), None))
        await tell(interaction, view=layout)


class CommandBuilder:
    """Builds message commands from the first follow-ups that take pictures, for use on any message."""

    def __init__(self, bot: GenerateBot) -> None:
        self._bot = bot
        self._names: list[str] = []

    def build(self) -> None:
        """Remove the earlier commands from every scope, and add the current ones."""
        self._bot.remove_message_commands(self._names)
        found = self._bot.services.catalogue.message_commands.offered
        self._names = [each.label for each in found]
        for each in found:
            self._bot.tree.add_command(app_commands.ContextMenu(name=each.label, callback=_command(each)))


def _command(follow_up: FollowUp) -> Callable[[Interaction, discord.Message], Coroutine[Any, Any, None]]:
    async def on_menu(interaction: Interaction, message: discord.Message) -> None:
        await _use_message(interaction, message, follow_up)

    return on_menu


async def _use_message(interaction: Interaction, message: discord.Message, follow_up: FollowUp) -> None:
    """Start the follow-up with the message's picture.

    If there are several pictures, or if the follow-up opens a form first, show the pictures with buttons.
    """
    await check_start(interaction)
    is_own = message.author == interaction.client.user
    pictures = shown_pictures(message) if is_own else attached_pictures(message)
    if not pictures:
        raise RefusedError("use_no_picture")
    keys = [key_in(url) if is_own else "" for url in pictures]
    follow_ups, requester = interaction.client.services.follow_ups, requester_of(interaction)
    opened = await follow_ups.of_picture(keys[0], follow_up.reference, requester)
    if len(pictures) == 1 and not opened.fields({}):
        await _start(interaction, opened, [picture_file(pictures[0])], {})
        return
    await follow_ups.check_before_form(opened, requester)
    ids = [FollowUpId(key, follow_up.reference, str(index)).encode() for index, key in enumerate(keys)]
    layout = follow_up_pictures_layout(pictures, opened.label, ids)
    await interaction.response.send_message(view=layout, ephemeral=True)


async def setup(bot: GenerateBot) -> None:
    bot.add_dynamic_items(FollowUpItem)
    bot.add_form(FollowUpId, _submitted)
    commands = CommandBuilder(bot)
    commands.build()
    bot.when_deployments_change(commands.build)
