"""Refuse requests before a form opens or files are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from bot.deployments.model import Deployment
from bot.domain.access import OperatorRules
from bot.domain.errors import RefusedError
from bot.domain.policy import Start, check_before_form
from bot.domain.requests import ChannelState, Requester
from bot.domain.runs import InputValue
from bot.domain.text.file_names import keys_in_links
from bot.store import Store


class EarlyChecks:
    """Refuses requests for reasons that are known before all their inputs are.

    The whole request is judged later, when it is accepted. Methods raise StoreUnavailable if the database is
    unreachable.
    """

    def __init__(self, store: Store, operator: OperatorRules, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._operator = operator
        self._clock = clock

    async def check_rules(
        self,
        deployment: Deployment | None,
        requester: Requester,
        *,
        age_restricted: bool = False,
        private: bool = False,
    ) -> None:
        """Raise RefusedError if the user's request would be refused whatever its inputs are.

        `deployment` is None if the user is still to choose one. `age_restricted` and `private` describe the
        result that the request starts from.
        """
        origin, person = requester.origin, requester.person
        start = Start(
            guild_id=origin.guild_id,
            user_install=origin.user_install,
            deployment=deployment.name if deployment is not None else "",
            gpu=None,
            age_restricted=age_restricted or (deployment is not None and deployment.age_restricted),
            person=person,
            private=private and not origin.is_direct_message,
            channel=ChannelState(age_restricted=origin.age_restricted),
        )
        rules = await self._store.rules.get(origin.guild_id)
        usage = await self._store.usage.today(origin.guild_id, person.id, self._clock())
        check_before_form(start, usage, self._operator, rules)

    async def deleted_files(self, inputs: Mapping[str, InputValue]) -> frozenset[str]:
        """Return the keys of those inputs that take a file of a deleted result."""
        made_by = {key: keys_in_links([value]) for key, value in inputs.items()}
        deleted = await self._store.runs.deleted(frozenset[str]().union(*made_by.values()))
        return frozenset(key for key, runs in made_by.items() if runs & deleted)

    async def check_files(self, inputs: Mapping[str, InputValue]) -> None:
        """Raise RefusedError if an input takes a file of a deleted result."""
        if await self.deleted_files(inputs):
            raise RefusedError("parent_deleted")
