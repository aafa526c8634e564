"""Start and repeat runs for commands and buttons."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
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
from bot.domain.errors import RefusedError, StoreUnavailable
from bot.domain.requests import (
    GenerationRequest,
    Press,
    Release,
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
from bot.services.runs import ANSWER_HOLD, RunService
from bot.services.words.filter import DefaultTexts
from bot.store import Store
from bot.workers.worker import Wakeups

log = logging.getLogger(__name__)
# (requester, deployment name, texts by option name, those of the channel's default); raises RefusedError if
# the server forbids a text.
CheckWords = Callable[[Requester, str, Mapping[str, str], DefaultTexts | None], Awaitable[None]]


class GenerationService:
    """Starts and repeats runs.

    Methods raise InputError, RefusedError or, if the database is unreachable, StoreUnavailable. Nothing is
    spent in these cases, except that the run may still start after a RequestUnknown.
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
    ) -> Run:
        """Start a batch of runs of a deployment with the options of `/generate`, and return the first run.

        `default` is the channel's default preset, if `options` include its values.
        """
        deployment = self._catalogue.require(name)
        count = check_count(deployment, options.get(COUNT))
        typed = {option: value for option, value in options.items() if option not in (COUNT, PRIVATE)}
        inputs = collect(deployment, typed, draw_seed=self.draw_seed)
        return await self.submit(
            deployment,
            inputs,
            requester,
            count=count,
            private=bool(options.get(PRIVATE)),
            default=default,
        )

    async def repeat(
        self, key: str, requester: Requester, mode: RepeatMode = RepeatMode.ONE
    ) -> tuple[Run, tuple[str, ...]]:
        """Repeat the user's own run with new seeds.

        Returns the first new run, and the options whose earlier values its deployment no longer accepts.
        """
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
        run = await self.submit(
            deployment,
            inputs,
            requester,
            press=press_id(f"repeat {mode.name}", key),
            parent_key=parent.key,
            count=count,
        )
        return run, revision.dropped

    async def submit(
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
    ) -> Run:
        """Check a request's words, its files and the policy, store it, and return the first run of its
        batch.

        `press` is the `press_id` of what the user pressed, or None for a slash command. A second press within
        seconds raises PressedTwice.

        A request made from a private result is private, too. `made_by` is the key of the run that made the
        picture or file that the request starts from.
        """
        requester = replace(requester, press=Press(press, self._clock()) if press is not None else None)
        with self._metrics.request(deployment.name):
            return await self._accept(
                deployment,
                inputs,
                requester,
                count=count,
                parent_key=parent_key,
                private=private or await self._is_private(parent_key),
                default=default,
                made_by=made_by,
            )

    async def _accept(
        self,
        deployment: Deployment,
        inputs: CollectedInputs,
        requester: Requester,
        *,
        count: int,
        parent_key: str | None,
        private: bool,
        default: DefaultTexts | None,
        made_by: str | None,
    ) -> Run:
        await self._check_words(requester, deployment.name, free_texts(deployment, inputs.inputs), default)
        marks = await self._age_marks.of_files(file_sources(inputs.inputs, parent_key, made_by), requester)
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
        await self._check_files(deployment, inputs, request, requester)
        seeded = batch_inputs(deployment, inputs, count, self.draw_seed)
        batch = batch_requests(request, seeded, self._random)
        with run_context(batch[0].key):
            run = await self._store.requests.accept(batch, requester, self._clock(), ANSWER_HOLD)
            size = f", a batch of {len(batch)}" if len(batch) > 1 else ""
            log.info("accepted a request of user %s in channel %s%s", run.requester_id, run.channel_id, size)
            return run

    async def _check_files(
        self,
        deployment: Deployment,
        inputs: CollectedInputs,
        request: GenerationRequest,
        requester: Requester,
    ) -> None:
        """Raise WrongFiles if files are of the wrong kind, and RefusedError if one is of a deleted result.

        If files have to be downloaded for this, the rules that don't depend on them are checked first. Their
        RefusedError is recorded in the audit log.
        """
        await self._checks.check_files(inputs.inputs)
        if self._files.must_read(deployment, inputs):
            await self._check_rules(deployment, request, requester)
            await self._files.check(deployment, inputs)

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
        await self._check_rules(deployment, request, requester)

    async def _check_rules(
        self, deployment: Deployment, request: GenerationRequest, requester: Requester
    ) -> None:
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

    async def confirm_answer(self, key: str, status_message_id: int) -> Release:
        """Allow the queue call, because the requester sees the status message.

        Returns what to do with the message. If the database is unavailable, it stays, and
        `bot.workers.answers` allows the call later.
        """
        with run_context(key):
            try:
                released = await self._store.answers.release(key, status_message_id, self._clock())
            except StoreUnavailable as error:
                log.warning("can't store the answer to a request, so Discord is asked later: %s", error)
                return Release.KEPT
            self._wakeups.submit()
            self._wakeups.show()
            return released

    async def cancel_unanswered(self, key: str) -> None:
        """Withdraw a request whose status message Discord refused. Its requester saw a failure.

        If the database is unavailable, `bot.workers.answers` does this later.
        """
        with run_context(key):
            try:
                if not await self._store.answers.withdraw(key):
                    log.warning("can't withdraw a request whose answer failed: it was shown or has ended")
            except StoreUnavailable as error:
                log.warning("can't withdraw a request, so Discord is asked later: %s", error)


def current_deployment(catalogue: Catalogue, run: Run) -> Deployment:
    """Return an earlier run's deployment, even if it has been renamed. Raises InputError if it is gone."""
    return deployment_of(run, catalogue.all()) or catalogue.require(run.deployment)


def _only_requester_repeats(run: Run) -> RefusedError:
    """Return the refusal for other members, who can edit the run unless its inputs were erased."""
    if run.erased_at is not None:
        return RefusedError("run_erased")
    return RefusedError("again_not_yours", person=run.requester_id)
