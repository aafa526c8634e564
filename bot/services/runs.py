"""Cancel runs, show usage, and have results posted again: undelivered ones, and copies that requesters ask
for. The messenger posts them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import replace

from bot.context import App
from bot.domain.copies import CopyRequest, check_copyable, check_first_copy, offers_copy
from bot.domain.errors import RefusedError, StoreUnavailable
from bot.domain.messages import Messages, Purpose, marker
from bot.domain.moderation import AuditAction
from bot.domain.policy import Usage
from bot.domain.requests import Actor, Member
from bot.domain.runs import Run
from bot.domain.settings.rules_and_defaults import Budget, ServerRules
from bot.domain.text import message_url
from bot.media.outputs import MEDIA_SECONDS
from bot.services.access import cancellable, is_hidden_here, own_here, restricts
from bot.services.generation import check_words
from bot.store.rules import read_rules

# How often to look whether the messenger has shown something.
_LOOK_PAUSE = 0.25


async def cancel(app: App, actor: Actor, key: str, *, is_ephemeral: bool = False) -> None:
    """Cancel a batch. Raises RefusedError if it has ended, or if this user may not cancel it.

    If its status message `is_ephemeral`, it is edited through this interaction from now on.
    """
    run, now = await cancellable(app, actor, key), app.now()
    answer_by = actor.origin if is_ephemeral and run.requester_id == actor.id else None
    if not await app.store.runs.request_cancel(run.request_key, now, by=actor.id, answer_by=answer_by):
        raise RefusedError("cancel_too_late")
    app.wakeups.wake("check", "show", "submit")


async def message_purposes(
    app: App, key: str, message_id: int, interaction_id: int | None = None, ids: Collection[int] = ()
) -> frozenset[Purpose] | None:
    """Return what a message is about if it belongs to the request of a run, otherwise an empty set.

    A status message counts as an outcome, which it becomes. `interaction_id` is the interaction that the
    message answers, since the id of a status message is stored only after users see it. A message whose
    post isn't confirmed yet is known by the `ids` of its components. Returns None if there is no such run.
    """
    found = await app.store.history.request_of(key)
    if found is None:
        return None
    messages, status_id, answered = found
    if message_id == status_id or (answered is not None and answered == interaction_id):
        return frozenset({Purpose.OUTCOME})
    return frozenset(
        each.purpose
        for each in messages.values()
        if any(ref.message_id == message_id for ref in (*each.refs, *each.stale))
        or (each.attempt is not None and marker(each, each.attempt.part) in ids)
    )


async def until_shown(
    app: App, request_key: str, purposes: Collection[Purpose], seconds: float = 5
) -> Messages | None:
    """Wait until no message of these purposes is out of date, and return all of the request.

    Returns None if that takes longer.
    """
    app.wakeups.wake("show")
    for _ in range(int(seconds / _LOOK_PAUSE)):
        await asyncio.sleep(_LOOK_PAUSE)
        with suppress(StoreUnavailable):
            found = await app.store.messages.of_request(request_key)
            if not any(each.is_pending and each.purpose in purposes for each in found.values()):
                return found
    return None


async def usage(
    app: App, actor: Actor, target: Member | None
) -> tuple[Usage, tuple[int, int], Budget, Budget | None]:
    """Return the usage of `target`, or the user's own if it is None, with how many runs they and the whole
    server have in flight (or those outside servers), and the limits of both.

    Only moderators get the server's limits and the usage of other members. Raises RefusedError for
    anybody else who asks about another member. The default rules apply outside servers.
    """
    guild_id, person = actor.origin.guild_id, target or actor.person
    rules = await app.store.rules.get(guild_id)
    moderator = guild_id is not None and actor.person.is_moderator(rules)
    if person.id != actor.id and not moderator:
        raise RefusedError("not_a_moderator")
    today = await app.store.figures.today(guild_id, person.id, app.now())
    running = await app.store.figures.running(guild_id, person.id)
    budgets = rules.budgets
    return today, running, budgets.limits_of(person.role_ids), budgets.server if moderator else None


async def redeliver(app: App, actor: Actor, run: Run) -> None:
    """Post an undelivered result in the channel of this interaction, or in its deferred answer."""
    if not await app.store.copies.redeliver(run.request_key, actor.origin, app.now()):
        raise RefusedError("post_nothing")
    app.wakeups.wake("show")


async def reopen(app: App, actor: Actor, key: str) -> Sequence[Run]:
    """Return the batch of the user's own private result, to show it to them once more."""
    run = await own_here(app, actor, key)
    if is_hidden_here(app, actor, run):
        raise RefusedError("result_age")
    batch = await app.store.runs.batch(run)
    if not run.private or not any(each.is_shown and each.visible for each in batch):
        raise RefusedError("open_nothing")
    return batch


