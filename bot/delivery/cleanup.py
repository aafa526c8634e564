"""A result's messages go; of several at once, one of them goes out of the messages that show them all."""

from __future__ import annotations

import mimetypes
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from bot.delivery.posting import OutcomeUnknown, Posted, Poster, Unreachable
from bot.delivery.uploads import file_stem, inline_texts, kind_of
from bot.domain.records import AuditAction
from bot.domain.runs import OUTCOMES, Delivery, Purpose, Run, RunState, token_of
from bot.domain.text import escape_line
from bot.store import Store
from bot.strings import say
from bot.ui.components import OutgoingMessage, PreparedFile, PreparedOutputs, gallery_only
from bot.ui.custom_ids import Action
from bot.ui.moderation import closed_report_card
from bot.ui.results import Batch, first_message

MessageRef = tuple[int, int]


class ResultRemoval:
    """Goes by what the rows say now, so a removal done twice, or late, changes nothing more."""

    def __init__(self, store: Store, poster: Poster, title: Callable[[str], str]) -> None:
        self._store = store
        self._poster = poster
        self._title = title

    async def remove(self, run: Run) -> None:
        """What is still being posted would stay: the button is there with the first of several messages."""
        batch = await self._store.runs.batch(run)
        for each in batch:
            if await self._store.deliveries.is_pending(each.key, {*OUTCOMES, Purpose.REPORT}):
                raise OutcomeUnknown("the result is still being posted")
        await self._remove_messages(batch)
        for each in batch:
            await self._empty_report(each, batch if each.is_first_in_batch else [each])

    async def _empty_report(self, run: Run, reported: Sequence[Run]) -> None:
        """A moderator's deletion takes the copies on a report's card too. After the requester's own they stay
        until a moderator has dealt with the report: nobody gets rid of one by deleting.

        Of several the card stays while one of them is left, without those that are not.
        """
        places = (await self._store.deliveries.told(run.key, Purpose.REPORT)).messages
        if not places:
            return
        gone = [each for each in reported if await self._deleter(each) is not None]
        if not gone:
            return
        if any(_is_there(each) for each in reported):
            for place in places:
                with suppress(Unreachable):
                    await self._take_copies(place, gone)
            return
        verdict = say("report_deleted", person=await self._deleter(gone[-1]))
        for place in places:
            with suppress(Unreachable):
                part = closed_report_card(run, self._title(run.deployment), verdict)
                await self._poster.edit(*place, part, keep_files=False)

    async def _take_copies(self, place: MessageRef, gone: Sequence[Run]) -> None:
        posted = await self._poster.look(*place)
        keep = {name for name in posted.files if not any(f"-{run.key}" in name for run in gone)}
        if len(keep) < len(posted.files):
            await self._poster.drop_files(*place, keep)

    async def _deleter(self, run: Run) -> int | None:
        """The moderator who deleted it last."""
        if run.deleted_at is None:
            return None
        people = await self._store.reviews.actors(run, AuditAction.DELETE)
        return next((person for person in reversed(people) if person != run.requester_id), None)

    async def _remove_messages(self, batch: Sequence[Run]) -> None:
        late: set[str] = set()
        for run in batch:
            own = (await self._store.deliveries.told(run.key, Purpose.LATE)).everywhere
            if own:
                late.add(run.key)
            if run.deleted_at is not None:
                await self._delete(run, own)
        told = await self._store.deliveries.told(batch[0].key, Purpose.OUTCOME)
        places = told.messages or told.earlier
        if told.messages:
            await self._delete(batch[0], told.earlier)
        if any(_is_there(run) and run.key not in late for run in batch):
            await self._redraw(batch, late, places)
        else:
            await self._delete(batch[0], places)

    async def _redraw(
        self, batch: Sequence[Run], late: Collection[str], places: Sequence[MessageRef]
    ) -> None:
        found: dict[MessageRef, Posted] = {}
        for place in places:
            with suppress(Unreachable):
                found[place] = await self._poster.look(*place)
        files = {name: kind for posted in found.values() for name, kind in posted.files.items()}
        prepared = {
            run.key: _as_posted(run, files) for run in batch if _is_there(run) and run.key not in late
        }
        several = Batch(batch, prepared, late)
        for place, posted in found.items():
            left = [file for file in several.files() if file.filename in posted.files]
            part = self._part(several, posted, left, first=place == places[0])
            with suppress(Unreachable):
                if part is None:
                    await self._poster.delete(*place)
                else:
                    keep = {file.filename for file in left}
                    await self._poster.edit_keeping(*place, replace(part, files=()), keep)

    def _part(
        self, several: Batch, posted: Posted, left: Sequence[PreparedFile], *, first: bool
    ) -> OutgoingMessage | None:
        """The message without what was deleted; None where nothing of it is left."""
        lead = several.first
        if first:
            classic = bool(posted.content)
            part, _ = first_message(several, self._title(lead.deployment), left, classic=classic)
            return part
        if posted.files:
            return (gallery_only(lead, left) if posted.layout else OutgoingMessage()) if left else None
        gone = [run for run in several.runs if run.deleted_at is not None]
        links = {urlsplit(output.url).path for run in gone for output in run.outputs if output.url}
        lines = [line for line in posted.content.splitlines() if not any(link in line for link in links)]
        return OutgoingMessage(content="\n".join(lines)) if lines else None

    async def _delete(self, run: Run, places: Sequence[MessageRef]) -> None:
        for channel_id, message_id in places:
            if run.user_install and channel_id == run.channel_id:
                continue  # its own button deletes it: the bot has no access there
            with suppress(Unreachable):
                await self._poster.delete(channel_id, message_id)


