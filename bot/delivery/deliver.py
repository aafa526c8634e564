"""Execute what was decided about a message: check, post, edit and delete. Each post has a stored attempt."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import timedelta

from bot.context import App
from bot.delivery.compose import is_age_restricted
from bot.discord_api.calls import Gone, Unreachable
from bot.discord_api.outgoing import OutgoingMessage
from bot.domain.errors import RefusedError
from bot.domain.files import PreparedOutputs
from bot.domain.messages import (
    COPIES,
    MAX_FAILURES,
    Attempt,
    Claim,
    MessageRef,
    Part,
    Place,
    Shows,
    is_watched,
    marker,
    nonce,
)
from bot.domain.picture_check import FORBIDDEN_WORD, Flagged, Labels, Verdict, numbers_with, verdicts_on
from bot.domain.policy import check_of
from bot.domain.runs import Output, Run
from bot.domain.settings.rules_and_defaults import ServerRules
from bot.domain.text import is_file

log = logging.getLogger(__name__)

# If a messenger doesn't extend its lease for this long, another takes the request over.
LEASE = timedelta(seconds=60)


class Superseded(Exception):
    """Nothing was sent, because the message changed or another process has the lease."""


class Delivery:
    """One attempt to make Discord show a claimed message.

    `claim` is its newest state, which is stored however the attempt ends. Methods raise Unreachable if
    Discord refuses, NoResponse, Superseded and StoreUnavailable.
    """

    def __init__(self, app: App, claim: Claim) -> None:
        self._app = app
        self.claim = claim
        self.key = claim.run.key  # for the log

    def withdraw(self) -> None:
        """Have everything deleted that shows the message."""
        message = self.claim.message
        self.claim = self.claim.changed(posted=(), stale=(*message.stale, *message.refs))

    async def find_lost(self) -> None:
        """Search for what an unconfirmed attempt has posted."""
        message = self.claim.message
        if message.attempt is None or message.attempt.part.place is Place.ANSWER:
            return
        at, part = message.attempt
        mark, known = marker(message, part), self.claim.known
        with suppress(Unreachable):
            found = await self._app.discord.search(part.channel_id, at, mark, part.files, but=known)
            if found is not None:
                self.claim = self.claim.with_part(replace(part, message_id=found))

    async def check(self, files: ExitStack, deadline: float) -> Mapping[str, PreparedOutputs] | None:
        """Check the outputs of the message that nobody has seen, and store the verdicts.

        Returns the prepared outputs of the runs that may be shown as they are, or None if something is held
        or hidden, so that what the message shows has to be decided again.
        """
        unchecked = [run for run in self.claim.shown if run.to_check and run.verdicts is None]
        if not unchecked:
            return {}
        rules = await self._app.store.rules.get(self.claim.first.guild_id)
        prepared, checked, message = dict[str, PreparedOutputs](), list[Run](), self.claim.message
        last_try = message.failures >= MAX_FAILURES  # the present attempt counts
        for run in unchecked:
            restricted = await is_age_restricted(self._app, run, otherwise=run.channel_age_restricted)
            check = check_of(run, rules, self._app.store.operator, age_restricted=restricted)
            if check.flagged is Flagged.OFF:
                checked.append(replace(run, verdicts={}))
                continue
            outputs = await self._app.outputs.prepare(
                replace(run, to_check=False), run.upload_limit, files, last_try=last_try, deadline=deadline
            )
            labels = await _labels(self._app, run, rules, outputs, deadline)
            verdicts = verdicts_on(labels, check)
            if not verdicts:
                prepared[run.key] = outputs
            spoiler = run.spoiler or bool(numbers_with(verdicts, Verdict.SPOILER))
            checked.append(replace(run, verdicts=verdicts, spoiler=spoiler))
        until = self._app.now() + timedelta(hours=rules.approval.hours)
        if not await self._app.store.messages.checked(
            self.claim, checked, self._app.now(), until, rules.approval.review_channel_id
        ):
            raise Superseded
        newest = {run.key: run for run in checked}
        self.claim = replace(self.claim, runs=[newest.get(run.key, run) for run in self.claim.runs])
        held = sum(len(numbers_with(run.verdicts, Verdict.HELD)) for run in checked)
        self._app.metrics.held.inc(held)
        if held:
            log.info("%s outputs wait for a moderator", held)
            self._app.wakeups.wake("show")
        return None if any(run.verdicts for run in checked) else prepared

    async def edit(self, part: Part, content: OutgoingMessage | None, keep: Collection[str] | None) -> None:
        """Edit a posted part, or delete it if there is no content. It keeps its marker.

        `keep` are the names of the files that stay, or None for all.
        """
        with suppress(Unreachable):  # somebody may have deleted it
            if content is None:
                await self._app.discord.delete(part.ref)
            else:
                mark = marker(self.claim.message, part)
                await self._app.discord.edit(part.ref, content, keep, mark)

    async def post(
        self, place: Place, shows: Shows, parts: Sequence[OutgoingMessage], *, continues: bool
    ) -> None:
        """Post the parts of a message, each under an attempt. With `continues`, earlier ones are posted."""
        run, message, store = self.claim.first, self.claim.message, self._app.store.messages
        if place is Place.ANSWER and not run.needs_interaction and (len(parts) > 1 or not parts[0].layout):
            raise Unreachable("the answer is one layout, and can't become several or a classic message")
        channel_id = run.channel_id
        if place is Place.DIRECT:
            channel_id = await self._app.discord.direct_channel(run.requester_id)
        elif place is not Place.ANSWER:
            channel_id = message.channel_id or channel_id
        first = len(message.posted) if continues else 0
        for index, outgoing in enumerate(parts, first):
            part = Part(
                channel_id=channel_id,
                shows=shows,
                rev=message.wanted_rev,
                rendering=message.rendering,
                place=place,
                index=index,
                of=first + len(parts),
                files=tuple(file.filename for file in outgoing.files),
                classic=outgoing.layout is None,
            )
            now = self._app.now()
            claim = self.claim.changed(attempt=Attempt(now, part), place=place)
            if not await store.begin(claim, now + LEASE):
                raise Superseded
            self.claim = replace(claim, unstored=())
            message_id = await self._send(part, outgoing)
            # What is stored next contains it. If the process dies before, its marker is found.
            self.claim = self.claim.with_part(replace(part, message_id=message_id))
            # A post that takes long may outlive its lease, and what follows deletes the answer.
            is_held = self._app.now() < now + LEASE / 3
            if not is_held and not await store.extend(self.claim, self._app.now() + LEASE):
                raise Superseded
        if not parts:
            *others, last = message.posted
            self.claim = self.claim.changed(posted=(*others, replace(last, of=first)))

    async def _send(self, part: Part, outgoing: OutgoingMessage) -> int:
        run, message, discord = self.claim.first, self.claim.message, self._app.discord
        if part.place is not Place.ANSWER:
            mark, once = marker(message, part), nonce(self.claim.run.key, message, part)
            return await discord.post(part.channel_id, outgoing, once, mark)
        token, answer = run.interaction_token_at(self._app.now()), run.status_message_id
        if token is None:
            if not is_watched(self.claim.runs) or answer is None or run.needs_interaction:
                raise Unreachable("the interaction's token has expired")
            await discord.edit(MessageRef(run.channel_id, answer), outgoing, ())
            return answer
        if part.index == 0:
            return await discord.edit_original(token, answer, outgoing)
        # Discord takes no nonce here, so a repetition may post it twice, which is better than not at all.
        return await discord.send_in_interaction(token, outgoing, ephemeral=run.private)

    async def delete(self) -> None:
        """Delete what is obsolete, apart from what Discord doesn't let the bot delete now."""
        first, message, left = self.claim.first, self.claim.message, list[MessageRef]()
        # Only an interaction can delete messages in this channel; a Delete button deletes its own message.
        is_private = first.needs_interaction and message.purpose not in COPIES
        for ref in [each for each in message.stale if each not in message.refs]:
            try:
                if not (is_private and ref.channel_id == first.channel_id):
                    await self._app.discord.delete(ref)
            except Gone:
                pass
            except Unreachable:
                left.append(ref)
        self.claim = self.claim.changed(stale=tuple(left))