async def is_shareable(app: App, actor: Actor, run: Run) -> bool:
    """Return whether the user may share the run's result in a gallery that the bot can post in."""
    if not offers_copy(run, actor) or run.guild_id is None or run.private:
        return False
    gallery = (await app.store.rules.get(run.guild_id)).gallery_channel_id
    return gallery is not None and actor.channel_state(gallery).can_post


async def request_copy(
    app: App, actor: Actor, key: str, purpose: Purpose, *, with_prompt: bool | None = None
) -> tuple[Run, CopyRequest]:
    """Return the run, and a copy of its result that may be made now. Raises RefusedError otherwise.

    `with_prompt` is None before the form of a share, whose texts are checked only afterwards.
    """
    run = await own_here(app, actor, key)
    check_copyable(run)
    copy = CopyRequest(key=key, with_prompt=bool(with_prompt))
    if purpose is Purpose.SHARE:
        rules = await app.store.database.read(read_rules, run.guild_id)
        copy = replace(copy, shared_to=_gallery(app, actor, run, rules))
        if with_prompt is not None:
            await _check_texts(app, actor, run, copy, rules)
    elif run.count == 1 or run.user_install:  # the bot can't post in the channel of a user install
        raise RefusedError("post_nothing")
    check_first_copy(run, copy, await app.store.messages.of_request(run.request_key))
    return run, copy


async def make_copy(app: App, run: Run, copy: CopyRequest) -> str:
    """Have a copy posted, and return its URL. Raises RefusedError if that fails, or takes too long."""
    now = app.now()
    await app.store.copies.request(copy, now)
    found = await until_shown(app, run.request_key, {copy.purpose}, MEDIA_SECONDS)
    if found is None:
        raise RefusedError("copy_unknown")
    if refs := found[copy.purpose, run.index].refs:
        return message_url(run.guild_id, *refs[0])
    last = await app.store.reviews.last(run, AuditAction(copy.purpose))
    failed = last.outcome if last is not None and last.at >= now else None
    raise RefusedError(failed or "copy_failed")


async def _check_texts(app: App, actor: Actor, run: Run, copy: CopyRequest, rules: ServerRules) -> None:
    """Raise RefusedError if the gallery may not show a text. The audit log records each refusal.

    A prompt is checked again, because the word rules may exempt the channel that it was written in. Texts
    that the run made are checked even without the prompt, because they may quote it.
    """
    actor = replace(actor, channel_ids=frozenset({copy.shared_to or 0}))
    made = "\n".join(output.text for output in run.visible if output.text)
    prompt = run.prompt if copy.with_prompt else None
    for name, text, code in (("text", made, "share_text"), ("prompt", prompt, "share_words")):
        try:
            await check_words(app, actor, run, rules, {name: text} if text else {})
        except RefusedError as error:
            if error.code != "words_refused":
                raise
            raise RefusedError(code, str(error)) from None


def _gallery(app: App, actor: Actor, run: Run, rules: ServerRules) -> int:
    """Return the id of the gallery channel if it may show the result now. Raises RefusedError otherwise."""
    gallery = rules.gallery_channel_id if run.guild_id is not None else None
    if gallery is None or not (channel := actor.channel_state(gallery)).can_post:
        raise RefusedError("share_closed")
    # An archived thread isn't in the cache, but the interaction from it contains its parent's mark.
    is_restricted = restricts(app, actor, run) or actor.origin.channel_age_restricted
    if is_restricted and not channel.age_restricted:
        raise RefusedError("share_age")
    return gallery
