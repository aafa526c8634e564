"""Delete results, copies of results, and messages without a result."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from bot.domain.errors import RefusedError
from bot.domain.messages.records import Kind, MessageRef
from bot.domain.moderation.reviews import check_shown, may_delete
from bot.domain.requests import Member
from bot.domain.runs import Run
from bot.store import Store
from bot.workers.worker import Wakeups


class DeletionService:
    """Deletes results and other messages of runs.

    The requester, the server's moderators and users who may manage the channel's messages may do this.
    `moderated` is the channel of the interaction if the user may manage messages in it. Methods raise
    RefusedError if the user may not do this or nothing is left to delete, and StoreUnavailable if the
    database is unreachable.
    """

    def __init__(self, store: Store, wakeups: Wakeups, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._wakeups = wakeups
        self._clock = clock

    async def delete_result_or_copy(
        self,
        key: str,
        person: Member,
        guild_id: int | None,
        message: MessageRef | None,
        *,
        moderated: int | None,
    ) -> tuple[Run, bool]:
        """Delete the copy of a result that `message` shows or, if it shows no copy, the result.

        `message` has the button, and is None if only this user sees it. Returns the run, and whether only a
        copy was deleted.
        """
        run = await self._run(key)
        is_copy = message is not None and await self._store.copies.shown_in(run, message)
        copy = message if is_copy else None
        channel_id = copy.channel_id if copy is not None else run.channel_id
        await self._check(run, person, guild_id, moderated, channel_id)
        if copy is not None:
            await self._store.copies.delete(key, copy, person.id, self._clock())
        else:
            check_shown(run)
            await self._store.reviews.delete(key, person.id, self._clock())
        self._wakeups.show()
        return run, copy is not None

    async def delete_batch(
        self, key: str, person: Member, guild_id: int | None, *, moderated: int | None
    ) -> Run:
        """Delete all results of a batch, and return the run with this key."""
        run = await self._run(key)
        await self._check(run, person, guild_id, moderated, run.channel_id)
        check_shown(*await self._store.runs.batch(run))
        await self._store.reviews.delete_all(key, person.id, self._clock())
        self._wakeups.show()
        return run

    async def discard(
        self,
        key: str,
        person: Member,
        guild_id: int | None,
        message_id: int | None,
        *,
        moderated: int | None,
    ) -> Run:
        """Check that the user may delete a message without a result, which the caller deletes.

        If the message belongs to the outcome, or is None, and no result of the batch is shown any more, the
        messenger deletes the outcome's messages.
        """
        run = await self._run(key)
        await self._check(run, person, guild_id, moderated, run.channel_id)
        outcome = (await self._store.messages.of_request(run.request_key)).get((Kind.OUTCOME, 0))
        refs = [*outcome.refs, *outcome.stale] if outcome is not None else []
        if message_id is None or message_id in [ref.message_id for ref in refs]:
            batch = await self._store.runs.batch(run)
            remove = not any(each.is_shown for each in batch)
            await self._store.reviews.discard(run.request_key, person.id, self._clock(), remove=remove)
            self._wakeups.show()
        return run

    async def may_delete(
        self, run: Run, person: Member, guild_id: int | None, *, moderated: int | None
    ) -> bool:
        """Return whether the user may delete the run's result."""
        if may_delete(run, person, moderated):
            return True
        is_here = run.guild_id is not None and run.guild_id == guild_id
        return is_here and person.is_moderator(await self._store.rules.current(guild_id))

    async def _run(self, key: str) -> Run:
        run = await self._store.runs.get(key)
        if run is None:
            raise RefusedError("run_gone")
        return run

    async def _check(
        self, run: Run, person: Member, guild_id: int | None, moderated: int | None, channel_id: int
    ) -> None:
        """Raise RefusedError if the user may not delete the run's messages in a channel."""
        if may_delete(run, person, moderated, channel_id=channel_id):
            return
        # A custom_id can be forged, but the server of the interaction can't.
        if run.guild_id != guild_id:
            raise RefusedError("run_gone")
        if not person.is_moderator(await self._store.rules.current(guild_id)):
            raise RefusedError(await self._refusal(run) if guild_id is not None else "not_yours")

    async def _refusal(self, run: Run) -> str:
        """Return the code of the sentence for users who may not delete, but perhaps report, a result."""
        channel_id = (await self._store.rules.get(run.guild_id)).approval.review_channel_id
        is_reportable = channel_id is not None and run.is_shown and not run.private
        return "delete_not_yours_report" if is_reportable else "delete_not_yours"
