"""The buttons of a run, under status messages, results and review cards."""

from __future__ import annotations

import io
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

import discord
from discord.ui import LayoutView

from bot.deployments.input_text import command_line
from bot.deployments.merge import VARY_COUNT
from bot.deployments.model import deployment_of
from bot.domain.messages.records import MessageRef
from bot.domain.runs import Deletions, Run
from bot.domain.text.file_names import is_file
from bot.gateway.client import GenerateBot, tell
from bot.gateway.dynamic_items import PersistentItem, custom_ids
from bot.gateway.interactions import Interaction, actor_of, is_user_install_only, moderated_channel
from bot.gateway.message_files import shown_pictures
from bot.gateway.replies import redeliver_here
from bot.services import runs, sharing
from bot.services.access import cancellable, is_deletable, is_moderated, visible
from bot.services.moderation import reviews
from bot.strings import say
from bot.ui.custom_ids import Action, DeleteId, DraftId, PickId, RunId
from bot.ui.details import FILENAME, details
from bot.ui.message_parts import explanation_of
from bot.ui.moderation import reject_modal, report_modal
from bot.ui.result_buttons import OfferedActions, offered_actions
from bot.ui.results import more_layout, more_layout_of_all, picked_layout
from cogs.drafts import again, open_draft, use_picture
from cogs.moderation.reviews import (
    is_report,
    open_block,
    reporting_card_errors,
)
from cogs.presets import open_save
from cogs.share import open_share, post_single

Press = Callable[[Interaction, str], Awaitable[None]]


class RunButton(PersistentItem[RunId], codec=RunId):
    """A button of a run."""

    async def pressed(self, interaction: Interaction, id: RunId) -> None:
        async with reporting_card_errors(interaction, id.key):
            await PRESSES[id.action](interaction, id.key)


class PickButton(PersistentItem[PickId], codec=PickId):
    """A numbered button. The number is that of a run in a batch, or of a picture."""

    async def pressed(self, interaction: Interaction, id: PickId) -> None:
        app, message = interaction.client.app, interaction.message
        shown = shown_pictures(message)
        pictures = [url for url in shown if is_file(url, id.key, id.file)]
        run = await visible(app, actor_of(interaction), id.key)
        title, offered = app.catalogue.title(run.deployment), await _offered(interaction, run)
        await _show(interaction, picked_layout(run, id.number, title, pictures, offered))


class DeleteButton(PersistentItem[DeleteId], codec=DeleteId):
    """Delete behind *More*."""

    async def pressed(self, interaction: Interaction, id: DeleteId) -> None:
        await _delete_shown(interaction, id.key, MessageRef(interaction.channel_id or 0, id.message))


async def _show(interaction: Interaction, layout: LayoutView) -> None:
    await interaction.response.send_message(
        view=layout, ephemeral=True, allowed_mentions=discord.AllowedMentions.none()
    )


async def _cancel(interaction: Interaction, key: str) -> None:
    """Cancel a batch. The status message itself shows that.

    Only an interaction can edit an ephemeral one, and its own may have ended. So it is edited through this
    one, which Discord has to know first.
    """
    app, moderated = interaction.client.app, moderated_channel(interaction)
    is_private = interaction.message is not None and interaction.message.flags.ephemeral
    if is_private:
        await cancellable(app, interaction.user.id, moderated, key)
        await interaction.response.defer()
    origin = actor_of(interaction).origin if is_private else None
    await runs.cancel(app, interaction.user.id, key, moderated=moderated, answer_by=origin)
    if not is_private:
        await interaction.response.defer()


async def _redeliver(interaction: Interaction, key: str) -> None:
    if not await redeliver_here(interaction, key):
        await tell(interaction, say("post_noted"))


# The messenger changes the cards, so an answer to these presses that is lost makes no difference.


async def _approve(interaction: Interaction, key: str) -> None:
    await reviews.approve(interaction.client.app, actor_of(interaction), key)
    await interaction.response.defer()


async def _reject(interaction: Interaction, key: str) -> None:
    if await reviews.is_rejected(interaction.client.app, actor_of(interaction), key):
        await interaction.response.defer()
    else:
        await interaction.response.send_modal(reject_modal(key))


async def _dismiss(interaction: Interaction, key: str) -> None:
    await reviews.dismiss(interaction.client.app, actor_of(interaction), key)
    await interaction.response.defer()


async def _delete_reported(interaction: Interaction, key: str, *, whole_batch: bool) -> None:
    app, actor = interaction.client.app, actor_of(interaction)
    await reviews.delete_reported(app, actor, key, whole_batch=whole_batch)
    await interaction.response.defer()


async def _delete(interaction: Interaction, key: str) -> None:
    if is_report(interaction, key):
        await _delete_reported(interaction, key, whole_batch=False)
    else:
        await _delete_shown(interaction, key, _posted_message(interaction))


async def _delete_shown(interaction: Interaction, key: str, message: MessageRef | None) -> None:
    """Delete the copy that a message shows, or else the result."""
    run, only_copy = await reviews.delete_result_or_copy(
        interaction.client.app, actor_of(interaction), key, message
    )
    await _confirm_deletion(interaction, run, say("delete_noted_copy" if only_copy else "delete_noted"))


async def _clear(interaction: Interaction, key: str) -> None:
    if is_report(interaction, key):
        await _delete_reported(interaction, key, whole_batch=True)
        return
    run = await reviews.delete_batch(interaction.client.app, actor_of(interaction), key)
    await _confirm_deletion(interaction, run, say("delete_noted"))


