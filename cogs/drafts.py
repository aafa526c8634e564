"""Drafts become requests: repetitions, edits, pictures, follow-ups, commands, and what was refused before.

A draft may ask for inputs in a form. The form and every button that opens it have a `DraftId`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any

import discord
from discord import app_commands

from bot.deployments.draft import Draft, changed
from bot.deployments.files import is_kind
from bot.deployments.follow_ups import message_commands
from bot.deployments.inputs import AttachedFile, Typed
from bot.deployments.schema.field_types import COUNT, PRESET
from bot.discord_api.outgoing import component_ids, walk
from bot.domain.backend import InputKind
from bot.domain.errors import BotError, PressedTwice, RefusedError, RequestUnknown, StoreUnavailable
from bot.domain.forms import Option
from bot.domain.messages import result_refs
from bot.domain.requests import Actor, Checked
from bot.domain.text import belongs_to, file_behind, key_in
from bot.gateway.client import GenerateBot, tell, tell_refused
from bot.gateway.interactions import Interaction, check_start, selected_values, typed_values
from bot.gateway.message_files import (
    attached_pictures,
    fetch_run_files,
    picture_file,
    run_files,
    shown_pictures,
)
from bot.gateway.replies import start
from bot.sentences import say
from bot.services import drafts, generation
from bot.services.access import visible
from bot.services.drafts import Kept
from bot.services.runs import message_purposes
from bot.ui.custom_ids import DraftId, RunId
from bot.ui.forms import form_modal, pictures_layout
from bot.ui.moderation import DECISIONS

MakeDraft = Callable[[Actor], Awaitable[Draft]]
OnMenu = Callable[[Interaction, discord.Message], Coroutine[Any, Any, None]]


async def _pressed(interaction: Interaction, id: DraftId) -> None:
    for value in selected_values(interaction):
        id = DraftId.read(value) or id
    if id.picture and not id.target:
        picture = _picture(interaction, id, Kept({}))
        if picture is None:
            raise RefusedError("use_stale")
        await tell(interaction, view=pictures_layout([picture], [id.key], _choices(interaction)))
    elif id.count:
        await begin(interaction, id)
    else:
        await open_draft(interaction, id)


async def open_draft(interaction: Interaction, id: DraftId) -> None:
    """Show the form of a draft, or start the draft if it asks for nothing."""
    app, actor, kept = interaction.client.app, await check_start(interaction), _kept(interaction, id)
    draft = await _draft(interaction, id, kept, actor)
    typed = {**draft.typed, **kept.typed}
    fields = await drafts.form(app, draft, typed, kept.wrong)
    if fields:
        await interaction.response.send_modal(form_modal(id.encode(), draft.title, fields))
    else:
        await begin(interaction, id)


async def begin(
    interaction: Interaction,
    id: DraftId,
    *,
    typed: Typed | None = None,
    sent: Mapping[str, Any] | None = None,
    make: MakeDraft | None = None,
    is_generate: bool = False,
) -> None:
    """Start a draft with the options of a command (`typed`) or the values of a form (`sent`).

    If it is refused and editing can help, the answer has a button that opens the form with everything that
    was typed. `make` returns the draft, unless the id does.
    """
    app, sent = interaction.client.app, sent or {}
    kept = _kept(interaction, id) if typed is None else Kept(typed)
    if id.count:
        kept, id = replace(kept, typed={**kept.typed, COUNT: int(id.count)}), replace(id, count="")
    draft: Draft | None = None
    # Until there is a draft, nobody knows what the form showed.
    given: Typed = {**kept.typed, **{name: value for name, value in sent.items() if value}}

    async def check() -> Checked:
        nonlocal draft, given
        actor = known or await check_start(interaction)
        draft = await (make(actor) if make is not None else _draft(interaction, id, kept, actor))
        before = {**draft.typed, **kept.typed}
        given = {**before, **changed(draft.fields(before, kept.wrong), sent)} if sent else before
        return await generation.check(app, actor, draft, given)

    known, private = None, None
    try:
        interaction.client.check_rate(interaction.user.id)
        if is_generate:  # Discord has checked its permissions, so nothing has to be read
            known = await check_start(interaction, is_generate=True)
            private = generation.foresee(app, known, id.target, given)
        await start(interaction, check, private)
    except (PressedTwice, RequestUnknown):
        raise
    except BotError as error:
        is_deferred = isinstance(error, StoreUnavailable) and interaction.response.is_done()
        if is_deferred or not drafts.can_be_edited(draft, given, error):
            raise
        picture = _picture(interaction, id, kept)
        name = drafts.keep(app, interaction.user.id, given, error, id.target, picture)
        await tell_refused(interaction, error, replace(id, draft=name))


def again(count: int | None) -> Callable[[Interaction, str], Awaitable[None]]:
    """Return the handler of a button that repeats a run with new seeds, as often as before if None."""

    async def press(interaction: Interaction, key: str) -> None:
        app = interaction.client.app
        await begin(interaction, DraftId(key), make=lambda actor: drafts.again(app, actor, key, count))

    return press


def _kept(interaction: Interaction, id: DraftId) -> Kept:
    return interaction.client.app.drafts.get(id.draft, interaction.user.id, Kept) or Kept({})


async def _draft(interaction: Interaction, id: DraftId, kept: Kept, actor: Actor) -> Draft:
    """Return the draft that an id stands for. Raises RefusedError if what it starts from is gone."""
    app, ref = interaction.client.app, id.ref
    if not id.target:
        return await drafts.edit(app, actor, id.key)
    if id.picture:
        picture = _picture(interaction, id, kept)
        if picture is None:
            raise RefusedError("use_stale")
        if ref is not None:
            draft = await drafts.follow_up(app, actor, id.key, ref, of_result=False)
        else:
            draft = await drafts.with_picture(app, actor, id.target, id.key)
        taken = draft.taking([picture_file(picture)])
    elif ref is not None:
        draft = await drafts.follow_up(app, actor, id.key, ref, of_result=True)
        taken = await _with_file(interaction, draft, id.key, actor)
    else:
        if id.draft and not kept.typed:
            raise RefusedError("draft_forgotten")
        preset = kept.typed.get(PRESET)
        return await generation.draft(app, actor, id.target, str(preset) if preset else None)
    if taken is None:
        raise RefusedError("follow_up_no_file")
    return taken


def _picture(interaction: Interaction, id: DraftId, kept: Kept) -> str | None:
    """Return the link of the picture that a draft takes: one that was kept, or one of the message."""
    if kept.picture is not None or not id.picture:
        return kept.picture
    pictures = shown_pictures(interaction.message)
    return next(iter(pictures[int(id.picture) :]), None)


async def _with_file(interaction: Interaction, draft: Draft, key: str, actor: Actor) -> Draft | None:
    """Return a follow-up with a file of the result: one in the message with the button or, if none of them
    fits, one in any message of the result.

    The button may be behind *More* or a number, or the file in another message. If the message with the
    button shows one picture, no other is taken.
    """
    app, message = interaction.client.app, interaction.message
    if message is None:
        return None
    run = await visible(app, actor, key, in_gallery=True)
    shown = [file_behind(url) for url in shown_pictures(message) if belongs_to(url, key)]

    def is_meant(file: AttachedFile) -> bool:
        return len(shown) != 1 or not is_kind(InputKind.IMAGE, file) or file_behind(file.url) in shown

    found = draft.taking([*filter(is_meant, run_files(message, key, linked=run.needs_interaction))])
    if found is not None:
        return found
    posted = result_refs(await app.store.messages.of_request(run.request_key), run.index)
    files = await fetch_run_files(interaction.client, posted, key)
    return draft.taking([*filter(is_meant, files)])


async def use_picture(
    interaction: Interaction,
    message: discord.Message,
    key: str = "",
    choices: Sequence[Option] = (),
) -> None:
    """Offer what can be done with a picture of a message, by default the deployments that take one.

    If there is one picture and one choice, open the draft. Pictures of a moderators' card aren't for use.
    `key` is the run's that the message is about. Without it, the key is in the message's buttons or, in a
    result's second message, only in the names of the files.
    """
    await check_start(interaction)
    choices = choices or _choices(interaction)
    ids = (RunId.read(getattr(each, "custom_id", None) or "") for each in walk(message.components))
    key = key or next((id.key for id in ids if id is not None), "")
    is_own = message.author == interaction.client.user
    pictures = shown_pictures(message) if is_own else attached_pictures(message)
    if not pictures:
        raise RefusedError("use_no_picture")
    keys = [key_in(url) or key if is_own else "" for url in pictures]
    for each in filter(None, dict.fromkeys(keys)):
        kinds = await message_purposes(interaction.client.app, each, message.id, ids=component_ids(message))
        if kinds and not kinds.isdisjoint(DECISIONS):
            raise RefusedError("use_card")
    if len(pictures) == len(choices) == 1:
        # A form opened by a button belongs to the button's message; one opened from the menu has no message.
        kept, store = "", interaction.client.app.drafts
        if interaction.message is None:
            kept = store.keep(interaction.user.id, Kept({}, picture=pictures[0]))
        await open_draft(interaction, DraftId(keys[0], choices[0].value, "0", kept))
    else:
        await tell(interaction, view=pictures_layout(pictures, keys, choices))


def _choices(interaction: Interaction) -> Sequence[Option]:
    """Return the deployments that take a picture. Raises RefusedError if there are none."""
    offered = [each for each in interaction.client.app.catalogue.all() if each.picture_input]
    if not offered:
        raise RefusedError("use_nobody")
    return [Option(each.name, each.title, each.description) for each in offered]


def _menu(*choices: Option) -> OnMenu:
    async def on_menu(interaction: Interaction, message: discord.Message) -> None:
        await use_picture(interaction, message, choices=choices)

    return on_menu


async def _submitted(interaction: Interaction, id: DraftId) -> None:
    await begin(interaction, id, sent=typed_values(interaction))


async def setup(bot: GenerateBot) -> None:
    bot.add_handlers(DraftId, _pressed, _submitted)

    def build_menus() -> None:
        """Offer *Use as input*, if a deployment takes pictures, and follow-ups."""
        bot.tree.clear_commands(guild=None, type=discord.AppCommandType.message)
        offered = bot.app.catalogue.all()
        takes_pictures = any(each.picture_input for each in offered)
        menus: dict[str, OnMenu] = {say("use_menu"): _menu()} if takes_pictures else {}
        for each in message_commands(offered):
            menus[each.label] = _menu(Option(each.reference, each.label))
        for name, callback in menus.items():
            bot.tree.add_command(app_commands.ContextMenu(name=name, callback=callback))

    bot.builders.append(build_menus)
