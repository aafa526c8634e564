"""Delete the messages that an outcome or a deletion makes obsolete."""

from __future__ import annotations

import mimetypes
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from bot.delivery.media.outputs import inline_texts, kind_of
from bot.delivery.posting import NotYet, Posted, Poster, Unreachable
from bot.domain.results.deliveries import COPY_PURPOSES, OUTCOME_PURPOSES, Delivery, MessageRef, Purpose
from bot.domain.runs import Run
from bot.domain.text import escape_line
from bot.domain.text.file_names import belongs_to, file_stem
from bot.store import Store
from bot.store.deliveries import DeliveryStore
from bot.strings import say
from bot.ui.custom_ids import Action
from bot.ui.fallbacks import MayLink, link_remark
from bot.ui.message_parts import OutgoingMessage, PreparedFile, PreparedOutputs, gallery_only
from bot.ui.moderation import closed_report_card
from bot.ui.result_buttons import OfferedActions
from bot.ui.results import Batch, first_message


class ResultRemoval:
    """Removes from Discord the results and copies that are marked as deleted in the store.

    `run` is idempotent.
    """

    def __init__(self, store: Store, poster: Poster, title: Callable[[str], str], may_link: MayLink) -> None:
        self._store = store
        self._poster = poster
        self._title = title
        self._may_link = may_link

    async def run(self, run: Run) -> None:
        """Remove the deleted results and copies of a run's batch.

        Raises NotYet while an outcome, a copy or a report card of the batch is pending. The Delete button is
        on the first message, so it can be pressed before the other messages are posted.
        """
        batch = await self._store.runs.batch(run)
        shown_by = {*OUTCOME_PURPOSES, *COPY_PURPOSES, Purpose.REPORT}
        for each in batch:
            if await self._store.deliveries.is_pending(each.key, shown_by):
                raise NotYet("the result is still being posted")
        for each in batch:
            await self._remove_copies_of(each)
        if run.is_shown:  # only a copy of it was deleted
            return
        await self._remove_messages(batch)
        for each in batch:
            await self._clear_report(each, batch if each.is_first_in_batch else [each])

    async def _remove_copies_of(self, run: Run) -> None:
        for purpose in sorted(COPY_PURPOSES):
            copy = await self._store.deliveries.sent(run.key, purpose)
            if run.deleted_at is not None or copy.deleted_by is not None:
                await self._delete(run, copy.everywhere)

    async def _remove_messages(self, batch: Sequence[Run]) -> None:
        late: set[str] = set()
        for run in batch:
            own = (await self._store.deliveries.sent(run.key, Purpose.LATE)).everywhere
            if own:
                late.add(run.key)
            if run.deleted_at is not None:
                await self._delete(run, own)
        sent = await self._store.deliveries.sent(batch[0].key, Purpose.OUTCOME)
        messages = sent.messages or sent.earlier
        if sent.messages:
            await self._delete(batch[0], sent.earlier)
        if any(run.is_shown and run.key not in late for run in batch):
            await self._redraw(batch, late, messages)
        else:
            await self._delete(batch[0], messages)

    async def _redraw(
        self, batch: Sequence[Run], late: Collection[str], messages: Sequence[MessageRef]
    ) -> None:
        """Edit the deleted results out of the messages that show a whole batch."""
        found: dict[MessageRef, Posted] = {}
        for message in messages:
            with suppress(Unreachable):
                found[message] = await self._poster.read(*message)
        files = {name: kind for posted in found.values() for name, kind in posted.files.items()}
        prepared = {
            run.key: _as_posted(run, files, self._may_link)
            for run in batch
            if run.is_shown and run.key not in late
        }
        shown = Batch(batch, prepared, late)
        guild_id = batch[0].guild_id
        rules = await self._store.rules.get(guild_id)
        offered = OfferedActions(reportable=self._poster.takes_reports(guild_id, rules))
        for message, posted in found.items():
            remaining = [file for file in shown.files() if file.filename in posted.files]
            redrawn = self._redrawn(shown, posted, remaining, offered, first=message == messages[0])
            with suppress(Unreachable):
                if redrawn is None:
                    await self._poster.delete(*message)
                else:
                    keep = {file.filename for file in remaining}
                    await self._poster.edit_keeping(*message, replace(redrawn, files=()), keep)

    def _redrawn(
        self,
        batch: Batch,
        posted: Posted,
        remaining: Sequence[PreparedFile],
        offered: OfferedActions,
        *,
        first: bool,
    ) -> OutgoingMessage | None:
        """Return the message without the deleted results, or None if nothing remains."""
        if first:
            title = self._title(batch.first.deployment)
            message, _ = first_message(batch, title, remaining, offered, classic=bool(posted.content))
            return message
        if posted.files:
            if not remaining:
                return None
            return gallery_only(batch.first, remaining) if posted.layout else OutgoingMessage()
        deleted = [run for run in batch.runs if run.deleted_at is not None]
        links = {urlsplit(output.url).path for run in deleted for output in run.outputs if output.url}
        lines = [line for line in posted.content.splitlines() if not any(link in line for link in links)]
        return OutgoingMessage(content="\n".join(lines)) if lines else None

    async def _clear_report(self, run: Run, reported: Sequence[Run]) -> None:
        """Remove from a run's report card the files of results that a moderator deleted.

        If a moderator deleted a result and no reported result is left, the card is closed. Files of results
        that only their requester deleted stay until a moderator has handled the report. Otherwise, users
        could evade a report by deleting the result.
        """
        cards = (await self._store.deliveries.sent(run.key, Purpose.REPORT)).messages
        if not cards:
            return
        deleted = [each for each in reported if _deleted_by_moderator(each)]
        if not deleted:
            return
        if any(each.is_shown for each in reported):
            for card in cards:
                with suppress(Unreachable):
                    await self._remove_copies(card, deleted)
            return
        last = deleted[-1]
        at = int(last.deleted_at.timestamp()) if last.deleted_at is not None else 0
        verdict = say("report_deleted", person=last.deleted_by, at=at)
        for card in cards:
            with suppress(Unreachable):
                closed = closed_report_card(run, self._title(run.deployment), verdict)
                await self._poster.edit(*card, closed, keep_files=False)

    async def _remove_copies(self, card: MessageRef, deleted: Sequence[Run]) -> None:
        posted = await self._poster.read(*card)
        keep = {name for name in posted.files if not any(belongs_to(name, run.key) for run in deleted)}
        if len(keep) < len(posted.files):
            await self._poster.drop_files(*card, keep)

    async def _delete(self, run: Run, messages: Iterable[MessageRef]) -> None:
        # Only an interaction can delete messages in this channel; the Delete button deletes its own message.
        out_of_reach = run.channel_id if run.needs_interaction else None
        await delete_all(self._poster, (each for each in messages if each.channel_id != out_of_reach))


