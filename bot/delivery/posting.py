"""Execute what was decided about a message: post, edit and delete, each post under a stored attempt."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

from bot.context import App
from bot.delivery.compose import Edit
from bot.discord_api.calls import Gone, PostError, Refused, Unreachable
from bot.domain.messages.decide import climb
from bot.domain.messages.records import (
    COPIES,
    EDITS,
    OUTCOMES,
    Attempt,
    Claim,
    MessageRef,
    Part,
    Place,
    Shows,
    marker,
    nonce,
)
from bot.domain.runs import is_turned_away
from bot.ui.message_parts import OutgoingMessage
from bot.ui.status import origin_message

log = logging.getLogger(__name__)
# If a messenger doesn't extend its lease for this long, another takes the request over.
LEASE = timedelta(seconds=60)


class Superseded(Exception):
    """Nothing was sent, because the message changed or another process has the lease."""


class Posting:
    """Changes Discord's messages. `active` has the newest state of each claim.

    Methods raise Unreachable if Discord refuses, Unanswered, Superseded and StoreUnavailable.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self.active: dict[str, Claim] = {}

    def keep(self, claim: Claim) -> Claim:
        """Keep the newest state of a claim, which a failure stores, and return it."""
        self.active[claim.lease] = claim
        return claim

    def climb(self, claim: Claim, place: Place, error: Unreachable) -> Claim:
        """Return the claim with the next form or place after Discord refused a message at a place.

        The claim is kept, so a failure there doesn't lead back to the place that refused. Earlier failures
        still count: files that failed three times are linked, instead of being tried as often at each place.
        """
        newest = self.active[claim.lease]
        message = climb(newest.message, place, newest.runs, about_message=isinstance(error, Refused))
        return self.keep(newest.with_message(message))

    async def find_lost(self, claim: Claim) -> Claim:
        """Search for what an unconfirmed attempt has posted, and return the claim with it."""
        attempt = claim.message.attempt
        if attempt is None or attempt.part.place in EDITS:
            return claim
        part = attempt.part
        found = None
        with suppress(Unreachable):
            mark = marker(claim.message, part)
            found = await self._app.discord.search(
                part.channel_id, attempt.at, mark, part.files, but=claim.known
            )
        return claim if found is None else self.keep(claim.with_part(replace(part, message_id=found)))

    async def post(
        self, claim: Claim, place: Place, shows: Shows, parts: Sequence[OutgoingMessage], *, continues: bool
    ) -> Claim:
        """Post the parts of a message, each under an attempt. With `continues`, earlier ones are posted."""
        if place in EDITS and not claim.first.needs_interaction and (len(parts) > 1 or not parts[0].layout):
            raise Unreachable("the answer is one layout, and can't become several or a classic message")
        channel_id = await self._channel(claim, place)
        first = len(claim.message.posted) if continues else 0
        for index, outgoing in enumerate(parts, first):
            part = Part(
                channel_id=channel_id,
                shows=shows,
                rev=claim.message.wanted_rev,
                form=claim.message.form,
                place=place,
                index=index,
                of=first + len(parts),
                files=tuple(file.filename for file in outgoing.files),
                classic=outgoing.layout is None,
            )
            claim = await self._post_part(claim, part, outgoing)
        if not parts:
            *others, last = claim.message.posted
            claim = claim.changed(posted=(*others, replace(last, of=first)))
        is_result = claim.message.kind in OUTCOMES and not is_turned_away(claim.runs)
        if place is Place.DIRECT and is_result and shows is not Shows.WITHHELD:
            claim = await self._say_origin(claim, channel_id)
        return claim

    async def _channel(self, claim: Claim, place: Place) -> int:
        if place is Place.DIRECT:
            return await self._app.discord.direct_channel(claim.run.requester_id)
        here = claim.run.channel_id
        return here if place in EDITS else claim.message.channel_id or here

    async def _post_part(self, claim: Claim, part: Part, outgoing: OutgoingMessage) -> Claim:
        store, now = self._app.store.messages, self._app.now()
        begun = claim.changed(attempt=Attempt(now, part), place=part.place)
        if not await store.begin(begun, now + LEASE):
            raise Superseded
        claim = self.keep(replace(begun, unstored=()))
        part = replace(part, message_id=await self._send(claim, part, outgoing))
        # What is stored next contains it. If the process dies before, its marker is found.
        claim = self.keep(claim.with_part(part))
        # A post that takes long may outlive its lease, and what follows deletes the answer.
        is_held = self._app.now() < now + LEASE / 3
        if not is_held and not await store.extend(claim, self._app.now() + LEASE):
            raise Superseded
        return claim

    async def _send(self, claim: Claim, part: Part, outgoing: OutgoingMessage) -> int:
        run, message = claim.first, claim.message
        if part.place not in EDITS:
            mark, once = marker(message, part), nonce(claim.run.key, message, part)
            return await self._app.discord.post(part.channel_id, outgoing, once, mark)
        token = run.interaction_token_at(self._app.now())
        if token is None:
            if part.place is not Place.IN_PLACE or run.status_message_id is None or run.needs_interaction:
                raise Unreachable("the interaction's token has expired")
            await self._app.discord.edit(MessageRef(run.channel_id, run.status_message_id), outgoing, ())
            return run.status_message_id
        if part.index == 0:
            answer = run.status_message_id
            return await self._app.discord.edit_original(run.application_id, token, answer, outgoing)
        # Discord takes no nonce here, so a repetition may post it twice, which is better than not at all.
        return await self._app.discord.send_in_interaction(
            run.application_id, token, outgoing, ephemeral=run.private
        )

    async def _say_origin(self, claim: Claim, channel_id: int) -> Claim:
        """Say in a direct message where the request was made. This is tried only once."""
        last = claim.message.posted[-1]
        part = replace(last, index=last.index + 1, of=last.of + 1, files=(), classic=True, message_id=0)
        try:
            once, mark = nonce(claim.run.key, claim.message, part), marker(claim.message, part)
            origin = await self._app.discord.post(channel_id, origin_message(claim.run), once, mark)
        except PostError as error:
            log.info("posted no link to the request's channel: %s", error)
            return claim
        return self.keep(claim.with_part(replace(part, message_id=origin)))

    async def change(self, edit: Edit) -> None:
        """Change a posted part, unless somebody has deleted it."""
        with suppress(Unreachable):
            if edit.content is not None:
                await self._app.discord.edit(edit.part.ref, edit.content, edit.keep)
            else:
                await self._app.discord.delete(edit.part.ref)

    async def delete(self, claim: Claim, refs: Iterable[MessageRef]) -> list[MessageRef]:
        """Delete messages, and return those that Discord doesn't let the bot delete now."""
        # Only an interaction can delete messages in this channel; a Delete button deletes its own message.
        is_private = claim.first.needs_interaction and claim.message.kind not in COPIES
        out_of_reach = claim.first.channel_id if is_private else None
        left = []
        for ref in refs:
            try:
                if ref.channel_id != out_of_reach:
                    await self._app.discord.delete(ref)
            except Gone:
                pass
            except Unreachable:
                left.append(ref)
        return left
