"""Delete results, copies of results, and messages without a result."""

from __future__ import annotations

from bot.context import App
from bot.domain.messages.records import Kind, MessageRef
from bot.domain.moderation.reviews import check_shown
from bot.domain.requests import Actor
from bot.domain.runs import Run
from bot.services.access import check_deletable, stored


async def delete_result_or_copy(
    app: App, actor: Actor, key: str, message: MessageRef | None
) -> tuple[Run, bool]:
    """Delete the copy of a result that `message` shows or, if it shows no copy, the result.

    `message` has the button, and is None if only this user sees it. Returns the run, and whether only a
    copy was deleted.
    """
    run = await stored(app, key)
    is_copy = message is not None and await app.store.copies.shown_in(run, message)
    copy = message if is_copy else None
    await check_deletable(app, actor, run, copy.channel_id if copy is not None else run.channel_id)
    if copy is not None:
        await app.store.copies.delete(key, copy, actor.id, app.now())
    else:
        check_shown(run)
        await app.store.reviews.delete(key, actor.id, app.now())
    app.wakeups.show()
    return run, copy is not None


async def delete_batch(app: App, actor: Actor, key: str) -> Run:
    """Delete all results of a batch, and return the run with this key."""
    run = await stored(app, key)
    await check_deletable(app, actor, run, run.channel_id)
    check_shown(*await app.store.runs.batch(run))
    await app.store.reviews.delete_all(key, actor.id, app.now())
    app.wakeups.show()
    return run


async def discard(app: App, actor: Actor, key: str, message_id: int | None) -> Run:
    """Check that the user may delete a message without a result, which the caller deletes.

    If the message belongs to the outcome, or is None, and no result of the batch is shown any more, the
    messenger deletes the outcome's messages.
    """
    run = await stored(app, key)
    await check_deletable(app, actor, run, run.channel_id)
    outcome = (await app.store.messages.of_request(run.request_key)).get((Kind.OUTCOME, 0))
    refs = [*outcome.refs, *outcome.stale] if outcome is not None else []
    if message_id is None or message_id in [ref.message_id for ref in refs]:
        batch = await app.store.runs.batch(run)
        remove = not any(each.is_shown for each in batch)
        await app.store.reviews.discard(run.request_key, actor.id, app.now(), remove=remove)
        app.wakeups.show()
    return run