def _deleted_by_moderator(run: Run) -> bool:
    return run.deleted_by not in (None, run.requester_id)


class OutcomeCleanup:
    """Removes the messages that an outcome makes obsolete.

    These are the status message, an earlier outcome that a late result replaces, and the messages of an
    earlier delivery of the same result. Methods raise OutcomeUnknown if Discord doesn't answer.
    """

    def __init__(self, store: Store, poster: Poster, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._poster = poster
        self._clock = clock

    async def run(self, delivery: Delivery, *, in_place: bool) -> None:
        """Clean up after a sent outcome. `in_place` means that the outcome replaced the status message.

        If the delivery was reopened since then, everything stays until its next message is posted.
        """
        sent = await self._store.deliveries.sent(delivery.run.key, delivery.purpose)
        if not sent.messages:
            return
        await delete_all(self._poster, sent.earlier)
        if delivery.is_late_in_batch:
            return
        if not in_place:
            await self._remove_status(delivery)
        if delivery.purpose is Purpose.LATE:
            await self._remove_verdict(delivery.run)

    async def _remove_verdict(self, run: Run) -> None:
        """Delete the earlier outcome of a run, which a late result replaces.

        If an attempt to post that outcome was interrupted, the channel is searched for its message.
        """
        verdict = await self._store.deliveries.sent(run.key, Purpose.OUTCOME)
        late = await self._store.deliveries.sent(run.key, Purpose.LATE)
        shown = [message.message_id for message in late.messages]
        disproved = [message for message in verdict.everywhere if message.message_id not in shown]
        if verdict.attempted_at is not None:
            with suppress(Unreachable):
                found = await self._poster.find(
                    run.channel_id, run.key, None, verdict.attempted_at, ignore=shown
                )
                disproved += [MessageRef(run.channel_id, found)] if found is not None else []
        await delete_all(self._poster, disproved)

    async def _is_outcome(self, message_id: int | None, delivery: Delivery) -> bool:
        """Return whether a message is part of the outcome, even if later parts took another route."""
        sent = await self._store.deliveries.sent(delivery.run.key, delivery.purpose)
        return message_id in [message.message_id for message in sent.messages]

    async def _remove_status(self, delivery: Delivery) -> None:
        run = delivery.run
        token = run.interaction_token_at(self._clock())
        if run.needs_interaction and await self._is_outcome(run.status_message_id, delivery):
            return
        if token is not None:
            with suppress(Unreachable):
                await self._poster.delete_original(run.application_id, token, run.status_message_id)
                return
        if run.needs_interaction:
            return
        # The token has expired, by our clock or by Discord's.
        with suppress(Unreachable):
            status = run.status_message_id
            if status is None and delivery.purpose is Purpose.OUTCOME:
                # A crash after the answer lost the id, so find the message by its Cancel button.
                status = await self._poster.find_offering(
                    run.channel_id, run.key, Action.CANCEL, run.created_at
                )
            if status is not None:
                await self._poster.delete(run.channel_id, status)


async def known_messages(deliveries: DeliveryStore, keys: Iterable[str]) -> list[int]:
    """Return the ids of all stored messages of these runs, which a search for a lost message skips."""
    sent = [await deliveries.sent(key, purpose) for key in sorted({*keys}) for purpose in Purpose]
    return [message.message_id for each in sent for message in each.everywhere]


async def delete_all(poster: Poster, messages: Iterable[MessageRef]) -> None:
    """Delete messages, skipping any that are gone or out of reach. Raises OutcomeUnknown."""
    for message in messages:
        with suppress(Unreachable):
            await poster.delete(*message)


def _as_posted(run: Run, files: Mapping[str, str | None], may_link: MayLink) -> PreparedOutputs:
    """Return a run's outputs as its messages show them.

    `files` are the attachments of the messages. Outputs that aren't among them are linked.
    """
    own = [_as_prepared(name, kind) for name, kind in files.items() if belongs_to(name, run.key)]
    links = [output for output in run.outputs if output.url]
    remarks = tuple(
        link_remark(
            "media_too_large",
            escape_line(output.filename or f"file {number}", 80),
            output.url or "",
            may_link,
        )
        for number, output in enumerate(links, 1)
        if not any(f"{file_stem(run.deployment, run.key, number)}." in file.filename for file in own)
    )
    texts = [output.text for output in run.outputs if output.text is not None]
    return PreparedOutputs(tuple(own), inline_texts(run, texts) or (), remarks)


def _as_prepared(name: str, content_type: str | None) -> PreparedFile:
    """Describe an attached file by name and kind; only Discord has its content."""
    known = content_type or mimetypes.guess_type(name)[0] or ""
    return PreparedFile(Path(name), name, kind_of(known.partition(";")[0]))
