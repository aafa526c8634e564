"""The courier: claim -> render -> send -> mark. It decides nothing; the row says what happened.

The attempt is marked before a post and the sending after it, so an attempt of unknown outcome is looked up
in the channel before it is repeated. The ladder: the channel by the bot's token, the command's own answer
while its interaction lives (an edit: idempotent, so it can't double), a direct message, kept for later.
"""

from __future__ import annotations

import asyncio
import logging
import random
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from enum import IntEnum
from pathlib import Path

from bot.errand import Errand, Errands
from bot.errors import ComfyError, MediaError
from bot.messages import outcome_parts
from bot.packing import Packer
from bot.parts import Part, Prepared
from bot.posting import Closed, Poster, PostError, TooLarge, Unclear
from bot.runs import Run, RunState
from bot.status import StatusKeeper, token_of
from bot.store import Store
from bot.store.rows import OUTCOMES, Delivery, Purpose
from bot.words import say

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=60)
MAX_TRIES = 20
MEDIA_TRIES = 5
_LONGEST_PAUSE = 600.0
_WATCHED = timedelta(minutes=2)
_DIRECT_LIMIT = 10 * 1024 * 1024


class Rung(IntEnum):
    """The ladder, top to bottom. IN_PLACE is for ends that the requester is watching."""

    IN_PLACE = 0
    CHANNEL = 1
    ANSWER = 2
    DIRECT = 3
    KEPT = 4


def _is_watched(run: Run, now: datetime) -> bool:
    """The requester pressed Cancel, or sent the command just now: an edit is seen and needs no ping."""
    if run.state is RunState.REFUSED:
        return now - run.created_at < _WATCHED
    return run.state is RunState.CANCELLED and run.failure_code == "cancelled_by_requester"


def _first_rung(delivery: Delivery, now: datetime) -> Rung:
    """What was begun goes on where it began, also when nobody watches any more."""
    if delivery.attempted or delivery.messages:
        return Rung(delivery.rung)
    return max(Rung(delivery.rung), Rung.IN_PLACE if _is_watched(delivery.run, now) else Rung.CHANNEL)


class Superseded(Exception):
    """The run changed, or another courier has the lease: nothing was sent."""


