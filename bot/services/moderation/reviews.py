"""Approve, reject and report requests and results, and decide about reports."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from bot.deployments.catalogue import Catalogue
from bot.deployments.input_text import ShownInputs, displayed_inputs
from bot.deployments.still_offered import offer_of
from bot.domain.errors import RefusedError, RefusedForNow
from bot.domain.moderation.reviews import check_shown, check_undecided, has_decided
from bot.domain.requests import ChannelState, Member, Requester
from bot.domain.runs import Run
from bot.services.age_marks import AgeMarks
from bot.store import Store
from bot.strings import explain
from bot.workers.worker import Wakeups

# Returns the requester and the channel of a request as they are now. Raises DiscordAway.
Present = Callable[[Run], Awaitable[tuple[Member, ChannelState | None]]]


@dataclass(frozen=True, slots=True)
class ReviewedRun:
    """A run and the content of its card.

    `already_deleted` is True if a moderator deletes a reported result that had already been removed.
    """

    run: Run
    title: str
    inputs: ShownInputs
    already_deleted: bool = False


class ReviewService:
    """Handles users' reports and moderators' decisions.

    Methods raise RefusedError if the user may not do this or nothing is left to decide, and StoreUnavailable
    if the database is unreachable.
    """

    def __init__(
        self,
        store: Store,
        catalogue: Catalogue,
        age_marks: AgeMarks,
        wakeups: Wakeups,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._age_marks = age_marks
        self._catalogue = catalogue
        self._wakeups = wakeups
        self._clock = clock

    async def approve(
        self, key: str, moderator: Member, guild_id: int | None, present: Present
    ) -> ReviewedRun:
        """Let a request start, and return the run with its card's new content.

        An approval is judged like a new request. If a rule forbids the start, this raises RefusedError with
        the rule's reason: `approve_later` if the card stays, `approve_never` if the request has ended. If
        this user has already approved the request, this only returns its run, since the reply may have been
        lost.
        """
        run = await self._moderated(key, moderator, guild_id)
        if has_decided(run, moderator.id, rejected=False):
            return self._reviewed(run)
        check_undecided(moderator.id, run)
        person, channel = await present(run)
        offer = offer_of(self._catalogue, run)
        refused = await self._store.reviews.approve(
            key, moderator.id, self._clock(), person=person, channel=channel, offer=offer
        )
        if isinstance(refused, RefusedForNow):
            raise RefusedError("approve_later", str(refused), reason=explain(refused))
        self._wakeups.show()
        if refused is not None:
            self._wakeups.show()
            raise RefusedError("approve_never", str(refused), reason=explain(refused))
        self._wakeups.submit()
        return await self._decided(key)

    async def check_open(self, key: str, moderator: Member, guild_id: int | None) -> ReviewedRun | None:
        """Raise RefusedError if this user can't decide about the request. Called before a form opens.

        If this user has already rejected the request, return its run, since the reply may have been lost.
        """
        run = await self._moderated(key, moderator, guild_id)
        if has_decided(run, moderator.id, rejected=True):
            return self._reviewed(run)
        check_undecided(moderator.id, run)
        return None

    async def reject(self, key: str, moderator: Member, guild_id: int | None, reason: str) -> ReviewedRun:
        """End a request, and return the run with its card's new content."""
        await self._moderated(key, moderator, guild_id)
        await self._store.reviews.reject(key, moderator.id, reason, self._clock())
        self._wakeups.show()
        return await self._decided(key)

    async def requester_id(self, key: str, moderator: Member, guild_id: int | None) -> int:
        """Return the user whom a card's Block button blocks."""
        return (await self._moderated(key, moderator, guild_id)).requester_id

    async def takes_reports(self, requester: Requester) -> bool:
        """Return whether a report from this server would reach its moderators."""
        rules = await self._store.rules.get(requester.origin.guild_id)
        channel_id = rules.approval.review_channel_id
        return channel_id is not None and requester.channel_state(channel_id).can_post

    async def report(self, key: str, requester: Requester) -> bool:
        """Report a result to the moderators.

        Returns False if the moderators have already handled an earlier report by this user.
        """
        run = await self._run(key, requester.origin.guild_id)
        if run.private:  # nobody else sees it, so nobody can report it
            raise RefusedError("run_gone")
        reported = await self._store.runs.batch(run) if run.is_first_in_batch else [run]
        check_shown(*reported)
        rules = await self._store.rules.current(requester.origin.guild_id)
        channel_id = rules.approval.review_channel_id
        if channel_id is None or not requester.channel_state(channel_id).can_post:
            raise RefusedError("no_review_channel")
        is_new = await self._store.reviews.report(run.key, requester.person.id, channel_id, self._clock())
        self._wakeups.show()
        return is_new

    async def delete_reported(
        self, key: str, moderator: Member, guild_id: int | None, *, whole_batch: bool
    ) -> ReviewedRun:
        """Delete a reported result or batch, which closes its report.

        If nothing of it is shown any more, this changes nothing and sets `already_deleted`.
        """
        run = await self._moderated(key, moderator, guild_id)
        results = await self._store.runs.batch(run) if whole_batch else [run]
        if not any(each.is_shown for each in results):
            return replace(self._reviewed(run), already_deleted=True)
        reviews, now = self._store.reviews, self._clock()
        await (reviews.delete_all if whole_batch else reviews.delete)(key, moderator.id, now)
        self._wakeups.show()
        return self._reviewed(run)

    async def dismiss(self, key: str, moderator: Member, guild_id: int | None) -> ReviewedRun:
        """Close a report and leave the result in place."""
        run = await self._moderated(key, moderator, guild_id)
        await self._store.reviews.dismiss(key, moderator.id, self._clock())
        self._wakeups.show()
        return self._reviewed(run)

    async def open(self, key: str, moderator: Requester) -> Sequence[Run]:
        """Return a request's private results for a moderator, and record that they opened them."""
        run = await self._moderated(key, moderator.person, moderator.origin.guild_id)
        batch = await self._store.runs.batch(run)
        opened = [each for each in batch if each.private and each.is_shown and each.outputs]
        if not opened:
            raise RefusedError("already_deleted" if any(run.deleted_at for run in batch) else "open_nothing")
        self._age_marks.check(run, moderator)
        await self._store.reviews.record_opening(opened, moderator.person.id, self._clock())
        return opened

    async def _decided(self, key: str) -> ReviewedRun:
        run = await self._store.runs.get(key)
        if run is None:
            raise RefusedError("run_gone")
        return self._reviewed(run)

    def _reviewed(self, run: Run) -> ReviewedRun:
        title = self._catalogue.title(run.deployment)
        inputs = displayed_inputs(self._catalogue.get(run.deployment), run.inputs)
        return ReviewedRun(run, title, inputs)

    async def _moderated(self, key: str, person: Member, guild_id: int | None) -> Run:
        """Return a run of the server. Raises RefusedError for users who aren't its moderators."""
        run = await self._run(key, guild_id)
        if not person.is_moderator(await self._store.rules.current(guild_id)):
            raise RefusedError("not_a_moderator")
        return run

    async def _run(self, key: str, guild_id: int | None) -> Run:
        # A custom_id can be forged, but the server of the interaction can't.
        run = await self._store.runs.get(key)
        if run is None or run.guild_id != guild_id:
            raise RefusedError("run_gone")
        return run
