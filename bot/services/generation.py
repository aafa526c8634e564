"""The one service behind every way to ask for something: commands and buttons. Knows no Discord."""

from __future__ import annotations

import logging
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from bot.config.logs import run_context
from bot.deployments.catalogue import Catalogue
from bot.deployments.command_plan import CommandPlan
from bot.deployments.input_text import free_texts
from bot.deployments.inputs import (
    CollectedInputs,
    RawValue,
    RepeatMode,
    batch_inputs,
    check_count,
    collect,
    repeat_count,
    seed_range,
)
from bot.deployments.model import Deployment, Input, deployment_of, varies_in_batch
from bot.deployments.options import COUNT, OptionChoice, autocomplete
from bot.deployments.revision import revise
from bot.domain.budgets import Usage
from bot.domain.errors import InputError, RefusedError
from bot.domain.policy import Allowed, Decision, OperatorRules, Refused, check_age, check_posting, decide
from bot.domain.records import QUEUE_SHOWN, RUNS_SHOWN
from bot.domain.requests import GenerationRequest, Member, Requester, batch_requests
from bot.domain.rules import ServerRules
from bot.domain.runs import Direction, HistoryPage, Run, RunsPage
from bot.metrics import Metrics
from bot.services.runs import ANSWER_HOLD, _elsewhere
from bot.store import Store
from bot.ui.components import OutgoingMessage
from bot.ui.status import batch_status_message, status_message
from bot.workers.worker import Wakeups

log = logging.getLogger(__name__)
# Raises RefusedError where the server's word rules forbid one of the texts that a deployment is given, by
# option name.
CheckWords = Callable[[Requester, str, Mapping[str, str]], Awaitable[None]]