class Courier:
    """Brings what is owed to where it was asked for, exactly once."""

    def __init__(
        self,
        *,
        store: Store,
        poster: Poster,
        packer: Packer,
        status: StatusKeeper,
        errands: Errands,
        title: Callable[[str], str],
        owner: str,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._poster = poster
        self._packer = packer
        self._status = status
        self._errands = errands
        self._title = title
        self._owner = owner
        self._clock = clock

    async def claim(self) -> Delivery | None:
        return await self._store.deliveries.claim(self._owner, self._clock(), LEASE)

    async def deliver(self, delivery: Delivery) -> None:
        """One try. Whatever it ends in is in the store afterwards."""
        try:
            async with self._lease(delivery), self._status.lock(delivery.run.key):
                with tempfile.TemporaryDirectory(prefix="outputs-") as folder:
                    await self._bring(delivery, Path(folder))
        except Superseded:
            await self._store.deliveries.postpone(delivery.id, self._owner, self._clock())
        except (Unclear, MediaError, ComfyError) as error:
            await self._again_later(delivery, error)

    async def _bring(self, delivery: Delivery, folder: Path) -> None:
        if delivery.purpose in OUTCOMES:
            await self._descend(delivery, folder)
            return
        errand = await self._errands.plan(delivery, folder)
        if errand is not None:
            await self._run_errand(delivery, errand)
        await self._store.deliveries.complete(delivery.id, self._clock())

    async def _run_errand(self, delivery: Delivery, errand: Errand) -> None:
        """A message that is not an outcome has one way; where that is closed, `closed` says what follows."""
        try:
            if errand.edits is not None:
                await self._poster.edit(*errand.edits, errand.part)
            else:
                channel_id = errand.channel_id or await self._poster.direct_channel(delivery.run.requester_id)
                rung = Rung.CHANNEL if errand.channel_id else Rung.DIRECT
                await self._post(delivery, rung, channel_id, [errand.part])
        except Closed as error:
            log.warning("%s could not be posted: %s", delivery.purpose.name.lower(), error)
            await errand.closed()

    async def _descend(self, delivery: Delivery, folder: Path) -> None:
        """Down the ladder until a rung holds."""
        rung = _first_rung(delivery, self._clock())
        while rung < Rung.KEPT:
            try:
                await self._fitting(rung, delivery, folder)
            except Closed as error:
                log.info("%s is closed: %s", rung.name.lower(), error)
                delivery = await self._nothing_left(delivery)
                rung = Rung(rung + 1)
            else:
                await self._tidy(delivery, in_place=rung in (Rung.IN_PLACE, Rung.ANSWER))
                return
        log.error("no way is left to show this outcome; it is kept")
        await self._store.deliveries.keep(delivery.id, self._owner, self._clock(), "every way was closed")

    async def _fitting(self, rung: Rung, delivery: Delivery, folder: Path) -> None:
        """One rung, with ever smaller files while Discord finds them too large."""
        limit = delivery.run.upload_limit if rung is not Rung.DIRECT else _DIRECT_LIMIT
        for smaller in (limit, min(limit, _DIRECT_LIMIT), 0):
            try:
                return await self._by(rung, delivery, await self._parts(delivery, smaller, folder))
            except TooLarge as error:
                log.info("too large for this place: %s", error)
                delivery = await self._nothing_left(delivery)
        raise Closed("too large, even without files")

    async def _parts(self, delivery: Delivery, limit: int, folder: Path) -> Sequence[Part]:
        run = delivery.run
        prepared = Prepared()
        if run.state is RunState.SUCCEEDED:
            last_try = delivery.tries >= MEDIA_TRIES
            prepared = await self._packer.pack(run, limit, folder, last_try=last_try)
        return outcome_parts(run, self._title(run.deployment), prepared)

    async def _by(self, rung: Rung, delivery: Delivery, parts: Sequence[Part]) -> None:
        run = delivery.run
        if rung is Rung.CHANNEL:
            await self._post(delivery, rung, run.channel_id, parts)
        elif rung is Rung.DIRECT:
            channel_id = await self._poster.direct_channel(run.requester_id)
            elsewhere = Part(content=say("from_elsewhere", channel=run.channel_id))
            await self._post(delivery, rung, channel_id, [*parts, elsewhere])
        else:
            await self._edit_answer(delivery, rung, parts)

    async def _post(self, delivery: Delivery, rung: Rung, channel_id: int, parts: Sequence[Part]) -> None:
        sent = list(delivery.messages)
        for index in range(len(sent), len(parts)):
            part = parts[index]
            found = None
            if delivery.attempted and index == len(delivery.messages) and delivery.attempted_at:
                found = await self._find(delivery, channel_id, part, delivery.attempted_at)
            if found is None:
                await self._mark_attempt(delivery, rung)
                nonce = f"{delivery.run.key}-{delivery.purpose}{int(rung)}{index}"
                found = await self._poster.post(channel_id, part, nonce)
            sent.append((channel_id, found))
            await self._store.deliveries.mark_sent(delivery.id, sent)

    async def _find(self, delivery: Delivery, channel_id: int, part: Part, since: datetime) -> int | None:
        """A part posted by an attempt of unknown end; an earlier verdict on the run is not it."""
        verdict: Sequence[tuple[int, int]] = ()
        if delivery.purpose is Purpose.LATE:
            verdict = (await self._store.deliveries.told(delivery.run.key, Purpose.OUTCOME)).messages
        ignore = [message_id for _, message_id in verdict]
        return await self._poster.find(channel_id, delivery.run.key, part, since, ignore=ignore)

    async def _edit_answer(self, delivery: Delivery, rung: Rung, parts: Sequence[Part]) -> None:
        """The answer to the command becomes the outcome; an edit twice is the same as once."""
        run = delivery.run
        token = token_of(run, self._clock())
        if delivery.messages and delivery.rung == rung:
            return  # edited and marked; only the tidying is left
        if delivery.messages:
            raise Closed("a part of it is elsewhere already")
        await self._mark_attempt(delivery, rung)
        if token is not None:
            message_id = await self._poster.edit_original(
                run.application_id, token, run.status_message_id, parts[0]
            )
        elif rung is Rung.IN_PLACE and run.status_message_id is not None:
            message_id = run.status_message_id
            await self._poster.edit(run.channel_id, message_id, parts[0])
        else:
            raise Closed("the interaction's token has run out")
        await self._store.deliveries.mark_sent(delivery.id, [(run.channel_id, message_id)])

    async def _nothing_left(self, delivery: Delivery) -> Delivery:
        """After a refusal: the attempt is off the books, what was sent before it stays on them."""
        sent = await self._store.deliveries.clear_attempt(delivery.id)
        return replace(delivery, attempted=False, messages=sent)

    async def _mark_attempt(self, delivery: Delivery, rung: Rung) -> None:
        marked = await self._store.deliveries.mark_attempt(
            delivery, self._owner, self._clock(), LEASE, int(rung)
        )
        if not marked:
            raise Superseded

    async def _tidy(self, delivery: Delivery, *, in_place: bool) -> None:
        """The status message has done its work, and so has a verdict that a late success disproved."""
        run = delivery.run
        if not in_place:
            await self._remove_status(delivery)
        if delivery.purpose is Purpose.LATE:
            await self._remove_verdict(run)
        await self._store.deliveries.complete(delivery.id, self._clock())
        await self._store.runs.forget_answer(run.key)
        log.info("delivered")

    async def _remove_verdict(self, run: Run) -> None:
        """What the late success disproves, also where nobody learned whether it had been posted."""
        verdict = await self._store.deliveries.told(run.key, Purpose.OUTCOME)
        late = await self._store.deliveries.told(run.key, Purpose.LATE)
        shown = [message_id for _, message_id in late.messages]
        disproved = [place for place in verdict.messages if place[1] not in shown]
        if verdict.attempted_at is not None:
            with suppress(Closed):
                found = await self._poster.find(
                    run.channel_id, run.key, None, verdict.attempted_at, ignore=shown
                )
                disproved += [(run.channel_id, found)] if found is not None else []
        for channel_id, message_id in disproved:
            with suppress(Closed):
                await self._poster.delete(channel_id, message_id)

    async def _remove_status(self, delivery: Delivery) -> None:
        run = delivery.run
        token = token_of(run, self._clock())
        if token is not None:
            with suppress(Closed):
                await self._poster.delete_original(run.application_id, token, run.status_message_id)
                return
        # The token has run out, by our clock or by Discord's.
        with suppress(Closed):
            status = run.status_message_id
            if status is None and delivery.purpose is Purpose.OUTCOME:
                # A crash came between the answer and the noting of its id.
                status = await self._poster.find_status(run.channel_id, run.key, run.created_at)
            if status is not None:
                await self._poster.delete(run.channel_id, status)

    async def _again_later(self, delivery: Delivery, error: PostError | MediaError | ComfyError) -> None:
        now = self._clock()
        if delivery.tries >= MAX_TRIES:
            log.error("given up after %s tries, kept: %s", delivery.tries, error)
            await self._store.deliveries.keep(delivery.id, self._owner, now, str(error))
            return
        pause = min(2.0**delivery.tries, _LONGEST_PAUSE) * random.uniform(0.5, 1)
        log.warning("try %s did not succeed, the next in %.0f s: %s", delivery.tries, pause, error)
        await self._store.deliveries.postpone(
            delivery.id, self._owner, now + timedelta(seconds=pause), error=str(error)
        )

    @asynccontextmanager
    async def _lease(self, delivery: Delivery) -> AsyncIterator[None]:
        """Keeps the claim alive while a long transfer runs."""

        async def extend() -> None:
            while True:
                await asyncio.sleep(LEASE.total_seconds() / 3)
                await self._store.deliveries.extend(delivery.id, self._owner, self._clock() + LEASE)

        keeper = asyncio.create_task(extend())
        try:
            yield
        finally:
            keeper.cancel()
