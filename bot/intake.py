"""Takes requests in: policy, the stored intent, and when its queue call may go out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from bot.domain.budgets import Usage
from bot.domain.errors import RefusedError
from bot.domain.policy import Allowed, Decision, OperatorRules, Refused, check_posting, decide
from bot.domain.requests import Asker, GenerationRequest, Person
from bot.domain.rules import ServerRules
from bot.domain.runs import Run
from bot.store import Store
from bot.workers.worker import Nudges

log = logging.getLogger(__name__)

# How long the queue call waits for the interaction's answer, should the process die in between.
ANSWER_HOLD = timedelta(seconds=5)


class Intake:
    """Everything before the queue call, which another process may make."""

    def __init__(
        self, store: Store, nudges: Nudges, rules: OperatorRules, clock: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._nudges = nudges
        self._rules = rules
        self._clock = clock

    async def accept(self, requests: Sequence[GenerationRequest], asker: Asker) -> Run:
        """Stores the intent, of several (`bot.domain.requests.several`) all or none; returns the first.

        Raises RefusedError or StoreUnavailable; nothing has been spent then.
        """

        def judge(asked: GenerationRequest, person: Person, usage: Usage, rules: ServerRules) -> Decision:
            decision = decide(asked, person, usage, self._rules, rules)
            review = decision.review_channel_id if isinstance(decision, Allowed) else None
            if review is not None and not asker.can_post(review):
                return Refused(RefusedError("review_unreachable"))
            return decision

        request, *others = requests
        run = await self._store.intake.accept(
            request, asker.person, judge, self._clock(), ANSWER_HOLD, others=others
        )
        of_several = f", {len(requests)} at once" if others else ""
        log.info("accepted for %s in %s%s", request.requester_id, request.origin.channel_id, of_several)
        return run

    async def check_posting(self, asker: Asker) -> None:
        """Whether what was kept may be posted where the person is. Raises RefusedError, StoreUnavailable."""
        place = asker.origin
        usage = await self._store.intake.usage_of(place.guild_id, asker.person.id, self._clock())
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
