"""The buttons of a run, under status messages, results and review cards."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial

import discord

from bot.deployments.merge import VARY_COUNT
from bot.deployments.model import deployment_of
from bot.domain.copies import offers_copy
from bot.domain.errors import RefusedError
from bot.domain.forms import YES
from bot.domain.messages import MessageRef, Purpose
from bot.domain.picture_check import Verdict
from bot.domain.requests import Actor
from bot.domain.runs import Run
from bot.domain.text import is_file
from bot.gateway.client import GenerateBot, tell
from bot.gateway.interactions import Interaction, actor_of, check_overrides, close_form, typed_values
from bot.gateway.message_files import run_files, shown_pictures
from bot.gateway.replies import redeliver_here
from bot.sentences import say
from bot.services import moderation, runs
from bot.services.access import is_deletable, is_moderated, visible
from bot.ui.custom_ids import Action, DeleteId, DraftId, PickId, RunId, SaveId
from bot.ui.forms import PROMPT_FIELD, run_modal
from bot.ui.message_parts import layout_of
from bot.ui.result_buttons import OfferedActions, more_layout, offered_actions, picked_layout
from bot.ui.run_facts import FILENAME, details, explanation_of
from bot.ui.status import linked_outputs
from cogs.drafts import again, open_draft, use_picture
from cogs.moderation import block_sent, reject_sent, report_sent
from cogs.presets import open_save

_LEFT = timedelta(minutes=1)  # enough for a deletion
Press = Callable[[Interaction, str], Awaitable[None]]


async def _pressed(interaction: Interaction, id: RunId) -> None:
    await PRESSES[id.action](interaction, id.key)


async def _submitted(interaction: Interaction, id: RunId) -> None:
    if id.action not in FORMS:
        raise RefusedError("other_version", f"a form of {id.action}")
    if id.action is not Action.SHARE:  # it shows "thinking…"
        await close_form(interaction)
    await FORMS[id.action](interaction, id.key)


async def _picked(interaction: Interaction, id: PickId) -> None:
    """Show what a numbered button stands for: a run of a batch, or a picture."""
    app, message = interaction.client.app, interaction.message
    run = await visible(app, actor_of(interaction), id.key)
    title, offered = app.catalogue.title(run.deployment), await _offered(interaction, run)
    files = run_files(message, run.key, linked=run.needs_interaction) if message is not None else []
    # A file and the gallery that shows it have the same name.
    own = {file.filename: file for file in files if is_file(file.filename, run.key, id.file)}
    linked = linked_outputs(run, app.fetcher.may_link, file=id.file)
    await tell(interaction, view=picked_layout(run, id.number, title, [*own.values()], linked, offered))


async def _delete_pressed(interaction: Interaction, id: DeleteId) -> None:
    """Answer *Delete* behind *More*.

    The press of *More*, whose token lives for 15 minutes, deletes a message that only an interaction can.
    """
    app, more = interaction.client.app, None
    if id.draft:
        more = app.drafts.get(id.draft, interaction.user.id, discord.Interaction)
        if more is None or more.expires_at - app.now() < _LEFT:
            raise RefusedError("delete_stale")
    message = MessageRef(interaction.channel_id or 0, id.message) if more is None else None
    await _delete(interaction, id.key, message, whole=id.whole, more=more)


async def _cancel(interaction: Interaction, key: str) -> None:
    """Cancel a batch. The status message itself shows that.

    Only an interaction can edit an ephemeral one, and its own may have ended. So it is edited through this
    one, which Discord has to know first.
    """
    is_ephemeral = interaction.message is not None and interaction.message.flags.ephemeral
    await interaction.response.defer()
    await runs.cancel(interaction.client.app, actor_of(interaction), key, is_ephemeral=is_ephemeral)


async def _redeliver(interaction: Interaction, key: str) -> None:
    if not await redeliver_here(interaction, key):
        await tell(interaction, say("post_noted"))


def _deciding(decide: Callable[..., Awaitable[None]]) -> Press:
    """Return the handler of a button on a card. The messenger changes the card."""

    async def press(interaction: Interaction, key: str) -> None:
        await decide(interaction.client.app, actor_of(interaction), key)
        await interaction.response.defer()

    return press


def _asking(action: Action, check: Callable[..., Awaitable[object]]) -> Press:
    """Return the handler of a button that opens a form, unless it would be refused."""

    async def press(interaction: Interaction, key: str) -> None:
        await check(interaction.client.app, actor_of(interaction), key)
        await interaction.response.send_modal(run_modal(key, action))

    return press


async def _delete(
    interaction: Interaction,
    key: str,
    message: MessageRef | None = None,
    *,
    whole: bool = False,
    more: discord.Interaction | None = None,
) -> None:
    """Delete a result, wait until it is gone, and say so in the private message with the button.

    By default, it is the result of a single run, under a number or for a moderator who has opened it.
    """
    app, actor = interaction.client.app, actor_of(interaction)
    run, only_copy = await moderation.delete_shown(app, actor, key, message, whole=whole)
    is_public = interaction.message is None or not interaction.message.flags.ephemeral
    await interaction.response.defer(ephemeral=True, thinking=is_public)
    if more is not None:
        with suppress(discord.HTTPException):
            await more.delete_original_response()
    gone = await runs.until_shown(app, run.request_key, frozenset(Purpose) - {Purpose.STATUS})
    code = f"{'delete_noted' if gone is None else 'delete_done'}{'_copy' if only_copy else ''}"
    await interaction.edit_original_response(view=layout_of(say(code)), attachments=[])


async def _discard(interaction: Interaction, key: str) -> None:
    message_id = interaction.message.id if interaction.message is not None else 0
    await moderation.discard(interaction.client.app, actor_of(interaction), key, message_id)
    await interaction.response.defer()
    with suppress(discord.NotFound):
        await interaction.delete_original_response()


async def _use(interaction: Interaction, key: str) -> None:
    if interaction.message is not None:
        await use_picture(interaction, interaction.message, key)


async def _details(interaction: Interaction, key: str) -> None:
    app, actor = interaction.client.app, actor_of(interaction)
    catalogue, run = app.catalogue, await visible(app, actor, key)
    deployment = deployment_of(run, catalogue.all())
    origin = await app.store.history.parent_link(run)
    title = catalogue.title(run.deployment)
    explained = bool(explanation_of(run)) and (
        run.requester_id == actor.id
        or await is_moderated(app, actor, run)
        or await interaction.client.is_owner(interaction.user)
    )
    layout, text = details(run, title, deployment, explained=explained, origin=origin)
    await tell(interaction, view=layout, file=(FILENAME, text.encode()) if text is not None else None)


async def _offered(interaction: Interaction, run: Run) -> OfferedActions:
    app, actor = interaction.client.app, actor_of(interaction)
    own, in_gallery = run.requester_id == actor.id, _is_copied_here(run, actor)
    reportable = run.is_shown and not run.private and not own
    reportable = reportable and await moderation.report_channel(app, actor) is not None
    allowed = OfferedActions(
        reportable=reportable,
        shareable=not in_gallery and await runs.is_shareable(app, actor, run),
        postable=offers_copy(run, actor) and not run.needs_interaction,
        startable=own or run.deleted_at is None,
        deletable=await is_deletable(app, actor, run, actor.origin.channel_id if in_gallery else None),
        detailed=own or not in_gallery or await is_moderated(app, actor, run),
    )
    return offered_actions(run, app.catalogue.all(), allowed)


def _is_copied_here(run: Run, actor: Actor) -> bool:
    """Return whether the channel of this interaction shows a result only as a copy in the gallery."""
    is_on_server = run.guild_id is not None and run.guild_id == actor.origin.guild_id
    return is_on_server and run.channel_id != actor.origin.channel_id


def _more(*, whole: bool) -> Press:
    """Return the handler of *More* under a single result, its copy or a failure, or under a whole batch."""

    async def press(interaction: Interaction, key: str) -> None:
        app, message, actor = interaction.client.app, interaction.message, actor_of(interaction)
        run = await visible(app, actor, key, in_gallery=True)
        batch = await app.store.runs.batch(await visible(app, actor, key)) if whole else [run]
        if _is_copied_here(run, actor):
            batch = [replace(run, request_key=key)]  # a report is about this result alone
        about = next((run for run in batch if run.is_shown), batch[0])
        draft = app.drafts.keep(actor.id, interaction) if run.needs_interaction else ""
        delete = DeleteId(batch[0].key, message.id if message is not None else 0, whole, draft)
        title, offered = app.catalogue.title(run.deployment), await _offered(interaction, about)
        layout = more_layout(batch, title, offered, delete, shown_pictures(message))
        if run.needs_interaction:
            # It makes the message with *More* the one that this interaction's token can delete.
            await interaction.response.defer()
        await tell(interaction, view=layout)

    return press


async def _open_share(interaction: Interaction, key: str) -> None:
    """Ask whether to show the prompt. A result without a prompt is shared immediately."""
    app, actor = interaction.client.app, actor_of(interaction)
    await check_overrides(interaction, actor)
    run, _ = await runs.request_copy(app, actor, key, Purpose.SHARE)
    if run.prompt:
        await interaction.response.send_modal(run_modal(key, Action.SHARE))
    else:
        await _copy(interaction, key, Purpose.SHARE)


async def _share_sent(interaction: Interaction, key: str) -> None:
    await _copy(interaction, key, Purpose.SHARE, typed_values(interaction).get(PROMPT_FIELD) == YES)


async def _copy(interaction: Interaction, key: str, purpose: Purpose, with_prompt: bool = False) -> None:
    interaction.client.check_rate(interaction.user.id)
    app, actor = interaction.client.app, actor_of(interaction)
    await check_overrides(interaction, actor)
    run, copy = await runs.request_copy(app, actor, key, purpose, with_prompt=with_prompt)
    await interaction.response.defer(ephemeral=True, thinking=True)
    url = await runs.make_copy(app, run, copy)
    await tell(interaction, f"{'Shared' if purpose is Purpose.SHARE else 'Posted'}: [open it]({url})")


PRESSES: Mapping[Action, Press] = {
    Action.CANCEL: _cancel,
    Action.AGAIN: again(1),
    Action.REDELIVER: _redeliver,
    Action.APPROVE: _deciding(moderation.approve),
    Action.REJECT: _asking(Action.REJECT, moderation.check_rejectable),
    Action.BLOCK: _asking(Action.BLOCK, moderation.check_blockable),
    Action.DELETE: _delete,
    Action.REPORT: _asking(Action.REPORT, moderation.check_reportable),
    Action.DISMISS: _deciding(moderation.dismiss),
    Action.EDIT: lambda interaction, key: open_draft(interaction, DraftId(key)),
    Action.DETAILS: _details,
    Action.USE: _use,
    Action.REPEAT: again(None),
    Action.CLEAR: _deciding(moderation.delete_reported),
    Action.VARY: again(VARY_COUNT),
    Action.MORE: _more(whole=False),
    Action.MORE_OF_ALL: _more(whole=True),
    Action.DISCARD: _discard,
    Action.POST: partial(_copy, purpose=Purpose.POST),
    Action.SHARE: _open_share,
    Action.SAVE: lambda interaction, key: open_save(interaction, SaveId(key)),
    Action.SHOW: _deciding(partial(moderation.decide_pictures, verdict=Verdict.SHOW)),
    Action.VEIL: _deciding(partial(moderation.decide_pictures, verdict=Verdict.SPOILER)),
    Action.HIDE: _deciding(partial(moderation.decide_pictures, verdict=Verdict.HIDDEN)),
}


FORMS: Mapping[Action, Press] = {
    Action.REJECT: reject_sent,
    Action.BLOCK: block_sent,
    Action.REPORT: report_sent,
    Action.SHARE: _share_sent,
}


async def setup(bot: GenerateBot) -> None:
    bot.add_handlers(RunId, _pressed, _submitted)
    bot.add_handlers(PickId, _picked)
    bot.add_handlers(DeleteId, _delete_pressed)