def _posted_message(interaction: Interaction) -> MessageRef | None:
    """Return the message with the button, or None if only this user sees it."""
    message = interaction.message
    if message is None or message.flags.ephemeral:
        return None
    return MessageRef(message.channel.id, message.id)


async def _confirm_deletion(interaction: Interaction, run: Run, sentence: str) -> None:
    """Confirm a deletion to the user, or delete the message if only this interaction can."""
    if is_user_install_only(interaction) or (run.private and _posted_message(interaction) is None):
        await interaction.response.defer()
        await interaction.delete_original_response()
    else:
        await tell(interaction, sentence)


async def _discard(interaction: Interaction, key: str) -> None:
    """Delete a message without a result: at once if the button is in it, otherwise by the messenger."""
    is_more = _posted_message(interaction) is None
    message_id = interaction.message.id if interaction.message is not None else 0
    app, actor = interaction.client.app, actor_of(interaction)
    run = await reviews.discard(app, actor, key, None if is_more else message_id)
    if is_more and not run.needs_interaction:
        await tell(interaction, say("delete_noted"))
        return
    await interaction.response.defer()
    with suppress(discord.NotFound):
        await interaction.delete_original_response()


async def _report(interaction: Interaction, key: str) -> None:
    await reviews.check_reportable(interaction.client.app, actor_of(interaction), key)
    await interaction.response.send_modal(report_modal(key))


async def _edit(interaction: Interaction, key: str) -> None:
    await open_draft(interaction, DraftId(key))


async def _use(interaction: Interaction, key: str) -> None:
    if interaction.message is not None:
        await use_picture(interaction, interaction.message, key)


async def _details(interaction: Interaction, key: str) -> None:
    app, actor = interaction.client.app, actor_of(interaction)
    catalogue, run = app.catalogue, await visible(app, actor, key)
    deployment = deployment_of(run, catalogue.all())
    origin = await runs.parent_link(app, run)
    own = run.requester_id == actor.id
    deleted = await runs.deletions(app, run) if own else Deletions()
    title = catalogue.title(run.deployment)
    # A moderator who decides about a request needs its inputs, but no command that repeats the prompt.
    repeatable = own or not run.hidden_from_channel
    command = None
    if repeatable and deployment is not None and run.erased_at is None:
        command = command_line(catalogue.plan, deployment, run.inputs, run.gpu, private=run.private)
    found = details(
        run,
        title,
        deployment,
        command,
        explained=bool(explanation_of(run)) and (own or await _moderates(interaction, run)),
        origin=origin,
        deletions=deleted,
        repeatable=repeatable,
    )
    files = [discord.File(io.BytesIO(found.file.encode()), FILENAME)] if found.file is not None else []
    await interaction.response.send_message(
        view=found.layout, files=files, ephemeral=True, allowed_mentions=discord.AllowedMentions.none()
    )


async def _moderates(interaction: Interaction, run: Run) -> bool:
    """Return whether the user is a moderator of the run's server, or the bot's owner."""
    if await is_moderated(interaction.client.app, actor_of(interaction), run):
        return True
    return await interaction.client.is_owner(interaction.user)


async def _offered(interaction: Interaction, run: Run) -> OfferedActions:
    """Return the actions that the user may take on a result now."""
    app, actor = interaction.client.app, actor_of(interaction)
    return offered_actions(
        run,
        app.catalogue.all(),
        reportable=run.is_shown
        and not run.private
        and run.requester_id != actor.id
        and await reviews.takes_reports(app, actor),
        shareable=await sharing.is_offered(app, actor, run),
        postable=sharing.is_postable(run, actor),
        startable=run.requester_id == actor.id or run.deleted_at is None,
        deletable=await is_deletable(app, actor, run),
    )


async def _more(interaction: Interaction, key: str) -> None:
    """Show what has no button under the message of a single result or a failure."""
    app, message = interaction.client.app, interaction.message
    run = await visible(app, actor_of(interaction), key)
    title, offered = app.catalogue.title(run.deployment), await _offered(interaction, run)
    pictures = shown_pictures(message)
    posted = _posted_message(interaction)
    message_id = posted.message_id if posted is not None else 0
    shown = set(custom_ids(message.components)) if message is not None else set()
    await _show(interaction, more_layout(run, title, offered, message_id, shown, pictures))


async def _more_of_all(interaction: Interaction, key: str) -> None:
    """Show what has no button under the message of a batch."""
    app, message = interaction.client.app, interaction.message
    batch = await runs.visible_batch(app, actor_of(interaction), key)
    shown = next((run for run in batch if run.is_shown), batch[0])
    title, offered = app.catalogue.title(shown.deployment), await _offered(interaction, shown)
    pictures = shown_pictures(message)
    await _show(interaction, more_layout_of_all(batch, title, offered, pictures))


PRESSES: Mapping[Action, Press] = {
    Action.CANCEL: _cancel,
    Action.AGAIN: again(1),
    Action.REDELIVER: _redeliver,
    Action.APPROVE: _approve,
    Action.REJECT: _reject,
    Action.BLOCK: open_block,
    Action.DELETE: _delete,
    Action.REPORT: _report,
    Action.DISMISS: _dismiss,
    Action.EDIT: _edit,
    Action.DETAILS: _details,
    Action.USE: _use,
    Action.REPEAT: again(None),
    Action.CLEAR: _clear,
    Action.VARY: again(VARY_COUNT),
    Action.MORE: _more,
    Action.MORE_OF_ALL: _more_of_all,
    Action.DISCARD: _discard,
    Action.POST: post_single,
    Action.SHARE: open_share,
    Action.SAVE: open_save,
}


async def setup(bot: GenerateBot) -> None:
    bot.add_dynamic_items(RunButton, PickButton, DeleteButton)
