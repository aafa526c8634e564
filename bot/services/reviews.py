"""The service behind the moderators' buttons, and behind Delete and Report. Knows no Discord."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from bot.deployments.catalogue import Catalogue
from bot.deployments.input_text import ShownInputs, displayed_inputs
from bot.domain.errors import RefusedError
from bot.domain.requests import Member, Requester
from bot.domain.runs import Run, RunState
from bot.store import Store
from bot.store.reviews import check_undecided
from bot.strings import say
from bot.ui.components import OutgoingMessage
from bot.ui.moderation import closed_report_card, decided_card
from bot.workers.worker import Wakeups


class ReviewService:
    """Raises RefusedError for strangers, and where there is nothing to decide any more."""

    def __init__(
        self, store: Store, catalogue: Catalogue, wakeups: Wakeups, clock: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._catalogue = catalogue
        self._nudges = wakeups
        self._clock = clock

    async def approve(self, key: str, moderator: Member, guild_id: int | None) -> OutgoingMessage:
        """The request may start; returns the card as it looks afterwards."""
        await self._moderated(key, moderator, guild_id)
        await self._store.reviews.approve(key, moderator.id, self._clock())
        self._nudges.submit()
        self._nudges.show()
        return await self._card(key)

    async def check_open(self, key: str, moderator: Member, guild_id: int | None) -> None:
        """Before a form is opened: whether this person could still decide."""
        check_undecided(await self._moderated(key, moderator, guild_id), moderator.id)

    async def reject(self, key: str, moderator: Member, guild_id: int | None, reason: str) -> OutgoingMessage:
        await self._moderated(key, moderator, guild_id)
        await self._store.reviews.reject(key, moderator.id, reason, self._clock())
        self._nudges.deliver()
        return await self._card(key)

    async def subject(self, key: str, moderator: Member, guild_id: int | None) -> int:
        """Whom a Block button is about."""
        return (await self._moderated(key, moderator, guild_id)).requester_id

    async def delete(
        self, key: str, person: Member, guild_id: int | None, *, by_card: bool = False
    ) -> OutgoingMessage:
        """For the requester and for moderators; returns a report's card as it looks afterwards.

        `by_card`: pressed on that card, where a result that is gone already is no reason to leave it open.
        """
        run = await self._store.runs.get(key)
        if run is None or run.requester_id != person.id or by_card:
            run = await self._moderated(key, person, guild_id)
        if by_card and run.deleted_at is not None:
            return closed_report_card(run, self._title(run), say("report_gone"))
        _check_shown(run)
        await self._store.reviews.delete(key, person.id, self._clock())
        self._nudges.deliver()
        return closed_report_card(run, self._title(run), say("report_deleted", person=person.id))

    async def delete_all(
        self, key: str, person: Member, guild_id: int | None, *, by_card: bool = False
    ) -> OutgoingMessage:
        """Of several: all that are there. For the rest see `delete`."""
        run = await self._store.runs.get(key)
        if run is None or run.requester_id != person.id or by_card:
            run = await self._moderated(key, person, guild_id)
        if by_card and not any(map(_is_shown, await self._store.runs.batch(run))):
            return closed_report_card(run, self._title(run), say("report_gone"))
        await self._store.reviews.delete_all(key, person.id, self._clock())
        self._nudges.deliver()
        return closed_report_card(run, self._title(run), say("report_deleted", person=person.id))

    async def report(self, key: str, requester: Requester) -> bool:
        """A card for the moderators, where one can be posted; False where they have dealt with this person's
        report already."""
        run = await self._run(key, requester.origin.guild_id)
        if run.batch_key is None or not run.leads:
            _check_shown(run)
        elif not any(map(_is_shown, await self._store.runs.batch(run))):
            raise RefusedError("no_result")
        rules = await self._store.rules.current(requester.origin.guild_id)
        channel_id = rules.approval.review_channel_id
        if channel_id is None or not requester.can_post(channel_id):
            raise RefusedError("no_review_channel")
        heard = await self._store.reviews.report(run.key, requester.person.id, channel_id, self._clock())
        self._nudges.deliver()
        return heard

    async def dismiss(self, key: str, moderator: Member, guild_id: int | None) -> OutgoingMessage:
        run = await self._moderated(key, moderator, guild_id)
        await self._store.reviews.dismiss(key, moderator.id, self._clock())
        return closed_report_card(run, self._title(run), say("report_dismissed", person=moderator.id))

    def inputs(self, run: Run) -> ShownInputs:
        return displayed_inputs(self._catalogue.get(run.deployment), run.inputs)

    async def _card(self, key: str) -> OutgoingMessage:
        run = await self._store.runs.get(key)
        if run is None:
            raise RefusedError("run_gone")
        return decided_card(run, self._title(run), self.inputs(run))

    async def _moderated(self, key: str, person: Member, guild_id: int | None) -> Run:
        run = await self._run(key, guild_id)
        if not person.is_moderator(await self._store.rules.current(guild_id)):
            raise RefusedError("not_a_moderator")
        return run

    async def _run(self, key: str, guild_id: int | None) -> Run:
        """A custom_id can be forged, but not the server it is pressed in."""
        run = await self._store.runs.get(key)
        if run is None or run.guild_id != guild_id:
            raise RefusedError("run_gone")
        return run

    def _title(self, run: Run) -> str:
        return self._catalogue.title(run.deployment)


def _check_shown(run: Run) -> None:
    """Only a result that is there can be deleted or reported, whatever a forged button says."""
    if run.deleted_at is not None:
        raise RefusedError("already_deleted")
    if not _is_shown(run):
        raise RefusedError("no_result")


def _is_shown(run: Run) -> bool:
    return run.state is RunState.SUCCEEDED and run.deleted_at is None
