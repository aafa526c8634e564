"""Messages owed that are not outcomes: moderators' cards, a rejection's reason, a result's removal."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from bot.delivery.cleanup import ResultRemoval
from bot.delivery.posting import OutcomeUnknown, Poster, Unreachable
from bot.delivery.uploads import OutputPreparer
from bot.deployments.input_text import ShownInputs
from bot.domain.records import AuditAction
from bot.domain.runs import OUTCOMES, Delivery, Purpose, Run, RunState
from bot.domain.text import message_url
from bot.store import Store
from bot.ui.components import OutgoingMessage, PreparedOutputs
from bot.ui.custom_ids import Action
from bot.ui.moderation import decided_card, notice_message, report_card, review_card

log = logging.getLogger(__name__)


async def _nothing_follows() -> None:
    """Nobody waits for this message."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One part and its place: a channel (None: the requester's direct messages), or a message to edit.

    `smaller` makes the part again, without files, where Discord won't have them. `mark` is `Ladder.post`'s.
    """

    part: OutgoingMessage
    channel_id: int | None = None
    edits: tuple[int, int] | None = None
    closed: Callable[[], Awaitable[None]] = _nothing_follows
    smaller: Callable[[], Awaitable[OutgoingMessage]] | None = None
    mark: str = ""


class NoticePlanner:
    """Says what a delivery that is not an outcome amounts to now; None when there is nothing left to do."""

    def __init__(
        self,
        *,
        store: Store,
        poster: Poster,
        packer: OutputPreparer,
        title: Callable[[str], str],
        inputs: Callable[[Run], ShownInputs],
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._poster = poster
        self._packer = packer
        self._title = title
        self._inputs = inputs
        self._clock = clock
        self._removal = ResultRemoval(store, poster, title)

    async def plan(self, delivery: Delivery, folder: Path) -> Notice | None:
        run = delivery.run
        title = self._title(run.deployment)
        if delivery.purpose is Purpose.REVIEW:
            return await self._review(delivery, title, folder)
        if delivery.purpose is Purpose.CARD:
            return await self._decided(run, title)
        if delivery.purpose is Purpose.NOTICE:
            return Notice(notice_message(run, title, self._poster.place(run.channel_id)))
        if delivery.purpose is Purpose.REPORT:
            return await self._report(run, title, folder)
        await self._removal.remove(run)
        return None

    async def _decided(self, run: Run, title: str) -> Notice | None:
        if await self._store.deliveries.is_pending(run.key, {Purpose.REVIEW}):
            raise OutcomeUnknown("the card is still being posted")
        card = await self._store.reviews.card(run.key)
        return Notice(decided_card(run, title, self._inputs(run)), edits=card) if card else None

    async def _review(self, delivery: Delivery, title: str, folder: Path) -> Notice | None:
        run = delivery.run
        if run.state is not RunState.AWAITING_APPROVAL:
            await self._note_posted(delivery)
            return None
        inputs = self._inputs(run)
        # Its files are named as they are renewed by: hidden by the card, not by their names.
        attached = replace(run, outputs=inputs.files, spoiler=False)

        async def part(limit: int) -> OutgoingMessage:
            prepared = await self._packer.pack(attached, limit, folder, last_try=True)
            return review_card(run, title, inputs, prepared)

        async def unreachable() -> None:
            await self._store.runs.finish(run.key, RunState.REFUSED, self._clock(), code="review_unreachable")

        async def without_files() -> OutgoingMessage:
            return await part(0)

        return Notice(
            await part(run.upload_limit),
            channel_id=run.review_channel_id,
            closed=unreachable,
            smaller=without_files,
        )

    async def _note_posted(self, delivery: Delivery) -> None:
        """A card of which a crash left unknown whether it is there: it has to be found to be brought up to
        date, now that nobody has to decide any more."""
        channel_id, since = delivery.run.review_channel_id, delivery.attempted_at
        if delivery.messages or not delivery.attempted or since is None or channel_id is None:
            return
        with suppress(Unreachable):
            found = await self._poster.find_offering(channel_id, delivery.run.key, Action.APPROVE, since)
            if found is not None:
                await self._store.deliveries.mark_sent(delivery.id, [(channel_id, found)])

    async def _report(self, run: Run, title: str, folder: Path) -> Notice | None:
        if run.report_channel_id is None:
            return None
        places = await self._places(run, OUTCOMES)
        link = message_url(run.guild_id, *places[0]) if places else None
        reporters = await self._store.reviews.actors(run, AuditAction.REPORT)
        mark = str(await self._store.reviews.dismissals(run) or "")

        async def without_files() -> OutgoingMessage:
            return report_card(run, title, reporters, link, PreparedOutputs())

        if run.age_restricted:
            # Nobody can tell here whether the review channel is marked too; the link leads to one that is.
            return Notice(await without_files(), channel_id=run.report_channel_id, mark=mark)
        reported = await self._store.runs.batch(run) if run.is_first_in_batch else [run]
        return Notice(
            report_card(run, title, reporters, link, await self._copies(reported, folder)),
            channel_id=run.report_channel_id,
            smaller=without_files,
            mark=mark,
        )

    async def _copies(self, reported: Sequence[Run], folder: Path) -> PreparedOutputs:
        """What there is to be looked at; of several, of all of them."""
        found = [
            await self._packer.pack(replace(run, spoiler=False), run.upload_limit, folder, last_try=True)
            for run in reported
            if run.state is RunState.SUCCEEDED and run.deleted_at is None
        ]
        return PreparedOutputs(
            files=tuple(file for prepared in found for file in prepared.files),
            texts=tuple(text for prepared in found for text in prepared.texts),
            notes=tuple(note for prepared in found for note in prepared.notes),
        )

    async def _places(self, run: Run, purposes: Collection[Purpose]) -> list[tuple[int, int]]:
        found: list[tuple[int, int]] = []
        for purpose in sorted(purposes):
            found += (await self._store.deliveries.told(run.key, purpose)).everywhere
        return found
