"""Read and change the rules of a server for `/settings`. Callers check the member's permission."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol

from bot.deployments.catalogue import Catalogue
from bot.domain.errors import InputError, RefusedError
from bot.domain.presets import ChannelDefault
from bot.domain.settings.fields import FIELDS, Kind, Section, SettingControl, change, resolve
from bot.domain.settings.forms import form_of
from bot.domain.settings.rules_and_defaults import ServerRules
from bot.domain.settings.values import (
    DefaultPreset,
    ReviewChannel,
    SettingsContext,
    known_ids,
    known_names,
)
from bot.outside import Outside
from bot.services.form_drafts import FormDrafts
from bot.services.words.filter import AutomodCache
from bot.store.presets import PresetStore
from bot.store.rules import RuleStore

# Discord expects an answer within 3 s, so the panel waits no longer than this for AutoMod's rules.
_AUTOMOD_SECONDS = 1.0
Describe = Callable[..., Sequence[Sequence[str]]]  # see bot.ui.settings.changes


class Server(Protocol):
    """A server as the gateway caches it."""

    @property
    def id(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def role_ids(self) -> frozenset[int]: ...
    @property
    def channel_ids(self) -> frozenset[int]: ...
    @property
    def all_channel_ids(self) -> frozenset[int]: ...
    @property
    def manages_server(self) -> bool: ...
    def role_name(self, role_id: int) -> str: ...
    def channel_name(self, channel_id: int) -> str: ...
    def review(self, rules: ServerRules) -> ReviewChannel | None: ...
    def gallery_lacks(self, rules: ServerRules) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True)
class CurrentSettings:
    """A server's rules, and the context that is needed to show them."""

    rules: ServerRules
    context: SettingsContext


@dataclass(frozen=True, slots=True)
class FormContent:
    """The content of a form. `about` names its role or GPU; `form_values` are the texts of a refused form."""

    control: SettingControl
    rules: ServerRules
    about: str
    form_values: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class EditResult:
    """The rules before and after an edit, or the error that refused it.

    `draft` names the stored texts of a refused form, so that it can be reopened with them.
    """

    before: ServerRules = field(default_factory=ServerRules)
    after: ServerRules = field(default_factory=ServerRules)
    error: InputError | RefusedError | None = None
    draft: str | None = None


