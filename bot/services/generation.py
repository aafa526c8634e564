"""Check and accept requests: new ones, repeated ones, and those that other services make."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from random import Random

from bot.config.logs import run_context
from bot.deployments.batches import RepeatMode, batch_inputs, check_count, repeat_count
from bot.deployments.catalogue import Catalogue
from bot.deployments.earlier_values import revise
from bot.deployments.input_text import free_texts
from bot.deployments.inputs import CollectedInputs, RawValue, collect, seed_range
from bot.deployments.model import Deployment, Input, deployment_of, varies_in_batch
from bot.deployments.options import COUNT, PRIVATE
from bot.domain.errors import PressedTwice, RefusedError, StoreUnavailable
from bot.domain.requests import (
    Checked,
    GenerationRequest,
    Press,
    Requester,
    batch_requests,
    new_key,
    press_id,
)
from bot.domain.runs import Run
from bot.metrics import Metrics
from bot.services.age_marks import AgeMarks, file_sources
from bot.services.early_checks import EarlyChecks
from bot.services.input_files import InputFiles
from bot.services.runs import RunService
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
        catalogue: Catalogue,
        runs: RunService,
        checks: EarlyChecks,
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
        self._catalogue = catalogue
        self._runs = runs
        self._checks = checks
        self._age_marks = age_marks
        self._store = store
        self._wakeups = wakeups
        self._check_words = check_words
        self._files = files
        self._metrics = metrics
        self._clock = clock
        self._random = random
        self._deadline_seconds = deadline_seconds

    async def generate(
        self,
        name: str,
        options: Mapping[str, RawValue],
        requester: Requester,
        *,
        default: DefaultTexts | None = None,
    ) -> Checked:
        """Check a batch of runs of a deployment with the options of `/generate`.

        `default` is the channel's default preset, if `options` include its values.
        """
        deployment = self._catalogue.require(name)
        count = check_count(deployment, options.get(COUNT))
        typed = {option: value for option, value in options.items() if option not in (COUNT, PRIVATE)}
        inputs = collect(deployment, typed, draw_seed=self.draw_seed)
        return await self.check(
            deployment,
            inputs,
            requester,
            count=count,
            private=bool(options.get(PRIVATE)),
            default=default,
        )

    async def repeat(self, key: str, requester: Requester, mode: RepeatMode = RepeatMode.ONE) -> Checked:
        """Check a repetition of the user's own run with new seeds."""
        parent = await self._runs.own_run(key, requester, _only_requester_repeats)
        if parent.erased_at is not None:
            # Without the erased inputs, the defaults would make, and charge, another picture.
            raise RefusedError("run_erased")
        deployment = current_deployment(self._catalogue, parent)
        seeds = {item.key: self.draw_seed(item) for item in deployment.offered if item.is_seed}
        revision = revise(deployment, {**parent.inputs, **seeds}, parent.gpu, {}, self.draw_seed)
        drawn = frozenset(item.key for item in deployment.inputs if varies_in_batch(item))
        inputs = replace(revision.inputs, drawn=drawn)
        count = repeat_count(deployment, mode, parent.count)
        return await self.check(
            deployment,
            inputs,
            requester,
            press=press_id(f"repeat {mode.name}", key),
            parent_key=parent.key,
            count=count,
            dropped=revision.dropped,
        )

    async def check(
        self,
        deployment: Deployment,
        inputs: CollectedInputs,
        requester: Requester,
        *,
        press: str | None = None,
        parent_key: str | None = None,
        made_by: str | None = None,
        count: int = 1,
        private: bool = False,
        default: DefaultTexts | None = None,
        dropped: Sequence[str] = (),
    ) -> Checked:
        """Check a request's words, the rules and budgets, and its files.

        `press` is the `press_id` of what the user pressed, or None for a slash command. A second press within
        seconds raises PressedTwice.

        A request made from a private result is private, too. `made_by` is the key of the run that made the
        picture or file that the request starts from.
        """
        with self._metrics.request(deployment.name):
            requester = replace(requester, press=Press(press, self._clock()) if press is not None else None)
            texts = free_texts(deployment, inputs.inputs)
            private = private or await self._is_private(parent_key)
            await self._check_words(requester, deployment.name, texts, default)
            sources = file_sources(inputs.inputs, parent_key, made_by)
            marks = await self._age_marks.of_files(sources, requester)
            await self._checks.check_files(inputs.inputs)
            request = GenerationRequest(
                key=new_key(self._random),
                requester_id=requester.person.id,
                origin=requester.origin,
                deployment=deployment.name,
                deployment_id=deployment.deployment_id,
                inputs=inputs.inputs,
                gpu=inputs.gpu,
                expected_gpu=deployment.expected_gpu(inputs.gpu),
                offers_gpus=bool(deployment.gpus),
                seed=inputs.seed,
                prompt=inputs.prompt,
                parent_key=parent_key,
                default_preset=default.name if default is not None else None,
                age_restricted=marks.restricted or deployment.age_restricted,
                file_deployments=marks.deployments,
                # Nobody else sees direct messages anyway.
                private=private and not requester.origin.is_direct_message,
                deadline_seconds=self._deadline_seconds,
            )
            seeded = batch_inputs(deployment, inputs, count, self.draw_seed)
            batch = batch_requests(request, seeded, self._random)
            in_review = await self._check_rules(batch, requester)
            # After the rules, because these files may have to be downloaded.
            await self._files.check(deployment, inputs)
        only_requester = in_review or request.private
        return Checked(batch=batch, requester=requester, only_requester=only_requester, dropped=dropped)

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

    async def check_before_texts(self, deployment: Deployment, parent: Run, requester: Requester) -> None:
        """Raise RefusedError if an edited run would be refused whatever its texts are.

        Called before the texts are downloaded. Like the refusal of a request, this one is recorded in the
        audit log.
        """
        marks = await self._age_marks.of_files(file_sources(parent.inputs, parent.key), requester)
        request = GenerationRequest(
            key=new_key(self._random),
            requester_id=requester.person.id,
            origin=requester.origin,
            deployment=deployment.name,
            deployment_id=deployment.deployment_id,
            inputs={},
            age_restricted=marks.restricted or deployment.age_restricted,
            private=parent.private and not requester.origin.is_direct_message,
        )
        try:
            await self._checks.check_rules(
                deployment, requester, age_restricted=request.age_restricted, private=request.private
            )
        except RefusedError as refused:
            await self._store.requests.record_refusal(request, refused.code, self._clock())
            raise

    def draw_seed(self, item: Input) -> int:
        """Draw a seed within the input's range."""
        return self._random.randint(*seed_range(item))

    async def _is_private(self, key: str | None) -> bool:
        run = await self._store.runs.get(key) if key is not None else None
        return run is not None and run.private


def current_deployment(catalogue: Catalogue, run: Run) -> Deployment:
    """Return an earlier run's deployment, even if it has been renamed. Raises InputError if it is gone."""
    return deployment_of(run, catalogue.all()) or catalogue.require(run.deployment)


def _only_requester_repeats(run: Run) -> RefusedError:
    """Return the refusal for other members, who can edit the run unless its inputs were erased."""
    if run.erased_at is not None:
        return RefusedError("run_erased")
    return RefusedError("again_not_yours", person=run.requester_id)
