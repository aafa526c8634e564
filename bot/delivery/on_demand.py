"""Show messages while somebody waits for them: copies, private results, and what a deletion leaves."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from bot.context import App
from bot.delivery.messenger import Messenger
from bot.delivery.posting import LEASE, Superseded
from bot.discord_api.calls import PostError, Refused, Unanswered
from bot.domain.errors import BackendError, DiscordAway, MediaError, RefusedError
from bot.domain.messages.decide import Act, decide
from bot.domain.messages.records import Claim, Form, Kind, MessageRef, Place, Shows
from bot.domain.requests import Origin
from bot.domain.results import CopyRequest
from bot.domain.runs import Run
from bot.domain.text import message_url
from bot.media.download import temporary_folder
from bot.media.outputs import MEDIA_SECONDS
from bot.ui.message_parts import OutgoingMessage, PreparedOutputs
from bot.ui.result_buttons import offered_actions
from bot.ui.results import Batch, opened_messages, outcome_messages
from bot.ui.status import linked_outputs

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
                if self._health.pause():
                    break
                claims, _ = await self._turn(1, only=request_key)
                for claim in claims:
                    self._health.begin()
                    await self.handle(claim)
                if not claims:
                    break
            await self.store_releases()
        finally:
            self._app.wakeups.wake("show")
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
            self._app.wakeups.wake("show")  # other changes may have waited for the lease
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
            claim = self._posting.keep(claim.changed(posted=(), stale=stale))
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
        await self._end_copy(claim.changed(posted=()), stale, code)
        return RefusedError(code, str(error))

    async def _end_copy(self, claim: Claim, stale: Iterable[MessageRef], failed: str | None = None) -> None:
        """Delete what a copy replaces, and store how it ended. If that fails, `handle` does it later."""
        now, left, deleted = self._app.now(), [*stale], False
        with suppress(PostError):
            left, deleted = await self._posting.delete(claim, left), True
        if deleted or failed is not None:
            await self._app.store.copies.record(claim, now, failed)
        self._release(claim.changed(stale=tuple(left), form=Form.FILES), now, shown=deleted)
        await self.store_releases()


async def show_again(app: App, batch: Sequence[Run], origin: Origin, *, to_moderator: bool = False) -> None:
    """Send the results of a batch to the user of a deferred interaction.

    Links stand in for files that can't be fetched or uploaded. Nothing is stored: if this fails, the user
    simply tries again. Raises DiscordAway if Discord doesn't answer, and RefusedError if it refuses.
    """
    shown = [run for run in batch if run.is_shown]
    deadline = asyncio.get_running_loop().time() + MEDIA_SECONDS
    links = {run.key: linked_outputs(run, app.outputs.may_link) for run in shown}
    try:
        with temporary_folder() as folder:
            files = {run.key: await _prepared(app, run, origin, Path(folder), deadline) for run in shown}
            try:
                await _send(app, _messages(app, batch, files, to_moderator=to_moderator), origin)
            except Refused as error:
                log.info("Discord refused the files of a private result: %s", error)
                await _send(app, _messages(app, batch, links, to_moderator=to_moderator), origin)
    except Unanswered as error:
        raise DiscordAway(str(error)) from error
    except PostError as error:
        log.warning("Discord refused a private result of run %s: %s", batch[0].key, error)
        raise RefusedError("private_refused", str(error)) from error


def _messages(
    app: App, batch: Sequence[Run], prepared: Mapping[str, PreparedOutputs], *, to_moderator: bool
) -> Sequence[OutgoingMessage]:
    title = app.catalogue.title(batch[0].deployment)
    if to_moderator:
        return [each for run in batch for each in opened_messages(run, title, prepared[run.key])]
    return outcome_messages(Batch(batch, prepared), title, offered_actions(batch[0], app.catalogue.all()))


async def _prepared(app: App, run: Run, origin: Origin, folder: Path, deadline: float) -> PreparedOutputs:
    try:
        return await app.outputs.prepare(run, origin.upload_limit, folder, last_try=True, deadline=deadline)
    except (MediaError, BackendError) as error:
        log.warning("can't fetch the outputs of private run %s: %s", run.key, error)
        return linked_outputs(run, app.outputs.may_link)


async def _send(app: App, messages: Sequence[OutgoingMessage], origin: Origin) -> None:
    for message in messages:
        await app.discord.send_in_interaction(
            origin.application_id, origin.interaction_token, message, ephemeral=True
        )
