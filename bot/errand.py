"""Messages owed that are not outcomes: moderators' cards, a rejection's reason, a result's removal."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from bot.deployments.shown import ShownInputs
from bot.lists import jump_url
from bot.moderation.cards import decided_part, notice_part, report_part, review_part
from bot.packing import Packer
from bot.parts import Part
from bot.posting import Closed, Poster, Unclear
from bot.runs import Run, RunState
from bot.store import Store
from bot.store.rows import OUTCOMES, Delivery, Purpose

log = logging.getLogger(__name__)


async def _nothing_follows() -> None:
    """Nobody waits for this message."""


@dataclass(frozen=True, slots=True)
class Errand:
    """One part and its place: a channel (None: the requester's direct messages), or a message to edit.

    `smaller` makes the part again where Discord finds it too large.
    """

    part: Part
    channel_id: int | None = None
    edits: tuple[int, int] | None = None
    closed: Callable[[], Awaitable[None]] = _nothing_follows
    smaller: Callable[[], Awaitable[Part]] | None = None


class Errands:
    """Says what a delivery that is not an outcome amounts to now; None when there is nothing left to do."""

    def __init__(
        self,
        *,
        store: Store,
        poster: Poster,
        packer: Packer,
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

    async def plan(self, delivery: Delivery, folder: Path) -> Errand | None:
        run = delivery.run
        title = self._title(run.deployment)
        if delivery.purpose is Purpose.REVIEW:
            return await self._review(run, title, folder)
        if delivery.purpose is Purpose.CARD:
            card = await self._store.reviews.card(run.key)
            return Errand(decided_part(run, title, self._inputs(run)), edits=card) if card else None
        if delivery.purpose is Purpose.NOTICE:
            return Errand(notice_part(run, title))
        if delivery.purpose is Purpose.REPORT:
            return await self._report(run, title)
        await self._remove(run)
        return None

    async def _review(self, run: Run, title: str, folder: Path) -> Errand | None:
        if run.state is not RunState.AWAITING_APPROVAL:
            return None
        inputs = self._inputs(run)
        # Not as the result will be: moderators see what they decide about.
        attached = replace(run, outputs=inputs.files, spoiler=False)

        async def part(limit: int) -> Part:
            prepared = await self._packer.pack(attached, limit, folder, last_try=True)
            return review_part(run, title, inputs, prepared)

        async def unreachable() -> None:
            await self._store.runs.finish(run.key, RunState.REFUSED, self._clock(), code="review_unreachable")

        async def without_files() -> Part:
            return await part(0)

        return Errand(
            await part(run.upload_limit),
            channel_id=run.review_channel_id,
            closed=unreachable,
            smaller=without_files,
        )

    async def _report(self, run: Run, title: str) -> Errand | None:
        if run.report_channel_id is None:
            return None
        places = await self._places(run)
        link = jump_url(run.guild_id, *places[0]) if places else None
        return Errand(report_part(run, title, link), channel_id=run.report_channel_id)

    async def _remove(self, run: Run) -> None:
        """What is still being posted would stay: the button is there with the first of several messages."""
        if await self._store.deliveries.owes(run.key, OUTCOMES):
            raise Unclear("the result is still being posted")
        for channel_id, message_id in await self._places(run):
            with suppress(Closed):
                await self._poster.delete(channel_id, message_id)

    async def _places(self, run: Run) -> list[tuple[int, int]]:
        found: list[tuple[int, int]] = []
        for purpose in sorted(OUTCOMES):
            found += (await self._store.deliveries.told(run.key, purpose)).messages
        return found
