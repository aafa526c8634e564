"""Find the rules that `/help` shows to a member."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from bot.deployments.catalogue import Catalogue
from bot.domain.requests import Requester
from bot.domain.rules_for_help import Standing
from bot.services.presets.inputs import has_gap
from bot.store import Store


class HelpService:
    """Reads the rules and today's usage. Methods raise StoreUnavailable if the database is unreachable."""

    def __init__(self, store: Store, catalogue: Catalogue, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._catalogue = catalogue
        self._clock = clock

    async def standing(self, requester: Requester) -> Standing:
        """Return what the rules of the channel's server mean for this user now."""
        origin = requester.origin
        rules = await self._store.rules.get(origin.guild_id)
        usage = await self._store.usage.today(origin.guild_id, requester.person.id, self._clock())
        default = await self._store.presets.channel_default(origin.guild_id, requester.channel_ids)
        deployment = self._catalogue.get(default.preset.deployment) if default is not None else None
        offered = self._catalogue.all()
        return Standing(
            person=requester.person,
            usage=usage,
            rules=rules,
            deployments=[each.name for each in offered],
            age_restricted=[each.name for each in offered if each.age_restricted],
            gpus=list(dict.fromkeys(gpu for each in offered for gpu in each.gpus if len(each.gpus) > 1)),
            in_server=origin.guild_id is not None,
            age_restricted_channel=origin.age_restricted,
            channel_default=default.preset if default is not None and deployment is not None else None,
            default_has_gap=default is not None
            and deployment is not None
            and has_gap(deployment, default.preset),
        )
