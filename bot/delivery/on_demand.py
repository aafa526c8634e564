"""Show messages while somebody waits for them: copies of results, and what a deletion leaves."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace

from bot.delivery.messenger import Messenger
from bot.delivery.posting import LEASE, Superseded
from bot.discord_api.errors import PostError, Refused, Unanswered
from bot.domain.errors import BackendError, MediaError, RefusedError
from bot.domain.messages.decide import Act, decide
from bot.domain.messages.records import Claim, Kind, MessageRef, Place, Shows
from bot.domain.results import CopyRequest
from bot.domain.text import message_url

log = logging.getLogger(__name__)
_AT_ONCE = 20  # messages of a request that are changed while somebody waits
_COPY_WAIT = 10  # seconds for which a copy waits for another change of its request's messages


class OnDemandMessenger(Messenger):
    """The messenger of a process that answers interactions."""

    async def show_now(self, request_key: str) -> bool:
        """Show what has changed in a request while somebody waits for it.

        Returns whether nothing is left to do. Otherwise a messenger does it later. Raises StoreUnavailable.
        """
        try:
            for _ in range(_AT_ONCE):
                busy = any(claim.message.request_key == request_key for claim in self._active.values())
                if busy or self._health.pause():
                    break
                now = self._app.now()
                claim = await self._app.store.copies.claim_change(
                    request_key, self._lease(), now, now + LEASE
                )
                if claim is None:
                    break
                self._health.begin()
                await self.handle(claim)
                await self.store_releases()
        finally:
            self._app.wakeups.show()
        found = (await self._messages.of_request(request_key)).values()
        return not any(each.is_pending and each.kind is not Kind.ANSWER for each in found)

    async def copy(self, copy: CopyRequest) -> str:
        """Post a copy of a result while its requester waits, and return its URL.

        A copy that a killed process has posted is found and counts. Raises RefusedError or StoreUnavailable
        if this fails.
        """
        claim = await self._leased(copy)
        try:
            async with self._working(claim):
                try:
                    claim = await self._make_copy(claim)
                    await self._end_copy(claim, claim.message.stale)
                except (RefusedError, PostError, MediaError, BackendError, Superseded) as error:
                    raise await self._failed_copy(self._active[claim.lease], error) from error
        finally:
            self._app.wakeups.show()  # other changes may have waited for the lease
        return message_url(claim.run.guild_id, *claim.message.posted[0].ref)

    async def _leased(self, copy: CopyRequest) -> Claim:
        for _ in range(_COPY_WAIT):
            now = self._app.now()
            claim = await self._app.store.copies.claim(copy, self._lease(), now, now + LEASE)
            if claim is not None:
                return claim
            await asyncio.sleep(1)
        raise RefusedError("copy_pending")

    async def _make_copy(self, claim: Claim) -> Claim:
        claim, place = await self._posting.find_lost(claim), Place.CHANNEL
        message = claim.message
        if message.posted and message.posted[0].channel_id != message.channel_id:
            # What a killed process has posted is in an earlier gallery.
            stale = (*message.stale, *message.refs)
            claim = claim.with_message(replace(message, posted=(), stale=stale))
            self._posting.keep(claim)
        while (act := decide(claim.message, Shows.RESULT)) is not Act.EDIT:
            try:
                return await self._post(claim, place, Shows.RESULT, act)
            except Refused as error:
                claim = self._posting.climb(claim, place, error)
                if claim.message.place is not place:
                    raise
        return claim

    async def _failed_copy(self, claim: Claim, error: Exception) -> Exception:
        """Withdraw what was posted of a copy, and return the error that says why it failed."""
        if isinstance(error, Unanswered | Superseded):
            # What may have been posted is looked for when the requester presses again.
            await self._health.not_heard()
            self._release(claim, self._app.now(), shown=False)
            await self.store_releases()
            return RefusedError("copy_unknown", str(error))
        code = f"{claim.message.kind}_closed"
        if isinstance(error, RefusedError):
            code = error.code
        elif isinstance(error, MediaError | BackendError):
            code = "copy_failed"
        log.warning("did not post the copy of run %s: %s", claim.key, error)
        stale = (*claim.message.refs, *claim.message.stale)
        await self._end_copy(claim.with_message(replace(claim.message, posted=())), stale, code)
        return RefusedError(code, str(error))

    async def _end_copy(self, claim: Claim, stale: Iterable[MessageRef], failed: str | None = None) -> None:
        """Delete what a copy replaces, and store how it ended. If that fails, `handle` does it later."""
        now, left, deleted = self._app.now(), [*stale], False
        with suppress(PostError):
            left, deleted = await self._posting.delete(claim, left), True
        values: dict[str, object] = {"posted": claim.message.posted, "stale": left, "form": 0}
        if deleted or failed is not None:
            await self._app.store.copies.record(claim, now, failed)
        self._release(claim, now, shown=deleted, values=values)
        await self.store_releases()
