"""Build review cards, report cards and notices to requesters."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import assert_never

from bot.delivery.age_restriction import AgeRestriction
from bot.delivery.copies import result_message
from bot.delivery.media.outputs import OutputPreparer
from bot.delivery.media.time_budget import MediaBudget
from bot.delivery.posting import NotYet, Poster, Unreachable
from bot.delivery.retries import Form
from bot.deployments.input_text import ShownInputs
from bot.domain.results.deliveries import Delivery, MessageRef, Purpose
from bot.domain.runs import Run, RunState
from bot.domain.text import message_url
from bot.domain.transitions import REQUESTER_BLOCKED
from bot.store import Store
from bot.store.blocks import ended_with
from bot.ui.fallbacks import linked_outputs
from bot.ui.message_parts import OutgoingMessage, PreparedOutputs
from bot.ui.moderation import block_notice, decided_card, rejection_notice, report_card, review_card


@dataclass(frozen=True, slots=True)
class Notice:
    """A message to send. If `edits` is set, that message is edited. Otherwise a new message is posted.

    A new message goes to `channel_id`, or to the requester's direct messages if that is None. If it can't be
    posted with its files, `without_files` builds a replacement without them. `nonce_suffix` is passed to
    `Router.post`.
    """

    message: OutgoingMessage
    channel_id: int | None = None
    edits: MessageRef | None = None
    without_files: Callable[[], Awaitable[OutgoingMessage]] | None = None
    nonce_suffix: str = ""


class NoticeBuilder:
    """Builds the notices of deliveries that are neither outcomes, copies nor removals."""

    def __init__(
        self,
        *,
        store: Store,
        poster: Poster,
        age_restriction: AgeRestriction,
        preparer: OutputPreparer,
        title: Callable[[str], str],
        inputs: Callable[[Run], ShownInputs],
        budget: Callable[[Delivery], MediaBudget],
    ) -> None:
        self._store = store
        self._poster = poster
        self._age_restriction = age_restriction
        self._preparer = preparer
        self._title = title
        self._inputs = inputs
        self._budget = budget

    async def build(self, delivery: Delivery, folder: Path, form: Form) -> Notice | None:
        """Build a delivery's notice, or return None if there is nothing to send.

        Only the full form has files. Raises NotYet if another message has to be posted first.
        """
        run = delivery.run
        title = self._title(run.deployment)
        match delivery.purpose:
            case Purpose.REVIEW:
                return await self._review(delivery, title, folder, form)
            case Purpose.CARD:
                return await self._decided(run, title)
            case Purpose.NOTICE:
                return Notice(await self._rejection(run, title))
            case Purpose.REPORT:
                return await self._report(delivery, title, folder, form)
            case Purpose.OUTCOME | Purpose.LATE | Purpose.SINGLE | Purpose.SHARE | Purpose.REMOVAL:
                raise ValueError(f"a delivery with the purpose {delivery.purpose.name} has no notice")
            case _:
                assert_never(delivery.purpose)

    async def _rejection(self, run: Run, title: str) -> OutgoingMessage:
        """Build the direct message about a rejected request, or about all requests that a block has ended."""
        channel_name = self._poster.channel_name(run.channel_id)
        if run.failure_code != REQUESTER_BLOCKED:
            return rejection_notice(run, title, channel_name)
        others = await self._store.database.read(ended_with, run) - 1
        batch = await self._store.runs.batch(run)
        partly = any(each.failure_code != REQUESTER_BLOCKED for each in batch)
        return block_notice(run, title, channel_name, others=others, partly=partly)

    async def _decided(self, run: Run, title: str) -> Notice | None:
        if await self._store.deliveries.is_pending(run.key, {Purpose.REVIEW}):
            raise NotYet("the card is still being posted")
        card = await self._store.reviews.card(run.key)
        return Notice(decided_card(run, title, self._inputs(run)), edits=card) if card else None

    async def _review(self, delivery: Delivery, title: str, folder: Path, form: Form) -> Notice | None:
        run = delivery.run
        if run.state is not RunState.AWAITING_APPROVAL:
            return None
        inputs = self._inputs(run)
        # Without `spoiler`, file names have no SPOILER_ prefix, so `AttachmentRenewer` finds the files. The
        # card marks them as spoilers itself.
        attached = replace(run, outputs=inputs.files, spoiler=False)
        withheld = bool(inputs.files) and await self._hides(run, delivery.destination)
        code = "card_file_restricted" if withheld else "media_linked"
        linked = linked_outputs(attached, self._preparer.may_link, code)

        async def card(limit: int) -> OutgoingMessage:
            budget = self._budget(delivery)
            prepared = await self._preparer.prepare(attached, limit, folder, last_try=True, budget=budget)
            return review_card(run, title, inputs, prepared)

        return Notice(
            await card(run.upload_limit)
            if form is Form.FULL and not withheld
            else review_card(run, title, inputs, linked),
            channel_id=run.review_channel_id,
            without_files=lambda: card(0),
        )

    async def _hides(self, run: Run, channel_id: int) -> bool:
        """Return whether a card in this channel may not show the files of a run."""
        with suppress(Unreachable):
            return await self._age_restriction.hides(run, channel_id)
        return await self._age_restriction.applies(run)

    async def _report(self, delivery: Delivery, title: str, folder: Path, form: Form) -> Notice | None:
        run = delivery.run
        if run.report_channel_id is None:
            return None
        reported = await self._store.runs.batch(run) if run.is_first_in_batch else [run]
        result = await result_message(self._store.deliveries, run)
        stands = any(each.is_shown for each in reported)
        link = message_url(run.guild_id, *result) if result and stands else None
        reporters = await self._store.reviews.reporters(run)
        nonce_suffix = str(await self._store.reviews.dismissals(run) or "")

        withheld = await self._hides(run, run.report_channel_id)

        async def without_files() -> OutgoingMessage:
            return report_card(run, title, reporters, link, PreparedOutputs(), withheld=withheld)

        if withheld or form is not Form.FULL:
            return Notice(await without_files(), channel_id=run.report_channel_id, nonce_suffix=nonce_suffix)
        return Notice(
            report_card(run, title, reporters, link, await self._copies(delivery, reported, folder)),
            channel_id=run.report_channel_id,
            without_files=without_files,
            nonce_suffix=nonce_suffix,
        )

    async def _copies(self, delivery: Delivery, reported: Sequence[Run], folder: Path) -> PreparedOutputs:
        """Prepare the outputs of all reported results that aren't deleted."""
        budget = self._budget(delivery)
        found = [
            await self._preparer.prepare(
                replace(run, spoiler=False), run.upload_limit, folder, last_try=True, budget=budget
            )
            for run in reported
            if run.is_shown
        ]
        return PreparedOutputs(
            files=tuple(file for prepared in found for file in prepared.files),
            texts=tuple(text for prepared in found for text in prepared.texts),
            remarks=tuple(note for prepared in found for note in prepared.remarks),
        )
