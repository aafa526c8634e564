"""Make Discord show what the rows of messages say.

The messenger claims a message that is out of date, composes what it should be, posts, edits or deletes, and
stores the result. An attempt is stored before each post, and the id of the posted message after it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from bot.breakers import DiscordBreaker
from bot.context import App
from bot.delivery import compose, status
from bot.delivery.deliver import LEASE, Delivery, Superseded
from bot.delivery.status import Estimator
from bot.discord_api.calls import NoResponse, Refused, Unreachable
from bot.domain.errors import BackendError, MediaError, RefusedError, StoreUnavailable
from bot.domain.messages import (
    COPIES,
    FAILURE,
    MAX_FAILURES,
    OUTCOMES,
    Act,
    Claim,
    Message,
    Place,
    Purpose,
    Release,
    Rendering,
    Shows,
    climb,
    decide,
    pause_after,
    start,
    wants,
)
from bot.domain.picture_check import UNREACHABLE
from bot.domain.runs import RunState
from bot.media.outputs import MEDIA_SECONDS
from bot.ui.status import held_message, status_message, undelivered_message
from bot.worker import Later

log = logging.getLogger(__name__)
# Messages in progress: two for each of the fifty busy channels that fifty requests a second can serve.
WIDTH = 100
# How many messages one transaction claims, so that other writers don't wait long.
_AT_ONCE = 8
_STOP_SECONDS = 1.0
# What is changed after a message: a review card links to the result, and a batch's outcome leaves out what
# has a message of its own.
_FOLLOWERS = {Purpose.OUTCOME: (Purpose.REVIEW,), Purpose.LATE: (Purpose.REVIEW, Purpose.OUTCOME)}
# An outcome that takes no longer, in seconds, isn't announced in the status message that it replaces.
_SOON = 1.0
# Edits by an interaction have their own rate limit; edits with the bot's token share the channel's.
_FAST, _SLOW = timedelta(seconds=3), timedelta(seconds=15)


class Messenger:
    """Shows messages, each once. docs/reliability.md lists the rare cases in which one may appear twice."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._messages = app.store.messages
        self._breaker = DiscordBreaker(app)
        self._estimator = Estimator(app)
        self._active: dict[str, Delivery] = {}
        self._released: list[Release] = []

    async def claim(self, room: int) -> Sequence[Delivery] | Later | None:
        """Claim messages that are due, and store what became of the last ones.

        There are none if Discord is away. A request that this process is working on is left out: if the
        machine slept, its lease may be over.
        """
        if seconds := await self._breaker.pause():
            await self._store_releases()
            return Later(seconds)
        now, busy = self._app.now(), [delivery.claim.message for delivery in self._active.values()]
        due_at = now if self._released else await self._messages.next_due(now, busy)
        if due_at is not None and due_at <= now:
            deliveries, due_at = await self._turn(min(room, _AT_ONCE), busy)
            if deliveries:
                return deliveries
        return Later.at(due_at, now)

    async def _turn(self, room: int, busy: Sequence[Message] = ()) -> tuple[list[Delivery], datetime | None]:
        now = self._app.now()
        leases = [self._app.effects.random.randbytes(8).hex() for _ in range(room)]
        released, self._released = self._released, []
        try:
            claims, due_at = await self._messages.turn(released, leases, busy, now, now + LEASE)
        except (StoreUnavailable, asyncio.CancelledError):
            # Releasing a claim twice does no harm.
            self._released = [*released, *self._released]
            raise
        deliveries = [Delivery(self._app, claim) for claim in claims]
        for delivery in deliveries:
            self._active[delivery.claim.lease] = delivery
        return deliveries, due_at

    async def _store_releases(self) -> None:
        if self._released:
            await self._turn(0)

    async def close(self) -> None:
        """Store what became of the last claims, so that no other process waits for their leases."""
        with suppress(StoreUnavailable, TimeoutError):
            async with asyncio.timeout(_STOP_SECONDS):
                await self._store_releases()
        self._app.wakeups.wake("show")

    def _release(self, delivery: Delivery, due_at: datetime, *, shown: bool, **more: Any) -> None:
        """Release a claim with the next transaction. `more` are fields of Release."""
        self._released.append(Release(claim=delivery.claim, due_at=due_at, shown=shown, **more))

    async def handle(self, delivery: Delivery) -> None:
        """Try once to show a claimed message, and store the result. Raises StoreUnavailable.

        If the database is away, or the process stops, the claim is released with what was posted.
        """
        extending = asyncio.create_task(self._extend(delivery))
        try:
            result = await self._attempt(delivery)
        except (StoreUnavailable, asyncio.CancelledError) as error:
            self._retry(delivery, str(error) or "the process was stopped", pause=timedelta())
            raise
        finally:
            extending.cancel()
            self._active.pop(delivery.claim.lease, None)
        self._app.metrics.attempts.labels(delivery.claim.message.purpose, result).inc()

    async def _extend(self, delivery: Delivery) -> None:
        """Keep extending the lease of a claim."""
        while True:
            await asyncio.sleep(LEASE.total_seconds() / 3)
            with suppress(StoreUnavailable):
                await self._messages.extend(delivery.claim, self._app.now() + LEASE)

    async def _attempt(self, delivery: Delivery) -> str:
        posts, purpose = self._breaker.posts, delivery.claim.message.purpose
        try:
            return await (self._show_status(delivery) if purpose is Purpose.STATUS else self._show(delivery))
        except Superseded:
            self._retry(delivery, "it has changed", pause=timedelta())
            return "superseded"
        except NoResponse as error:
            weight = 0
            if await self._breaker.not_heard():
                weight = FAILURE if self._breaker.posts > posts else 1
            self._retry(delivery, str(error), weight)
        except StoreUnavailable:
            raise
        except (MediaError, BackendError) as error:
            self._retry(delivery, str(error), FAILURE)
        except Exception as error:
            # Otherwise the message would be tried each time its lease expires, and never appear in /runs.
            log.exception("message %s of %s failed with an unforeseen error", purpose, delivery.key)
            self._retry(delivery, str(error), FAILURE)
        return "again"

    async def _show(self, delivery: Delivery) -> str:
        """Post, edit or withdraw a message, unless no place is left."""
        message, failed = delivery.claim.message, None
        for _ in range(MAX_FAILURES, message.failures, FAILURE):
            # Earlier attempts at it have ended the process.
            message = replace(_simpler(message, delivery.claim), failures=FAILURE)
        delivery.claim = delivery.claim.changed(message)
        try:
            await delivery.find_lost()
            act = await self._climb(delivery)
            if act is Act.EDIT:
                for edit in await compose.edits(self._app, delivery.claim):
                    await delivery.edit(*edit)
        except (RefusedError, MediaError, BackendError) as error:
            if message.purpose not in COPIES:
                raise
            # Its requester waits, so it isn't tried again.
            log.warning("did not post the copy of run %s: %s", delivery.key, error)
            act, failed = Act.DELETE, error.code if isinstance(error, RefusedError) else "copy_failed"
        if act is Act.DELETE:
            delivery.withdraw()
        return await self._finish(delivery, act, failed) if act is not None else "kept"

    def _retry(
        self, delivery: Delivery, reason: str, weight: int = 0, pause: timedelta | None = None
    ) -> None:
        """Release a claim after a failure of this weight. Several failures count as a refusal."""
        message, now = delivery.claim.message, self._app.now()
        failures = message.failures - FAILURE + weight
        pause = pause_after(failures, self._app.effects.random) if pause is None else pause
        if weight and failures >= MAX_FAILURES:
            message, failures, pause = _simpler(message, delivery.claim), 0, timedelta()
        delivery.claim = delivery.claim.changed(message, failures=failures)
        self._release(delivery, now + pause, shown=False)
        log.info("message %s waits %.0f s: %s", message.purpose, pause.total_seconds(), reason)

    async def _show_status(self, delivery: Delivery) -> str:
        runs, first = delivery.claim.runs, delivery.claim.first
        status_id = first.status_message_id
        try:
            is_active = not all(run.final for run in runs)
            if is_active or delivery.claim.awaits_outcome:
                ends = await self._estimator.expected_ends([runs]) if is_active else {}
                title, end = self._app.catalogue.title(first.deployment), ends.get(first.request_key)
                status_id = await status.edit(self._app, delivery.claim, status_message(runs, title, end))
        except NoResponse as error:
            # The next change makes up for it.
            log.info("can't update the status message: %s", error)
            await self._breaker.not_heard()
        now = self._app.now()
        delivery.claim = delivery.claim.changed(failures=0)
        has_token = first.interaction_token_at(now) is not None
        pause = _FAST if has_token and first.status_message_id is not None else _SLOW
        # As long as the requester may see "thinking…", it is tried again.
        shown = status_id is not None or not has_token
        self._release(delivery, now + pause, shown=shown, status_id=status_id)
        return "done"

    async def _climb(self, delivery: Delivery) -> Act | None:
        """Post a message if that is needed. Return what had to be done, or None if no place is left."""
        withheld = await compose.withheld_at(self._app, delivery.claim)
        while True:
            place = start(delivery.claim.message, delivery.claim.runs)
            shows = wants(delivery.claim, withheld=place in withheld)
            act = decide(delivery.claim.message, shows)
            if act not in (Act.POST, Act.CONTINUE):
                return act
            if shows is Shows.HELD:
                await self._wait(delivery)
                return None
            if place is Place.RUNS:
                await self._give_up(delivery)
                return None
            try:
                if await self._post(delivery, place, shows, act):
                    return act
            except Unreachable as error:
                log.info("place %s failed: %s", place.name.lower(), error, extra={"run": delivery.key})
                # Earlier failures still count: files that failed three times are linked, instead of being
                # tried as often at each place.
                is_refused = isinstance(error, Refused)
                next_message = climb(
                    delivery.claim.message, place, delivery.claim.runs, about_message=is_refused
                )
                delivery.claim = delivery.claim.changed(next_message)

    async def _post(self, delivery: Delivery, place: Place, shows: Shows, act: Act) -> bool:
        """Post a message; return False if a check of its outputs has changed what it should show."""
        deadline = asyncio.get_running_loop().time() + MEDIA_SECONDS
        with ExitStack() as files:
            async with self._telling(delivery) as stop_telling:
                checked = await delivery.check(files, deadline)
                if checked is None:
                    return False
                task = compose.Task(delivery.claim, place, shows, act, files, deadline, checked)
                parts = await compose.parts(self._app, task)
                if place is Place.ANSWER:
                    await stop_telling()
                await delivery.post(place, shows, parts, continues=act is Act.CONTINUE)
        self._breaker.heard(posted=place is not Place.ANSWER)
        return True

    @asynccontextmanager
    async def _telling(self, delivery: Delivery) -> AsyncIterator[Callable[[], Awaitable[None]]]:
        """Say in the status message that the request has ended, if showing its outcome takes longer.

        Yields a function that stops this, for an outcome that is edited into the status message.
        """
        stopped = asyncio.Event()

        async def tell() -> None:
            with suppress(TimeoutError):
                async with asyncio.timeout(_SOON):
                    await stopped.wait()
            if not stopped.is_set() and delivery.claim.awaits_outcome:
                with suppress(NoResponse):
                    await status.tell(self._app, delivery.claim, status_message)

        async def stop() -> None:
            stopped.set()
            await telling

        telling = asyncio.create_task(tell())
        try:
            yield stop
        finally:
            await stop()

    async def _wait(self, delivery: Delivery) -> None:
        """Say in the status message that moderators look at the result first. Their decision bumps it."""
        if delivery.claim.message.purpose is Purpose.OUTCOME and not delivery.claim.message.posted:
            await status.tell(self._app, delivery.claim, held_message)
        self._release(delivery, self._app.now(), shown=True)

    async def _give_up(self, delivery: Delivery) -> None:
        """Finish a message for which no place is left. `/runs` offers the result of an outcome.

        Raises RefusedError for a copy.
        """
        purpose, now = delivery.claim.message.purpose, self._app.now()
        if purpose in COPIES:
            raise RefusedError(f"{purpose}_closed")
        is_outcome = purpose in OUTCOMES
        level = logging.ERROR if is_outcome else logging.WARNING
        log.log(level, "can't show message %s of run %s: no place is left", purpose, delivery.key)
        if purpose is Purpose.REVIEW:
            first, code = delivery.claim.first, "review_unreachable"
            await self._app.store.runs.finish(first.key, RunState.REFUSED, now, code=code)
        elif purpose is Purpose.PICTURES:
            with suppress(RefusedError):  # somebody has just decided
                await self._app.store.reviews.decide_pictures(delivery.claim.first.key, UNREACHABLE, now)
        elif purpose is Purpose.OUTCOME:
            await status.tell(self._app, delivery.claim, undelivered_message)
        delivery.claim = delivery.claim.changed(
            place=Place.RUNS, rendering=Rendering.FILES, offered=is_outcome
        )
        self._release(delivery, now, shown=True)

    async def _finish(self, delivery: Delivery, act: Act, failed: str | None = None) -> str:
        message, now = delivery.claim.message, self._app.now()
        await delivery.delete()
        is_outcome, posts = message.purpose in OUTCOMES, act in (Act.POST, Act.CONTINUE)
        ends_answer = message.purpose is Purpose.OUTCOME
        if ends_answer and (message.posted or act is Act.DELETE):
            await status.remove(self._app, delivery.claim)
        self._breaker.heard()
        withheld = bool(message.posted) and message.posted[0].shows is Shows.WITHHELD
        followers = _FOLLOWERS.get(message.purpose, ()) if message.posted else ()
        changes = {
            purpose
            for (purpose, _), each in delivery.claim.messages.items()
            if each.posted and purpose in followers
        }
        delivery.claim = delivery.claim.changed(offered=withheld)
        self._release(delivery, now, shown=True, ends_answer=ends_answer, changes=changes, failed=failed)
        if posts and is_outcome:
            log.info("shown")
            self._app.metrics.shown(delivery.claim.run, now)
        if withheld:
            log.warning("withheld the result of run %s: no age-restricted channel", delivery.key)
        return "kept" if withheld else "done"


def _simpler(message: Message, claim: Claim) -> Message:
    return climb(message, start(message, claim.runs), claim.runs, about_message=True)
