"""Read and change the rules of a server for `/settings`. Callers check the member's permission."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bot.deployments.catalogue import Catalogue
from bot.domain.errors import InputError, InputErrors, RefusedError
from bot.domain.settings.fields import (
    Change,
    FormBox,
    Key,
    apply_form,
    form_of,
    key_of,
    refilled,
    without_missing,
)
from bot.domain.settings.kinds import Section
from bot.domain.settings.rules_and_defaults import ServerRules
from bot.domain.settings.values import SettingsContext
from bot.outside import Outside
from bot.services.form_drafts import FormDrafts
from bot.services.words.filter import AutomodCache
from bot.store.presets import PresetStore
from bot.store.rules import RuleStore

# Discord expects an answer within 3 s, so the panel waits no longer than this for AutoMod's rules.
_AUTOMOD_SECONDS = 1.0
Submitted = Mapping[str, Sequence[str]]
"""The values of a form's boxes, by their custom_ids."""


@dataclass(frozen=True, slots=True)
class EditResult:
    """What a form changed, and what it was refused. `draft` names its stored texts, to open it again."""

    changes: Sequence[Change] | None = None
    error: InputError | None = None
    draft: str = ""


class ServerSettingsService:
    """Reads and changes a server's rules. Methods raise StoreUnavailable if the database is unreachable.

    `context` has what the gateway knows about the server, without deployments and GPUs.
    """

    def __init__(
        self,
        rule_store: RuleStore,
        preset_store: PresetStore,
        catalogue: Catalogue,
        outside: Outside,
        automod: AutomodCache | None = None,
    ) -> None:
        self._rules = rule_store
        self._presets = preset_store
        self._catalogue = catalogue
        self._clock = outside.now
        self._automod = automod
        self._drafts = FormDrafts[Submitted](outside.random)

    async def read(self, guild_id: int, context: SettingsContext) -> tuple[ServerRules, SettingsContext]:
        """Return the rules with what the panel shows of presets and AutoMod."""
        rules, unreadable = await self._rules.read(guild_id)
        presets = {d.channel_id: d.preset.name for d in await self._presets.channel_defaults(guild_id)}
        context = replace(self._offering(context), unreadable=unreadable, default_presets=presets)
        if rules.words.automod is False or self._automod is None or not context.manages_server:
            return rules, context
        try:
            async with asyncio.timeout(_AUTOMOD_SECONDS):
                known = await self._automod.automod_rules(guild_id)
        except TimeoutError:  # the cache continues reading, so the next panel has the rules
            return rules, context
        except RefusedError:
            return rules, replace(context, automod_away=True)
        return rules, replace(context, automod_unread=known.not_applied)

    async def word_list(self, guild_id: int) -> str:
        """Return the server's own list, one word per line."""
        return "\n".join((await self._rules.get(guild_id)).words.blocked)

    async def form(
        self,
        guild_id: int,
        context: SettingsContext,
        user_id: int,
        section: Section,
        token: str,
        draft: str = "",
    ) -> tuple[Key, Sequence[FormBox]]:
        """Return a form's key and boxes. Without a draft, as after a restart, it shows the stored rules.

        Raises RefusedError if its role, GPU or deployment doesn't exist.
        """
        context = self._offering(context)
        key = key_of(section, token, context)
        boxes = form_of(section, key, await self._rules.get(guild_id), context)
        typed = self._drafts.get(draft, user_id) or {}
        return key, [refilled(box, typed, context) for box in boxes]

    async def submit(
        self,
        guild_id: int,
        context: SettingsContext,
        user_id: int,
        section: Section,
        token: str,
        submitted: Submitted,
    ) -> EditResult:
        """Change the rules with a form, except for what somebody else has changed since it was opened.

        Raises RefusedError for a form that doesn't exist. Other refusals are part of the result.
        """
        context = self._offering(context)
        key = key_of(section, token, context)
        stale: list[InputError] = []

        def edit(rules: ServerRules) -> ServerRules:
            after, stale[:] = apply_form(section, key, submitted, rules, context)
            return after

        try:
            changes = await self._rules.change(guild_id, user_id, edit, self._clock(), context)
        except InputError as error:
            return EditResult(error=error, draft=self._drafts.keep(user_id, submitted))
        if not stale:
            return EditResult(changes)
        return EditResult(changes, InputErrors(stale), self._drafts.keep(user_id, submitted))

    async def tidy(self, guild_id: int, context: SettingsContext, user_id: int) -> Sequence[Change]:
        """Remove what doesn't exist any more from the rules."""
        context = self._offering(context)
        return await self._rules.change(
            guild_id, user_id, lambda rules: without_missing(rules, context), self._clock(), context
        )

    def _offering(self, context: SettingsContext) -> SettingsContext:
        """Add what is offered now."""
        deployments = self._catalogue.all()
        unknown = [deployment for deployment in deployments if deployment.expected_gpu(None) is None]
        return replace(
            context,
            deployments={deployment.name: deployment.title for deployment in deployments},
            gpus=tuple(dict.fromkeys(gpu for each in deployments for gpu in each.usable_gpus)),
            gpu_unknown=tuple(deployment.title for deployment in unknown if deployment.gpus),
            gpu_not_offered=tuple(deployment.title for deployment in unknown if not deployment.gpus),
        )
