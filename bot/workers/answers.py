"""Ask Discord whether the interactions of unreleased requests were answered.

A request is released once Discord has accepted its answer. The release fails if the process dies first, if
the database is unreachable at that moment, or if Discord's reply is lost. The request then waits until
Discord has been asked.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import datetime

from bot.domain.requests import Answer, AnswerState, Release
from bot.domain.runs import Run
from bot.store import Store
from bot.workers.worker import Wakeups

log = logging.getLogger(__name__)
# (first run of a batch, token of its interaction)
ReadAnswer = Callable[[Run, str], Awaitable[Answer]]
REFUSAL = "answer_lost"


class AnswerChecker:
    """Releases, withdraws or refuses requests, depending on what Discord showed their requesters."""

    def __init__(
        self, store: Store, read_answer: ReadAnswer, wakeups: Wakeups, clock: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._read_answer = read_answer
        self._wakeups = wakeups
        self._clock = clock

    async def claim(self) -> Run | None:
        """Claim the first run of a batch whose interaction may not have been answered, or return None."""
        return await self._store.answers.claim(self._clock())

    async def check(self, run: Run) -> None:
        """Release, withdraw or refuse a claimed request.

        If Discord doesn't answer, the request stays as it is and is claimed again later.
        """
        token = run.interaction_token_at(self._clock())
        if token is None:
            await self._refuse(run)
            return
        answer = await self._read_answer(run, token)
        if answer.state is AnswerState.SHOWN:
            await self._release(run, answer.message_id)
        elif answer.state is AnswerState.MISSING:
            await self._withdraw(run)
        elif answer.state is not AnswerState.UNKNOWN:
            await self._refuse(run)

    async def _release(self, run: Run, message_id: int | None) -> None:
        if await self._store.answers.release(run.key, message_id, self._clock()) is Release.KEPT:
            log.info("released a request, because Discord has its answer")
            self._wakeups.submit()
            self._wakeups.show()

    async def _withdraw(self, run: Run) -> None:
        if await self._store.answers.withdraw(run.key):
            log.warning("dropped a request, because its interaction was never answered")
            self._wakeups.submit()

    async def _refuse(self, run: Run) -> None:
        if await self._store.answers.refuse(run.key, REFUSAL, self._clock()):
            log.warning("refused a request, because its requester was not told that it starts")
            self._wakeups.show()
            self._wakeups.submit()
