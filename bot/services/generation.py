"""Check and accept requests, each of which begins as a draft."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence, Set
from dataclasses import replace
from datetime import datetime
from random import Random

from bot.config.logs import run_context
from bot.deployments.draft import Draft
from bot.deployments.input_text import free_texts
from bot.deployments.kinds.base import FormField, Input, Typed, Values
from bot.deployments.merge import Merged, batch_inputs, check_count, merge, seed_range
from bot.deployments.naming import COUNT, PRIVATE
from bot.domain.errors import PressedTwice, RefusedError, StoreUnavailable
from bot.domain.requests import (
    Checked,
    GenerationRequest,
    Press,
    Requester,
    batch_requests,
    new_key,
)
from bot.domain.runs import InputValue, Run
from bot.domain.text.file_names import keys_in_links
from bot.metrics import Metrics
from bot.services.age_marks import AgeMarks, file_sources
from bot.services.input_files import InputFiles
from bot.services.presets.inputs import fill_gaps, own_texts
from bot.services.words.filter import DefaultTexts
from bot.store import Store
from bot.workers.worker import Wakeups

log = logging.getLogger(__name__)
# (requester, deployment name, texts by option name, those of the channel's default); raises RefusedError if
# the server forbids a text.
CheckWords = Callable[[Requester, str, Mapping[str, str], DefaultTexts | None], Awaitable[None]]


class GenerationService:
    """Checks requests and accepts them.

    Methods raise InputError, RefusedError or, if the database is unreachable, StoreUnavailable. Nothing is
    spent in these cases, except that the run may still start after a RequestUnknown. Only `accept` stores
    more than the audit entry of a refusal.
    """

    def __init__(
        self,
        *,
        age_marks: AgeMarks,
        store: Store,
        wakeups: Wakeups,
        check_words: CheckWords,
        files: InputFiles,
        metrics: Metrics,
        clock: Callable[[], datetime],
        random: Random,
        deadline_seconds: int,
    ) -> None:
        self._age_marks = age_marks
        self._store = store
        self._wakeups = wakeups
        self._check_words = check_words
        self._files = files
        self._metrics = metrics
        self._clock = clock
        self._random = random
        self._deadline_seconds = deadline_seconds

    async def form(self, draft: Draft, typed: Typed, wrong: Set[str] = frozenset()) -> Sequence[FormField]:
        """Return the fields of a draft's form, which show what was typed before; it may have none.

        In place of a file of a deleted result, the form requires another. Raises RefusedError if it has no
        field for one. The options in `wrong` come first.
        """
        values: dict[str, InputValue] = dict(draft.stored.inputs)
        for item in draft.deployment.offered:
            if item.takes_file and (given := item.typed({**typed, **draft.files})):
                values[item.key] = [file.url for _, file in given]
        return draft.fields(typed, wrong, await self._deleted_files(values))

    async def _deleted_files(self, inputs: Values) -> frozenset[str]:
        """Return the keys of those inputs that take a file of a deleted result."""
        made_by = {key: keys_in_links([value]) for key, value in inputs.items()}
        deleted = await self._store.runs.deleted(frozenset[str]().union(*made_by.values()))
        return frozenset(key for key, runs in made_by.items() if runs & deleted)

    def _merged(self, draft: Draft, typed: Typed) -> tuple[Merged, DefaultTexts | None]:
        """Return the inputs, and the texts that come from the channel's default."""
        preset, default = draft.preset, None
        if preset is not None:
            if draft.is_default:
                default = DefaultTexts(preset.name, own_texts(draft.deployment, preset, typed))
            typed = fill_gaps(draft.deployment, preset, typed)
        layers = [typed, draft.files]
        return merge(draft.deployment, layers, [draft.stored], draw_seed=self._draw_seed), default

    async def check(self, draft: Draft, typed: Typed, requester: Requester) -> Checked:
        """Check a request's words, the rules and budgets, and its files.

        A second press within seconds raises PressedTwice.
        """
        deployment = draft.deployment
        count = check_count(deployment, typed.get(COUNT))
        merged, default = self._merged(draft, typed)
        with self._metrics.request(deployment.name):
            pressed = draft.press(typed)
            press = Press(pressed, self._clock()) if pressed is not None else None
            requester = replace(requester, press=press)
            texts, prompt = free_texts(deployment, merged.inputs), merged.prompt
            if prompt is None and draft.prompt is not None:
                texts, prompt = {**texts, "prompt": draft.prompt}, draft.prompt
            await self._check_words(requester, deployment.name, texts, default)
            sources = file_sources(merged.inputs, draft.parent_key, draft.made_by)
            marks = await self._age_marks.of_files(sources, requester)
            if await self._deleted_files(merged.inputs):
                raise RefusedError("parent_deleted")
            request = GenerationRequest(
                key=new_key(self._random),
                requester_id=requester.person.id,
                origin=requester.origin,
                deployment=deployment.name,
                deployment_id=deployment.deployment_id,
                inputs=merged.inputs,
                gpu=merged.gpu,
                expected_gpu=deployment.expected_gpu(merged.gpu),
                offers_gpus=bool(deployment.gpus),
                seed=merged.seed,
                prompt=prompt,
                parent_key=draft.parent_key,
                default_preset=default.name if default is not None else None,
                age_restricted=marks.restricted or deployment.age_restricted,
                file_deployments=marks.deployments,
                # Nobody else sees direct messages anyway.
                private=(draft.private or bool(typed.get(PRIVATE)))
                and not requester.origin.is_direct_message,
                deadline_seconds=self._deadline_seconds,
            )
            seeded = batch_inputs(deployment, merged, count, self._draw_seed)
            batch = batch_requests(request, seeded, self._random)
            in_review = await self._check_rules(batch, requester)
            # After the rules, because these files may have to be downloaded.
            await self._files.check(deployment, merged)
        only_requester = in_review or request.private
        return Checked(
            batch=batch, requester=requester, only_requester=only_requester, dropped=merged.dropped
        )

    async def _check_rules(self, batch: Sequence[GenerationRequest], requester: Requester) -> bool:
        """Return whether a moderator would have to approve a batch. A refusal is added to the audit log."""
        try:
            return await self._store.requests.check(batch, requester, self._clock())
        except PressedTwice:
            raise
        except RefusedError as refused:
            await self._store.requests.record_refusal(batch[0], refused.code, self._clock())
            raise

    async def accept(
        self, checked: Checked, show: Callable[[Run], Awaitable[int | None]], *, public: bool
    ) -> None:
        """Store a request, and let `show` turn its answer into the status message.

        `public` says whether everybody sees the answer. `show` returns the message's id, or None if it
        failed; a messenger then shows the message. Nobody else changes it meanwhile.
        """
        first = checked.batch[0]
        with run_context(first.key):
            with self._metrics.request(first.deployment, accepts=True):
                run = await self._store.requests.accept(
                    checked.batch, checked.requester, self._clock(), public=public
                )
            person, place = run.requester_id, run.channel_id
            log.info("accepted a request of user %s in channel %s, runs: %s", person, place, run.count)
            self._wakeups.submit()
            message_id = await show(run)
            try:
                await self._store.messages.answered(run.key, message_id, self._clock())
            except StoreUnavailable as error:
                log.warning("can't store the status message's id, so the message is edited again: %s", error)
            self._wakeups.show()

    def _draw_seed(self, item: Input) -> int:
        return self._random.randint(*seed_range(item))