class GenerationService:
    """Takes requests, cancellations and repeats; everything is answered from memory and the store."""

    def __init__(
        self,
        *,
        catalogue: Catalogue,
        intake: Intake,
        store: Store,
        wakeups: Wakeups,
        check_words: CheckWords,
        metrics: Metrics,
        clock: Callable[[], datetime],
        deadline_seconds: int,
    ) -> None:
        self._catalogue = catalogue
        self._intake = intake
        self._store = store
        self._nudges = wakeups
        self._check_words = check_words
        self._metrics = metrics
        self._clock = clock
        self._deadline_seconds = deadline_seconds

    @property
    def plan(self) -> CommandPlan:
        """The slash command as the deployments make it."""
        return self._catalogue.plan

    @property
    def deployments(self) -> Sequence[Deployment]:
        """All that is on offer."""
        return self._catalogue.all()

    def now(self) -> datetime:
        return self._clock()

    def title(self, deployment: str) -> str:
        """How a deployment is called in messages, also one that is gone."""
        return self._catalogue.title(deployment)

    async def generate(self, deployment: str, given: Mapping[str, RawValue], requester: Requester) -> Run:
        """A request by what was typed. Raises InputError, RefusedError or StoreUnavailable: nothing spent."""
        offered = self.offered(deployment)
        count = check_count(offered, given.get(COUNT))
        inputs = {name: value for name, value in given.items() if name != COUNT}
        return await self.start(
            offered, collect(offered, inputs, draw_seed=draw_seed), requester, count=count
        )

    async def again(
        self, key: str, requester: Requester, repeat: RepeatMode = RepeatMode.ONE
    ) -> tuple[Run, tuple[str, ...]]:
        """The same once more, with new seeds, for the person who asked first.

        Also the options that were left out because the deployment no longer takes them.
        """
        parent = await self._own(key, requester.person.id)
        if not parent.inputs:
            # Its owner had it erased: on defaults alone it would be another picture, and cost as much.
            raise RefusedError("run_gone")
        offered = self.deployment_of(parent) or self.offered(parent.deployment)
        seeds = {item.key: draw_seed(item) for item in offered.offered if item.is_seed}
        result = revise(offered, {**parent.inputs, **seeds}, parent.gpu, {}, draw_seed)
        drawn = frozenset(item.key for item in offered.inputs if varies_in_batch(item))
        wanted = replace(result.inputs, drawn=drawn)
        count = repeat_count(offered, repeat, parent.batch_size)
        run = await self.start(offered, wanted, requester, parent_key=parent.key, count=count)
        return run, result.dropped

    async def start(
        self,
        offered: Deployment,
        wanted: CollectedInputs,
        requester: Requester,
        *,
        parent_key: str | None = None,
        count: int = 1,
    ) -> Run:
        """Every way to a run ends here: the word rules and the policy are asked.

        Of several, the first is returned.
        """
        with self._metrics.request(offered.name):
            return await self._start(offered, wanted, requester, parent_key, count)

    async def _start(
        self,
        offered: Deployment,
        wanted: CollectedInputs,
        requester: Requester,
        parent_key: str | None,
        count: int,
    ) -> Run:
        await self._check_words(requester, offered.name, free_texts(offered, wanted.inputs))
        request = GenerationRequest(
            requester_id=requester.person.id,
            origin=requester.origin,
            deployment=offered.name,
            deployment_id=offered.deployment_id,
            inputs=wanted.inputs,
            gpu=wanted.gpu,
            seed=wanted.seed,
            prompt=wanted.prompt,
            parent_key=parent_key,
            age_restricted=offered.age_restricted,
            deadline_seconds=self._deadline_seconds,
        )
        return await self._accept(
            requester, batch_requests(request, batch_inputs(offered, wanted, count, draw_seed))
        )

    async def cancel(self, key: str, user_id: int, *, moderated: int | None = None) -> None:
        """Raises RefusedError when there is nothing to cancel, or for a stranger.

        `moderated`: the channel this is asked in, where the person may manage messages in it.
        """
        run = await self._own(key, user_id, moderated=moderated)
        before = await self._store.runs.request_cancel(run.lead_key, self._clock(), by=user_id)
        if before.final:
            raise RefusedError("cancel_too_late")
        self._nudges.check()
        self._nudges.deliver()
        self._nudges.show()
        self._nudges.submit()

    async def history(self, requester_id: int, place: RunsPage) -> HistoryPage:
        """A page of a person's own runs, newest first."""
        store, limit, cursor = self._store.history, RUNS_SHOWN, place.cursor
        if place.step is Direction.NEWER and cursor is not None:
            return await store.page_after(requester_id, limit=limit, wanted=place.wanted, after=cursor)
        return await store.page(requester_id, limit=limit, wanted=place.wanted, before=cursor)

    async def queue(self, guild_id: int, page: int) -> tuple[Sequence[Run], bool]:
        """What a server has running and waiting: one page, counted from 0, and whether there are more."""
        found = await self._store.history.server_queue(
            guild_id, limit=QUEUE_SHOWN + 1, offset=page * QUEUE_SHOWN
        )
        return found[:QUEUE_SHOWN], len(found) > QUEUE_SHOWN

    async def redeliver(self, key: str, requester: Requester) -> None:
        """A result that found no way is owed again, here. Raises RefusedError when there is none.

        Only on its own server: another's moderators have agreed to nothing, and would see it all the same.
        """
        run = await self._own(key, requester.person.id)
        if run.guild_id != requester.origin.guild_id:
            raise _elsewhere(run)
        await self._intake.check_posting(requester)
        offered = self._catalogue.get(run.deployment)
        marked = run.age_restricted or (offered is not None and offered.age_restricted)
        check_age(requester.origin, restricted=marked)
        # Through an interaction it is posted by editing the answer, which has to be there first.
        due_at = self._clock() + (ANSWER_HOLD if requester.origin.user_install else timedelta())
        if not await self._store.deliveries.redeliver(run.lead_key, requester.origin, due_at):
            raise RefusedError("post_nothing")
        self._nudges.deliver()

    async def posting(self, key: str, message_id: int | None) -> None:
        """The message is there that `redeliver` makes the result of, where nothing else reaches."""
        await self._store.deliveries.answered(key, message_id, self._clock())
        self._nudges.deliver()

    async def answered(self, key: str, status_message_id: int | None) -> None:
        """The requester sees the status message: the queue call may go out."""
        with run_context(key):
            await self._intake.answered(key, status_message_id)

    async def unanswered(self, key: str) -> None:
        """Discord did not take the answer: nothing is started."""
        with run_context(key):
            await self._intake.unanswered(key)

    def status(self, run: Run) -> OutgoingMessage:
        """The first answer: of several just taken in, all stand where the first does."""
        if run.batch_key is not None:
            return batch_status_message([run] * run.batch_size, self.title(run.deployment))
        return status_message(run, self.title(run.deployment))

    def suggestions(self, deployment: str, option: str, typed: str) -> Sequence[OptionChoice]:
        """For autocomplete, from memory."""
        found = self._catalogue.get(deployment)
        return autocomplete(found, option, typed) if found is not None else ()

    def deployment_of(self, run: Run) -> Deployment | None:
        """Also one that was given another name since."""
        return deployment_of(run, self.deployments)

    def offered(self, name: str) -> Deployment:
        """Raises InputError when it is gone."""
        found = self._catalogue.get(name)
        if found is None:
            raise InputError("deployment_gone")
        return found

    async def _own(self, key: str, user_id: int, *, moderated: int | None = None) -> Run:
        """A custom_id can be forged, but not the channel it is pressed in: the power over one, which anybody
        has in a server of their own, reaches no run of another."""
        run = await self._store.runs.get(key)
        if run is None:
            raise RefusedError("run_gone")
        if run.requester_id == user_id:
            return run
        if moderated is None:
            raise RefusedError("not_yours")
        if run.channel_id != moderated:
            raise RefusedError("run_gone")
        return run

    async def _accept(self, requester: Requester, requests: Sequence[GenerationRequest]) -> Run:
        with run_context(requests[0].key):
            return await self._intake.accept(requests, requester)


