"""Check copies of results, only for the results' requesters. The messenger posts them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from bot.context import App
from bot.discord_api.channels import message_state
from bot.domain.errors import AlreadyPosted, DiscordAway, RefusedError
from bot.domain.messages.records import MessageRef
from bot.domain.requests import Actor
from bot.domain.results.sharing import CopyRequest, MessageState, offers_copy
from bot.domain.runs import Run
from bot.services.access import copyable, restricts
from bot.services.words import check_words


async def is_offered(app: App, actor: Actor, run: Run) -> bool:
    """Return whether the user may share the run's result in a gallery that the bot can post in."""
    if not offers_copy(run, actor) or run.guild_id is None or run.private:
        return False
    gallery = (await app.store.rules.get(run.guild_id)).gallery_channel_id
    return gallery is not None and actor.channel_state(gallery).can_post


def is_postable(run: Run, actor: Actor) -> bool:
    """Return whether the user may post this one result of a batch in the batch's channel."""
    return offers_copy(run, actor) and not run.needs_interaction


async def post(app: App, actor: Actor, key: str) -> CopyRequest:
    """Return a copy of a single result of a batch: a separate message in the batch's channel."""
    run = await copyable(app, actor, key)
    # The bot can't post in the channel of a user install.
    if run.count == 1 or run.user_install:
        raise RefusedError("post_nothing")
    return await _checked(app, run, CopyRequest(key=key))


async def check(app: App, actor: Actor, key: str) -> Run:
    """Return the run if its result may be shared now. Raises RefusedError otherwise.

    Call it before the form opens. `share` repeats the check, and also checks the texts.
    """
    run, gallery = await _sharable(app, actor, key)
    await _checked(app, run, CopyRequest(key=key, shared_to=gallery))
    return run


async def share(app: App, actor: Actor, key: str, *, with_prompt: bool) -> CopyRequest:
    """Return a share of a result.

    A prompt is checked again, because the word rules may exempt the channel that it was written in. Texts
    that the run made are checked even without the prompt, because they may quote it.
    """
    run, gallery = await _sharable(app, actor, key)
    in_gallery = replace(actor, channel_ids=frozenset({gallery}))
    made = "\n".join(output.text for output in run.outputs if output.text)
    await _check_text(app, run, "text", made, in_gallery, "share_text")
    await _check_text(app, run, "prompt", run.prompt if with_prompt else None, in_gallery, "share_words")
    copy = CopyRequest(key=key, shared_to=gallery, with_prompt=with_prompt)
    return await _checked(app, run, copy)


async def _check_text(app: App, run: Run, name: str, text: str | None, actor: Actor, code: str) -> None:
    """Raise RefusedError with this code if the gallery may not show a text.

    The audit log records each refusal, with the `name` of the text.
    """
    if not text:
        return
    try:
        await check_words(app, actor, run.deployment, {name: text})
    except RefusedError as error:
        if error.code == "words_refused":
            raise RefusedError(code, str(error)) from None
        raise


async def _checked(app: App, run: Run, copy: CopyRequest) -> CopyRequest:
    """Return the copy if it can be requested now. Raises RefusedError otherwise.

    Discord is asked about an earlier copy. If it was deleted there, this raises RefusedError. If its whole
    channel was deleted, that says nothing about the result.
    """
    try:
        await app.store.copies.check(run, copy)
    except AlreadyPosted as error:
        state, ref = MessageState.EXISTS, MessageRef(error.channel_id, error.message_id)
        with suppress(DiscordAway):
            state = await message_state(app.discord.client, ref)
        if state is MessageState.EXISTS:
            raise
        if state is MessageState.DELETED:
            # Only a moderator can have deleted it in Discord, so it isn't posted again.
            raise RefusedError(f"{copy.kind}_deleted") from None
        copy = replace(copy, deleted_channel=error.channel_id)
        await app.store.copies.check(run, copy)
    return copy


async def _sharable(app: App, actor: Actor, key: str) -> tuple[Run, int]:
    """Return the run and the id of the gallery channel, if the user may share the result there now.

    Raises RefusedError otherwise.
    """
    run = await copyable(app, actor, key)
    rules = await app.store.rules.current(run.guild_id)
    gallery = rules.gallery_channel_id if run.guild_id is not None else None
    if gallery is None:
        raise RefusedError("share_no_gallery")
    channel = actor.channel_state(gallery)
    if not channel.can_post:
        raise RefusedError("share_closed")
    restricted = restricts(app, actor, run)
    # An archived thread isn't in the cache, but the interaction from it contains its parent's mark.
    if (restricted or actor.origin.age_restricted) and not channel.age_restricted:
        raise RefusedError("share_age")
    return run, gallery
