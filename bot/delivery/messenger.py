"""Make Discord show what the rows of messages say.

The messenger claims a message that is out of date, composes what it should be, posts, edits or deletes, and
stores the result. An attempt is stored before each post, and the id of the posted message after it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from bot.context import App
from bot.delivery import compose, status
from bot.delivery.age_restriction import withheld_at
from bot.delivery.posting import LEASE, Posting, Superseded
from bot.delivery.status import Estimator
from bot.discord_api.calls import DiscordHealth, Unanswered, Unreachable
from bot.domain.errors import BackendError, MediaError, StoreUnavailable
from bot.domain.messages.decide import FAILURE, MAX_FAILURES, Act, climb, decide, pause_after, start, wants
from bot.domain.messages.records import (
    COPIES,
    EDITS,
    OUTCOMES,
    Claim,
    Form,
    Kind,
    Message,
    Place,
    Release,
    Shows,
    full_channels,
)
from bot.domain.runs import RunState
from bot.media.download import temporary_folder
from bot.media.outputs import MEDIA_SECONDS
from bot.workers.worker import TAKEN, Later

log = logging.getLogger(__name__)
# Messages in progress: two for each of the fifty busy channels that fifty requests a second can serve.
WIDTH = 100
# How many messages one transaction claims, so that other writers don't wait long.
_AT_ONCE = 8
_STOP_SECONDS = 1.0


class Messenger:
    """Shows messages, each once. docs/reliability.md lists the rare cases in which one may appear twice."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._messages = app.store.messages
        self._health = DiscordHealth(app.discord, app.outside)
        self._posting = Posting(app)
        self.estimator = Estimator(app)
        self._active = self._posting.active
        self._released: list[Release] = []

    async def claim(self, room: int) -> Sequence[Claim] | Later | None:
        """Claim messages that are due, and store what became of the last ones.

        There are none if Discord is away. A request that this process is working on is left out: if the
        machine slept, its lease may be over.
        """
        if self._health.is_away and not self._health.pause() and await self._health.returns():
            await self._messages.make_due(self._app.now())
        if seconds := self._health.pause():
            await self.store_releases()
            return Later(seconds)
        now = self._app.now()
        if not self._released:
            due_at = await self._messages.next_due(now, self._busy())
            if due_at is None or due_at > now:
                return self._nothing(due_at, now)
        claims, due_at = await self._turn(min(room, _AT_ONCE))
        for claim in claims:
            self._active[claim.lease] = claim
            self._health.begin()
        return claims or self._nothing(due_at, now)

    def _busy(self) -> list[Message]:
        return [claim.message for claim in self._active.values()]

    def _nothing(self, due_at: datetime | None, now: datetime) -> Later | None:
        if due_at is not None and due_at <= now:
            return TAKEN
        if not full_channels(self._busy()):
            self._health.nothing_due()
        return Later.at(due_at, now)

    async def _turn(self, room: int, only: str | None = None) -> tuple[Sequence[Claim], datetime | None]:
        now, leases = self._app.now(), [self._lease() for _ in range(room)]
        released, self._released = self._released, []
        try:
            return await self._messages.turn(released, leases, self._busy(), now, now + LEASE, only=only)
        except (StoreUnavailable, asyncio.CancelledError):
            # Releasing a claim twice does no harm.
            self._released = [*released, *self._released]
            raise

    async def store_releases(self) -> None:
        """Store what became of the claims that were handled since the last claim."""
        if self._released:
            await self._turn(0)

    async def close(self) -> None:
        """Store what became of the last claims, so that no other process waits for their leases."""
        with suppress(StoreUnavailable, TimeoutError):
            async with asyncio.timeout(_STOP_SECONDS):
                await self.store_releases()
        self._app.wakeups.wake("show")

    def _release(self, claim: Claim, due_at: datetime, *, shown: bool, **more: Any) -> None:
        """Release a claim with the next transaction. `more` are fields of Release."""
        self._released.append(Release(claim=claim, due_at=due_at, shown=shown, **more))

    def _lease(self) -> str:
        return self._app.outside.random.randbytes(8).hex()

    async def handle(self, claim: Claim) -> None:
        """Try once to show a claimed message, and store the result. Raises StoreUnavailable."""
        async with self._working(claim):
            result = await self._attempt(claim)
        self._app.metrics.attempt(claim.message.kind, result)

    @asynccontextmanager
    async def _working(self, claim: Claim) -> AsyncIterator[None]:
        """Keep extending the lease of a claim while the block works on it.

        If the database is away, or the process stops, the claim is released with what was posted.
        """

        async def extend() -> None:
            while True:
                await asyncio.sleep(LEASE.total_seconds() / 3)
                with suppress(StoreUnavailable):
                    await self._messages.extend(claim, self._app.now() + LEASE)

        self._active[claim.lease] = claim
        extending = asyncio.create_task(extend())
        try:
            yield
        except (StoreUnavailable, asyncio.CancelledError) as error:
            self._retry(claim, str(error) or "the process was stopped", pause=timedelta())
            raise
        finally:
            extending.cancel()
            self._active.pop(claim.lease, None)

    async def _attempt(self, claim: Claim) -> str:
        """Show a message, and return the result's label for the metrics."""
        posts = self._health.posts
        try:
            if claim.message.kind is Kind.ANSWER:
                return await self._show_answer(claim)
            return await self._show(claim)
        except Superseded:
            self._retry(claim, "it has changed", pause=timedelta())
            return "superseded"
        except Unanswered as error:
            weight = 0
            if await self._health.not_heard():
                weight = FAILURE if self._health.posts > posts else 1
            self._retry(claim, str(error), weight)
        except StoreUnavailable:
            raise
        except (MediaError, BackendError) as error:
            self._retry(claim, str(error), FAILURE)
        except Exception as error:
            # Otherwise the message would be tried each time its lease expires, and never appear in /runs.
            log.exception("message %s of %s failed with an unforeseen error", claim.message.kind, claim.key)
            self._retry(claim, str(error), FAILURE)
        return "again"

    def _retry(self, claim: Claim, reason: str, weight: int = 0, pause: timedelta | None = None) -> None:
        """Release a claim after a failure of this weight. Several failures count as a refusal."""
        claim = self._active.get(claim.lease, claim)
        message, now = claim.message, self._app.now()
        failures = message.failures - FAILURE + weight
        pause = pause_after(failures, self._app.outside.random) if pause is None else pause
        if weight and failures >= MAX_FAILURES:
            place = start(message, claim.runs, now)
            message = climb(message, place, claim.runs, about_message=True)
            failures, pause = 0, timedelta()
        claim = claim.with_message(replace(message, failures=failures))
        self._release(claim, now + pause, shown=False)
        log.info("message %s waits %.0f s: %s", message.kind, pause.total_seconds(), reason)

    async def _show_answer(self, claim: Claim) -> str:
        first, now = claim.first, self._app.now()
        answer_id = first.status_message_id
        try:
            answer_id = await status.show(self._app, self.estimator, claim)
        except Unanswered as error:
            # The next change makes up for it.
            log.info("can't update the status message: %s", error)
            await self._health.not_heard()
        due_at, farewell = status.next_edit(self._app, claim)
        # As long as the requester may see "thinking…", it is tried again.
        shown = answer_id is not None or first.interaction_token_at(now) is None
        claim = claim.changed(farewell_at=farewell, failures=0)
        self._release(claim, due_at, shown=shown, answer_id=answer_id)
        return "done"

    async def _show(self, claim: Claim) -> str:
        claim = await self._posting.find_lost(_after_crashes(claim))
        climbing = await self._climb(claim)
        if climbing is None:
            return "kept"
        claim, act = climbing
        if act is Act.EDIT:
            for edit in await compose.edits(self._app, claim):
                await self._posting.change(edit)
        elif act is Act.DELETE:
            stale = (*claim.message.stale, *claim.message.refs)
            claim = claim.changed(posted=(), stale=stale)
        return await self._finish(claim, act)

    async def _climb(self, claim: Claim) -> tuple[Claim, Act] | None:
        """Post a message, if it has to be posted, in the first form and place that work.

        Returns the claim and what had to be done, or None if no place is left.
        """
        place = start(claim.message, claim.runs, self._app.now())
        withheld = await withheld_at(self._app, claim)
        while True:
            shows = wants(claim, withheld=place in withheld)
            act = decide(claim.message, shows)
            # A copy is posted while its requester waits; only its deletion is left to the messenger.
            if act not in (Act.POST, Act.CONTINUE) or claim.message.kind in COPIES:
                return claim, act
            if place is Place.RUNS:
                await self._give_up(claim)
                return None
            try:
                return await self._post(claim, place, shows, act), act
            except Unreachable as error:
                log.info("place %s failed: %s", place.name.lower(), error)
                claim = self._posting.climb(claim, place, error)
                place = claim.message.place

    async def _post(self, claim: Claim, place: Place, shows: Shows, act: Act) -> Claim:
        continues = act is Act.CONTINUE
        deadline = asyncio.get_running_loop().time() + MEDIA_SECONDS
        with temporary_folder() as folder:
            task = compose.Task(claim, place, shows, act, Path(folder), deadline)
            async with status.finishing_up(self._app, claim):
                parts = await compose.parts(self._app, task)
            claim = await self._posting.post(claim, place, shows, parts, continues=continues)
        self._health.heard(posted=place not in EDITS)
        return claim

    async def _give_up(self, claim: Claim) -> None:
        """Finish a message for which no place is left. `/runs` offers the result of an outcome."""
        message = claim.message
        is_outcome = message.kind in OUTCOMES
        level = logging.ERROR if is_outcome else logging.WARNING
        log.log(level, "can't show message %s of run %s: no place is left", message.kind, claim.key)
        if message.kind is Kind.REVIEW:
            code = "review_unreachable"
            await self._app.store.runs.finish(claim.first.key, RunState.REFUSED, self._app.now(), code=code)
        elif message.kind is Kind.OUTCOME:
            await status.show_undelivered(self._app, claim)
        claim = claim.changed(place=Place.RUNS, form=Form.FILES, offered=is_outcome)
        self._release(claim, self._app.now(), shown=True)

    async def _finish(self, claim: Claim, act: Act) -> str:
        """Delete what is obsolete, and store that the message is shown."""
        message, now = claim.message, self._app.now()
        left = await self._posting.delete(claim, [ref for ref in message.stale if ref not in message.refs])
        is_outcome = message.kind is Kind.OUTCOME
        if is_outcome and (message.posted or act is Act.DELETE):
            await status.remove(self._app, claim)
        self._health.heard()
        withheld = bool(message.posted) and message.posted[0].shows is Shows.WITHHELD
        claim = claim.changed(stale=tuple(left), offered=withheld)
        tells_card = bool(message.posted) and message.kind in OUTCOMES and (Kind.REVIEW, 0) in claim.messages
        self._release(claim, now, shown=True, ends_answer=is_outcome, tells_card=tells_card)
        if message.kind in COPIES and act is Act.EDIT:
            await self._app.store.copies.record(claim, now, None)
        if act in (Act.POST, Act.CONTINUE) and message.kind in OUTCOMES:
            log.info("shown")
            self._app.metrics.shown(claim.run, now)
        if withheld:
            log.warning("withheld the result of run %s: no age-restricted channel", claim.key)
        return "kept" if withheld else "done"


def _after_crashes(claim: Claim) -> Claim:
    """Return a claim with a simpler message, if earlier attempts at it have ended the process."""
    message = claim.message
    for _ in range(MAX_FAILURES, message.failures, FAILURE):
        place = start(message, claim.runs, claim.first.created_at)
        simpler = climb(message, place, claim.runs, about_message=True)
        message = replace(simpler, failures=FAILURE)
    return claim.with_message(message)
