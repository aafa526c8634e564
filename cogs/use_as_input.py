"""*Use as input* starts a run with a picture from any message."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain

import discord
from discord import app_commands

from bot.deployments.model import taking_pictures
from bot.domain.errors import BotError, PressedTwice, RefusedError, WrongFiles
from bot.domain.text.file_names import key_in
from bot.gateway.client import GenerateBot, tell
from bot.gateway.dynamic_items import PersistentItem, custom_ids, form_values, selected_values
from bot.gateway.interactions import Interaction, requester_of
from bot.gateway.message_files import attached_pictures, shown_pictures
from bot.gateway.replies import check_start, start
from bot.strings import explain, say
from bot.ui.custom_ids import RunId, UseId
from bot.ui.edit_forms import form_modal, pictures_layout, refused_layout


async def offer_pictures(interaction: Interaction, message: discord.Message, parent: str = "") -> None:
    """Answer with a message's pictures and the deployments that take a picture.

    If there is one picture and one deployment, the answer is the form of the other inputs, if there are any.
    `parent` is the key of the run that made the pictures, or empty.
    """
    await check_start(interaction)
    await interaction.client.services.editing.check_picture(parent, requester_of(interaction))
    deployments = interaction.client.services.editing.taking_pictures()
    is_own = message.author == interaction.client.user
    pictures = shown_pictures(message) if is_own else attached_pictures(message)
    if not pictures:
        raise RefusedError("use_no_picture")
    await interaction.client.services.editing.check_files(pictures, parent)
    if len(pictures) == len(deployments) == 1:
        # A form opened by a button belongs to the button's message; one opened from the menu has no message.
        keep, user_id = interaction.client.services.editing.keep_picture, interaction.user.id
        kept = keep(user_id, pictures[0]) if interaction.message is None else ""
        if await _open_form(interaction, UseId(deployments[0].name, 0, parent, kept=kept)):
            return
    await interaction.response.send_message(
        view=pictures_layout(pictures, deployments, parent), ephemeral=True
    )


def _key_of(message: discord.Message) -> str:
    """Return the run key in one of the bot's messages, or an empty string.

    The key is in the buttons or, in a result's second message, only in the names of the files.
    """
    buttons = map(RunId.read, custom_ids(message.components))
    in_buttons = (button.key for button in buttons if button is not None)
    in_names = filter(None, map(key_in, shown_pictures(message)))
    return next(chain(in_buttons, in_names), "")


class UseItem(PersistentItem[UseId], codec=UseId):
    """The button or select under a picture, and the button *Edit again*."""

    async def pressed(self, interaction: Interaction, id: UseId) -> None:
        deployment = next(iter(selected_values(interaction)), id.deployment)
        await check_start(interaction)
        if not await _open_form(interaction, replace(id, deployment=deployment)):
            await _submitted(interaction, replace(id, deployment=deployment))


async def _open_form(interaction: Interaction, id: UseId) -> bool:
    """Open the form of the other inputs. If there are none, return False, because Discord rejects a form
    without fields.

    Raises RefusedError if the picture is gone.
    """
    editing = interaction.client.services.editing
    inputs = await editing.picture_form(
        id.deployment, id.draft, requester_of(interaction), parent_key=id.parent
    )
    if inputs.fields:
        await editing.check_files([_picture_of_form(interaction, id)], id.parent)
        await interaction.response.send_modal(form_modal(id.encode(), inputs.title, inputs.fields))
    return bool(inputs.fields)


async def _on_menu(interaction: Interaction, message: discord.Message) -> None:
    is_own = message.author == interaction.client.user
    await offer_pictures(interaction, message, _key_of(message) if is_own else "")


async def _submitted(interaction: Interaction, id: UseId) -> None:
    """Start a run with the picture of the form's message, or with the picture kept for the form."""
    editing = interaction.client.services.editing
    values = {**editing.draft(id.draft, interaction.user.id), **form_values(interaction)}
    picture = _picture_of_form(interaction, id)
    try:
        await start(
            interaction,
            lambda requester: editing.submit_picture(
                id.deployment, picture, values, requester, parent_key=id.parent or None
            ),
        )
    except PressedTwice:
        raise
    except BotError as error:
        if isinstance(error, WrongFiles) and picture in error.urls:
            raise  # no other value helps
        if isinstance(error, RefusedError):
            await editing.check_files([picture], id.parent)  # if it was deleted, no other value helps
        draft = editing.keep_draft(interaction.user.id, values, error)
        again = UseId(id.deployment, 0, id.parent, draft)
        layout = refused_layout(explain(error), again.encode(), picture)
        await tell(interaction, view=layout)


def _picture_of_form(interaction: Interaction, id: UseId) -> str:
    """Return the link of the picture. Raises RefusedError if it is gone."""
    if id.kept:
        kept = interaction.client.services.editing.kept_picture(id.kept, interaction.user.id)
        pictures = [kept] if kept is not None else []
    else:
        pictures = shown_pictures(interaction.message) if interaction.message is not None else []
    if id.index >= len(pictures):
        raise RefusedError("use_stale")
    return pictures[id.index]


async def setup(bot: GenerateBot) -> None:
    bot.add_dynamic_items(UseItem)
    bot.add_form(UseId, _submitted)
    name = say("use_menu")

    def build() -> None:
        """Offer the message command if a deployment takes a picture."""
        bot.remove_message_commands([name])
        if taking_pictures(bot.services.catalogue.all()):
            bot.tree.add_command(app_commands.ContextMenu(name=name, callback=_on_menu))

    build()
    bot.when_deployments_change(build)