class ServerSettingsService:
    """Reads and changes a server's rules. Methods raise StoreUnavailable if the database is unreachable."""

    def __init__(
        self,
        rule_store: RuleStore,
        preset_store: PresetStore,
        catalogue: Catalogue,
        outside: Outside,
        describe: Describe,
        automod: AutomodCache | None = None,
    ) -> None:
        self._rules = rule_store
        self._presets = preset_store
        self._catalogue = catalogue
        self._clock = outside.now
        self._describe = describe
        self._automod = automod
        self._drafts = FormDrafts[Sequence[str]](outside.random)

    async def read(self, server: Server, section: Section) -> CurrentSettings:
        """Return the rules with everything else that a section of the panel shows."""
        rules, unreadable = await self._rules.read(server.id)
        context = replace(
            self._context(server),
            unreadable=unreadable,
            review=server.review(rules),
            gallery_lacks=server.gallery_lacks(rules),
        )
        if section in (Section.HOME, Section.WORDS) and rules.words.automod is not False:
            context = await self._with_automod(server, context)
        if section is Section.RESULTS:
            defaults = await self._presets.channel_defaults(server.id)
            there = [each for each in defaults if each.channel_id in server.all_channel_ids]
            context = replace(context, default_presets=tuple(map(_listed_default, there)))
        return CurrentSettings(rules, context)

    async def word_list(self, server: Server) -> str:
        """Return the server's own list, one word per line."""
        return "\n".join((await self._rules.get(server.id)).words.blocked)

    async def edit(
        self, server: Server, user_id: int, control: SettingControl, values: Sequence[str]
    ) -> EditResult:
        """Change the rules with a button or select.

        Raises RefusedError for a control that doesn't exist. Other refusals are part of the result.
        """
        try:
            return await self._apply(server, user_id, control, values)
        except (InputError, RefusedError) as error:
            if error.code == "settings_stale":
                raise
            return EditResult(error=error)

    async def form(
        self, server: Server, user_id: int, control: SettingControl, draft: str = ""
    ) -> FormContent:
        """Return a form's content. If there is no draft, as after a restart, the form shows the stored rules.

        Raises RefusedError if the form, its role or its GPU doesn't exist.
        """
        form_of(control.key)
        context = self._context(server)
        control = resolve(control, context)
        about = _about(server, control, context)
        rules = await self._rules.get(server.id)
        return FormContent(control, rules, about, self._drafts.get(draft, user_id))

    async def submit(
        self, server: Server, user_id: int, control: SettingControl, form_values: Sequence[str], stamp: str
    ) -> EditResult:
        """Change the rules with a form, but not if the stored values have changed since `stamp` was made.

        Raises RefusedError for a form that doesn't exist. Other refusals are part of the result.
        """
        if len(form_of(control.key).boxes) != len(form_values):
            raise RefusedError("settings_stale")
        try:
            return await self._apply(server, user_id, control, form_values, stamp)
        except (InputError, RefusedError) as error:
            return EditResult(error=error, draft=self._drafts.keep(user_id, form_values))

    async def _apply(
        self,
        server: Server,
        user_id: int,
        control: SettingControl,
        values: Sequence[str],
        stamp: str | None = None,
    ) -> EditResult:
        context = self._context(server)
        control = resolve(control, context)
        before = ServerRules()

        def edit(rules: ServerRules) -> ServerRules:
            nonlocal before
            before = rules
            if stamp is not None and stamp != form_of(control.key).stamp(rules, control.arg):
                raise RefusedError("settings_changed_meanwhile")
            return change(rules, control.key, control.arg, values, context)

        describe = partial(self._describe, server=server, title=self._catalogue.title)
        after = await self._rules.change(server.id, user_id, edit, self._clock(), describe)
        return EditResult(before, after)

    def _context(self, server: Server) -> SettingsContext:
        deployments = self._catalogue.all()
        gpus = dict.fromkeys(gpu for deployment in deployments for gpu in deployment.usable_gpus)
        unknown = [deployment for deployment in deployments if deployment.expected_gpu(None) is None]
        return SettingsContext(
            server=server.name,
            role_ids=server.role_ids,
            channel_ids=server.channel_ids,
            deployments={deployment.name: deployment.title for deployment in deployments},
            gpus=tuple(gpus),
            gpu_unknown=tuple(deployment.title for deployment in unknown if deployment.gpus),
            gpu_not_offered=tuple(deployment.title for deployment in unknown if not deployment.gpus),
            manages_server=server.manages_server,
        )

    async def _with_automod(self, server: Server, context: SettingsContext) -> SettingsContext:
        if self._automod is None or not context.manages_server:
            return context
        try:
            async with asyncio.timeout(_AUTOMOD_SECONDS):
                known = await self._automod.automod_rules(server.id)
        except TimeoutError:  # the cache continues reading, so the next panel has the rules
            return context
        except RefusedError:
            return replace(context, automod_away=True)
        return replace(context, automod_unread=known.not_applied)


def _listed_default(default: ChannelDefault) -> DefaultPreset:
    return DefaultPreset(
        channel_id=default.channel_id,
        name=default.preset.name,
        deployment=default.preset.deployment,
        set_at=default.set_at,
        set_by=default.set_by,
    )


def _about(server: Server, control: SettingControl, context: SettingsContext) -> str:
    """Return the name of the role or GPU that a form is about. Raises RefusedError if it doesn't exist."""
    row = FIELDS.get(control.key)
    if row is not None and row.per_role:
        (role,) = known_ids([control.arg], context.role_ids, "settings_role_unknown")
        return server.role_name(role)
    if row is not None and row.kind is Kind.NUMBER_BY_NAME:
        known_names([control.arg], context.offered(row.names), row.names)
    return control.arg