def _is_there(run: Run) -> bool:
    return run.state is RunState.SUCCEEDED and run.deleted_at is None


def _as_posted(run: Run, files: Mapping[str, str | None]) -> PreparedOutputs:
    """What of a run stands in the messages; for files that do not, the links that were given instead."""
    own = [_as_prepared(name, kind) for name, kind in files.items() if f"-{run.key}" in name]
    links = [output for output in run.outputs if output.url]
    notes = tuple(
        say("media_too_large", name=escape_line(output.filename or f"file {number}", 80), url=output.url)
        for number, output in enumerate(links, 1)
        if not any(f"{file_stem(run, number)}." in file.filename for file in own)
    )
    texts = [output.text for output in run.outputs if output.text is not None]
    return PreparedOutputs(tuple(own), inline_texts(run, texts) or (), notes)


def _as_prepared(name: str, content_type: str | None) -> PreparedFile:
    """Its bytes are Discord's by now."""
    known = content_type or mimetypes.guess_type(name)[0] or ""
    return PreparedFile(Path(name), name, kind_of(known.partition(";")[0]))


class OutcomeCleanup:
    """Removes the status message, a verdict that a late success disproved, and the part of a result that came
    before it was posted again. Raises Unclear."""

    def __init__(self, store: Store, poster: Poster, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._poster = poster
        self._clock = clock

    async def after(self, delivery: Delivery, *, in_place: bool) -> None:
        """`in_place`: the outcome stands in the status message itself."""
        told = await self._store.deliveries.told(delivery.run.key, delivery.purpose)
        await self._delete(told.earlier)
        if delivery.is_late_in_batch:
            return
        if not in_place:
            await self._remove_status(delivery)
        if delivery.purpose is Purpose.LATE:
            await self._remove_verdict(delivery.run)

    async def _remove_verdict(self, run: Run) -> None:
        """What the late success disproves, also where nobody learned whether it had been posted."""
        verdict = await self._store.deliveries.told(run.key, Purpose.OUTCOME)
        late = await self._store.deliveries.told(run.key, Purpose.LATE)
        shown = [message_id for _, message_id in late.messages]
        disproved = [place for place in verdict.everywhere if place[1] not in shown]
        if verdict.attempted_at is not None:
            with suppress(Unreachable):
                found = await self._poster.find(
                    run.channel_id, run.key, None, verdict.attempted_at, ignore=shown
                )
                disproved += [(run.channel_id, found)] if found is not None else []
        await self._delete(disproved)

    async def _delete(self, places: Sequence[tuple[int, int]]) -> None:
        for channel_id, message_id in places:
            with suppress(Unreachable):
                await self._poster.delete(channel_id, message_id)

    async def _is_shown_there(self, delivery: Delivery) -> bool:
        """Whether the answer holds the first part of an outcome whose rest went elsewhere."""
        told = await self._store.deliveries.told(delivery.run.key, delivery.purpose)
        return delivery.run.status_message_id in [message_id for _, message_id in told.messages]

    async def _remove_status(self, delivery: Delivery) -> None:
        run = delivery.run
        token = token_of(run, self._clock())
        if run.user_install and (token is None or await self._is_shown_there(delivery)):
            return
        if token is not None:
            with suppress(Unreachable):
                await self._poster.delete_original(run.application_id, token, run.status_message_id)
                return
        # The token has run out, by our clock or by Discord's.
        with suppress(Unreachable):
            status = run.status_message_id
            if status is None and delivery.purpose is Purpose.OUTCOME:
                # A crash came between the answer and the noting of its id.
                status = await self._poster.find_offering(
                    run.channel_id, run.key, Action.CANCEL, run.created_at
                )
            if status is not None:
                await self._poster.delete(run.channel_id, status)
