"""Start requests: check, defer, accept, and show the status message."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any

import aiohttp
import discord

from bot.config.logs import run_context
from bot.delivery.status import show_again
from bot.domain.errors import AlreadyTaken, RefusedError, StoreUnavailable
from bot.domain.requests import Checked
from bot.domain.runs import Run
from bot.domain.text import in_code, listed
from bot.gateway.client import ANSWERED_TWICE, THINKING, GenerateBot, insist, tell
from bot.gateway.interactions import Interaction, actor_of, check_start
from bot.sentences import say
from bot.services import runs
from bot.services.access import is_hidden_here, own_here
from bot.ui.message_parts import layout_of
from bot.ui.status import status_message

log = logging.getLogger(__name__)
# Discord waits three seconds for the first answer. If the checks take longer than this, because they wait for
# Discord or for a file, the answer is deferred privately, whatever they will decide: a refusal may be shown
# there, and so may a status message.
CHECK_SECONDS = 1.0
# discord.py waits so long, in seconds, before it repeats a call. What Discord refuses before that, another
# process has answered.
_REPEATED_AFTER = 1.0
# Discord waits three seconds for a first answer, and storing a request takes longer than answering it. So if
# many people ask at once, each request waits until the others are answered, but no longer than this.
_PATIENCE = 1.0
# How many dropped inputs a sentence names, so that it fits into a message.
_NAMED = 15


async def start(
    interaction: Interaction, check: Callable[[], Coroutine[Any, Any, Checked]], private: bool | None = None
) -> None:
    """Check a request, defer the answer, store the request, and show its status message.

    If it is known before the checks who may see the answer, by `private`, it is deferred before them. Raises
    BotError if nothing was started, or RequestUnknown if the bot can't know.
    """
    client, checking = interaction.client, asyncio.create_task(check()) if private is None else None
    client.unanswered += 1
    client.all_answered.clear()
    try:
        if checking is not None:
            done, _ = await asyncio.wait([checking], timeout=CHECK_SECONDS)
            if not done and await _defer(interaction, private=True) is None:
                return
            private = (await checking).only_requester
        public = await _defer(interaction, private=bool(private))
    finally:
        if checking is not None:
            checking.cancel()
        client.unanswered -= 1
        if not client.unanswered:
            client.all_answered.set()
    if public is not None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                await client.all_answered.wait()
        await _accept(interaction, await (checking or check()), public=public)


async def _defer(interaction: Interaction, *, private: bool) -> bool | None:
    """Show "thinking…" unless it is shown already, and return whether everybody sees it.

    Returns None if it isn't shown, or if another process answers the interaction. No error can tell: after a
    5xx, discord.py repeats the call, and Discord refuses the repetition of what it has carried out.
    """
    if THINKING in interaction.extras:
        return bool(interaction.extras[THINKING])
    public, app = not private, interaction.client.app
    began = app.effects.monotonic()
    try:
        await interaction.response.defer(ephemeral=private, thinking=True)
    except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
        log.warning("can't tell whether Discord has the answer, so it is asked: %s", error)
        is_refused = isinstance(error, discord.HTTPException) and error.code == ANSWERED_TWICE
        if is_refused and (now := app.effects.monotonic()) < began + _REPEATED_AFTER:
            app.troubles.answered_elsewhere(now)
        try:
            answer = await insist(interaction.original_response)
        except discord.HTTPException:
            log.warning("dropped a request, because its interaction was never answered")
            return None
        if not answer.flags.loading:
            log.warning("skipped an interaction that another process answered")
            return None
        public = not answer.flags.ephemeral
    interaction.extras[THINKING] = public
    return public


async def _accept(interaction: Interaction, checked: Checked, *, public: bool) -> None:
    """Store a request, and edit its deferred answer into the status message, which nobody else changes yet.

    `public` says whether everybody sees the answer.
    """
    app, first, message_id = interaction.client.app, checked.batch[0], None
    with run_context(first.key):
        try:
            with app.metrics.request(first.deployment, accepts=True):
                run = await app.store.requests.accept(checked.batch, checked.actor, app.now(), public=public)
        except AlreadyTaken as error:
            log.warning("skipped an interaction that another process handles: %s", error)
            return
        log.info(
            "accepted a request of user %s in channel %s, runs: %s",
            run.requester_id,
            run.channel_id,
            run.count,
        )
        app.wakeups.wake("submit")
        del interaction.extras[THINKING]
        # All runs of a new batch are in the state of its first.
        layout = status_message([run] * run.count, app.catalogue.title(run.deployment)).layout
        try:
            message_id = (await interaction.edit_original_response(view=layout)).id
        except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
            log.warning("can't show the status of run %s, so a messenger will: %s", run.key, error)
        try:
            await app.store.messages.answered(run.key, message_id, app.now())
        except StoreUnavailable as error:
            log.warning("can't store the status message's id, so the message is edited again: %s", error)
        app.wakeups.wake("show")
    # A follow-up would take the place of a status message that isn't shown yet.
    if checked.dropped and message_id is not None:
        names = listed([f"`{in_code(name, 60)}`" for name in checked.dropped], _NAMED)
        await tell(interaction, f"These inputs didn't fit and were left out: {names}.")


async def redeliver_here(interaction: discord.Interaction[GenerateBot], key: str) -> bool:
    """Have an undelivered result posted in this channel. Raises RefusedError if that isn't possible.

    Returns whether the interaction has been answered. If only an interaction can show the result here, the
    messenger edits the deferred answer into the result.
    """
    interaction.client.check_rate(interaction.user.id)
    app, actor = interaction.client.app, await check_start(interaction)
    run = await own_here(app, actor, key)
    if is_hidden_here(app, actor, run):
        raise RefusedError("result_age")
    if run.private or actor.origin.user_install:
        if await _defer(interaction, private=run.private) is None:
            return True
        # A late result of a batch may go elsewhere, and then nothing else edits the answer.
        with suppress(discord.HTTPException, aiohttp.ClientError, OSError):
            await interaction.edit_original_response(view=layout_of(say("post_noted")))
    await runs.redeliver(app, actor, run)
    return interaction.extras.pop(THINKING, None) is not None


async def show_private(interaction: Interaction, batch: Sequence[Run], *, to_moderator: bool = False) -> None:
    """Show private results in the ephemeral answer. Raises RefusedError or DiscordAway."""
    await interaction.response.defer(ephemeral=True, thinking=True)
    origin = actor_of(interaction).origin
    await show_again(interaction.client.app, batch, origin, to_moderator=to_moderator)
