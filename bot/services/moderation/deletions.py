"""Delete results, copies of results, and messages without a result.

The caller lets the messenger remove them from Discord.
"""

from __future__ import annotations

from collections.abc import Sequence

from bot.context import App
from bot.domain.errors import RefusedError
from bot.domain.messages.records import COPIES, Kind, MessageRef
from bot.domain.moderation.reviews import check_shown
from bot.domain.requests import Actor
from bot.domain.runs import Run
from bot.services.access import check_deletable, stored
from bot.services.runs import message_kinds


async def delete_shown(
    app: App, actor: Actor, key: str, message: MessageRef | None = None, *, whole: bool = False
) -> tuple[Run, bool]:
    """Delete the copy of a result that `message` shows, or else the result, with `whole` of the whole batch.

    If there is no result, delete the message about that. `message` is None if only the user sees it. Returns
    the run, and whether only a copy was deleted.
    """
    run, now = await stored(app, key), app.now()
    kinds = await message_kinds(app, key, message, None, ()) if message is not None else None
    if message is not None and kinds and not COPIES.isdisjoint(kinds):
        await check_deletable(app, actor, run, message.channel_id)
        await app.store.copies.delete(key, message, actor.id, now)
        return run, True
    await check_deletable(app, actor, run, run.channel_id)
    if kinds is not None and not kinds:  # it is gone, so the press isn't about what is left
        raise RefusedError("already_deleted")
    batch = await app.store.runs.batch(run)
    about = batch if whole else [run]
    if any(each.has_result or not each.final for each in about):
        check_shown(*about)
        await (app.store.reviews.delete_all if whole else app.store.reviews.delete)(key, actor.id, now)
    else:
        await app.store.reviews.discard(run.request_key, actor.id, now, remove=not _is_any_shown(batch))
    return run, False


async def discard(app: App, actor: Actor, key: str, message_id: int) -> None:
    """Check that the user may delete a message without a result, which the caller deletes.

    If it belongs to the outcome, and no result of the batch is shown any more, the outcome's other messages
    are deleted, too.
    """
    run = await stored(app, key)
    await check_deletable(app, actor, run, run.channel_id)
    outcome = (await app.store.messages.of_request(run.request_key)).get((Kind.OUTCOME, 0))
    refs = [*outcome.refs, *outcome.stale] if outcome is not None else []
    if message_id in [ref.message_id for ref in refs]:
        batch = await app.store.runs.batch(run)
        remove = not _is_any_shown(batch)
        await app.store.reviews.discard(run.request_key, actor.id, app.now(), remove=remove)
        app.wakeups.show()


def _is_any_shown(batch: Sequence[Run]) -> bool:
    return any(run.is_shown for run in batch)