def draw_seed(item: Input) -> int:
    """A seed within the input's range."""
    return random.randint(*seed_range(item))


class Intake:
    """Everything before the queue call, which another process may make."""

    def __init__(
        self, store: Store, wakeups: Wakeups, rules: OperatorRules, clock: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._nudges = wakeups
        self._rules = rules
        self._clock = clock

    async def accept(self, requests: Sequence[GenerationRequest], requester: Requester) -> Run:
        """Stores the intent, of a batch (`batch_requests`) all or none; returns the first run.

        Raises RefusedError or StoreUnavailable; nothing has been spent then.
        """

        def judge(asked: GenerationRequest, person: Member, usage: Usage, rules: ServerRules) -> Decision:
            decision = decide(asked, person, usage, self._rules, rules)
            review = decision.review_channel_id if isinstance(decision, Allowed) else None
            if review is not None and not requester.can_post(review):
                return Refused(RefusedError("review_unreachable"))
            return decision

        request, *others = requests
        run = await self._store.intake.accept(
            request, requester.person, judge, self._clock(), ANSWER_HOLD, others=others
        )
        of_several = f", {len(requests)} at once" if others else ""
        log.info("accepted for %s in %s%s", request.requester_id, request.origin.channel_id, of_several)
        return run

    async def check_posting(self, requester: Requester) -> None:
        """Whether what was kept may be posted where the person is. Raises RefusedError, StoreUnavailable."""
        place = requester.origin
        usage = await self._store.intake.usage_of(place.guild_id, requester.person.id, self._clock())
        check_posting(place, usage, self._rules)

    async def answered(self, key: str, status_message_id: int | None) -> None:
        """The requester sees the status message: the queue call may go out."""
        await self._store.runs.release(key, status_message_id, self._clock())
        self._nudges.submit()
        self._nudges.deliver()

    async def unanswered(self, key: str) -> None:
        """Discord did not take the answer, so the requester saw a failure: nothing is started."""
        if not await self._store.runs.withdraw(key):
            log.warning("run %s had gone out before its answer failed; its result will be posted", key)