async def _labels(
    app: App, run: Run, rules: ServerRules, outputs: PreparedOutputs, deadline: float
) -> dict[int, Labels]:
    """Return the labels of each output by its number. What isn't a picture, a video or a text has none."""
    linked = [output for output in run.outputs if output.url is not None]

    async def label(output: Output) -> Labels:
        if output.url is None:
            return await _label_text(app, run, rules, output.text or "")
        place = linked.index(output) + 1
        file = next((each for each in outputs.files if is_file(each.filename, run.key, place)), None)
        if file is None or not file.content_type or app.pictures is None:
            return None  # too large, not fetched, or the check was switched off since the request
        return await app.pictures.check(file.content, file.content_type, server=run.server, deadline=deadline)

    return dict(enumerate(await asyncio.gather(*map(label, run.outputs)), 1))


async def _label_text(app: App, run: Run, rules: ServerRules, text: str) -> Labels:
    if run.guild_id is None:
        return frozenset()
    try:
        roles, channels = frozenset(run.requester_roles or ()), frozenset({run.channel_id})
        hit = await app.words.find_hit(run.guild_id, rules.words, {"text": text}, roles, channels)
    except RefusedError as error:
        log.warning("can't check a text that was made: %s", error)
        return None
    return frozenset({FORBIDDEN_WORD}) if hit is not None else frozenset()
