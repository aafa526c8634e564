"""The service behind `/settings`: shows a server's rules and changes them. Whoever calls has checked that the
person may."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from discord.ui import LayoutView, Modal

from bot.deployments.catalogue import Catalogue
from bot.domain.errors import BotError, InputError, RefusedError
from bot.domain.rules import ServerRules
from bot.domain.settings_table import Section, SettingControl, change, form_of, named
from bot.domain.settings_values import ReviewChannel, SettingsContext, known_ids, known_names
from bot.domain.text import escape_line
from bot.services.editing import FormDrafts
from bot.services.word_filter import AutomodCache
from bot.store.rules import RuleStore
from bot.strings import say
from bot.ui.settings_panel import Panel, opened, panel_layout, settings_modal
from bot.ui.settings_text import describe_changes

# Discord wants an answer within 3 s; what AutoMod can't tell in time is left out of the panel.
_AUTOMOD_SECONDS = 1.0


class Server(Protocol):
    """What is known of the server without asking Discord."""

    @property
    def id(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def role_ids(self) -> frozenset[int]: ...
    @property
    def channel_ids(self) -> frozenset[int]: ...
    @property
    def manages_server(self) -> bool: ...
    def role_name(self, role_id: int) -> str: ...
    def review(self, rules: ServerRules) -> ReviewChannel | None: ...


@dataclass(frozen=True, slots=True)
class _Attempt:
    """An edit before it is tried; `stamp` tells what a form's values were when it was opened."""

    control: SettingControl
    values: Sequence[str]
    context: SettingsContext
    stamp: str | None = None

    def on(self, rules: ServerRules) -> ServerRules:
        """Raises InputError and RefusedError."""
        field, arg = self.control.field, self.control.arg
        if self.stamp is not None and self.stamp != form_of(field).stamp(rules, arg):
            raise RefusedError("settings_changed_meanwhile")
        return change(rules, field, arg, self.values, self.context)


class ServerSettingsService:
    """Every method raises StoreUnavailable when the database does not answer."""

    def __init__(
        self,
        rule_store: RuleStore,
        catalogue: Catalogue,
        clock: Callable[[], datetime],
        automod: AutomodCache | None = None,
    ) -> None:
        self._rules = rule_store
        self._catalogue = catalogue
        self._clock = clock
        self._automod = automod
        self._drafts = FormDrafts()

    async def show(self, server: Server, panel: Panel) -> LayoutView:
        """The panel as things are now."""
        rules, unreadable = await self._rules.read(server.id)
        context = replace(self._around(server), unreadable=unreadable)
        panel = replace(panel, turn=random.getrandbits(32))
        return panel_layout(panel, rules, await self._complete(server, rules, context, panel.section))

    async def word_list(self, server: Server) -> str:
        """The bot's own block list, a word a line."""
        return "\n".join((await self._rules.get(server.id)).words.blocked)

    async def choose(self, server: Server, control: SettingControl, value: str) -> LayoutView:
        """A section for one GPU or deployment."""
        return await self.show(server, Panel(control.section, (control.name, value)))

    async def edit(
        self, server: Server, user_id: int, control: SettingControl, values: Sequence[str]
    ) -> LayoutView:
        """A press or a choice that changes something; what refuses it is told in the panel."""
        context = self._around(server)
        control = _about(control, context)
        try:
            panel = await self._apply(server, user_id, _Attempt(control, values, context))
        except (InputError, RefusedError) as error:
            if error.code == "settings_stale":
                raise
            panel = Panel(_shown_after(control), _chosen(control), error=_told(error))
        return await self.show(server, panel)

    async def form(
        self, server: Server, control: SettingControl, typed: Sequence[str] | None = None
    ) -> Modal:
        """The form behind a control. Raises RefusedError where it is about something that is gone."""
        form_of(control.field)
        context = self._around(server)
        control = _about(control, context)
        about = control.arg
        if control.field == "budgets.role":
            (role,) = known_ids([control.arg], context.role_ids, "settings_role_unknown")
            about = server.role_name(role)
        elif control.field == "budgets.weight":
            known_names([control.arg], context.gpus, "settings_gpu_unknown")
        return settings_modal(control, await self._rules.get(server.id), about=about, typed=typed)

    async def form_again(self, server: Server, user_id: int, control: SettingControl) -> Modal:
        """The form that was refused, with what was typed; after a restart with what is stored."""
        draft, _, rest = control.arg.partition(":")
        name, _, arg = rest.partition(":")
        return await self.form(
            server, SettingControl(control.section, name, arg), self._drafts.get(draft, user_id)
        )

    async def sent(
        self, server: Server, user_id: int, control: SettingControl, typed: Sequence[str]
    ) -> LayoutView:
        """A form that was sent; what refuses it is told in the panel, with a button to go on."""
        stamp, arg = opened(control.arg)
        context = self._around(server)
        plain = SettingControl(control.section, control.name, arg)
        if len(form_of(plain.field).boxes) != len(typed):
            raise RefusedError("settings_stale")
        try:
            attempt = _Attempt(_about(plain, context), typed, context, stamp)
            panel = await self._apply(server, user_id, attempt)
        except (InputError, RefusedError) as error:
            draft = self._drafts.keep(user_id, typed)
            panel = Panel(control.section, error=_told(error), again=f"{draft}:{plain.name}:{arg}")
        return await self.show(server, panel)

    async def _apply(self, server: Server, user_id: int, attempt: _Attempt) -> Panel:
        befores: list[ServerRules] = []

        def edit(rules: ServerRules) -> ServerRules:
            befores.append(rules)
            return attempt.on(rules)

        control = attempt.control
        after = await self._rules.change(server.id, user_id, edit, self._clock(), control.field)
        saved = describe_changes(befores[-1], after, attempt.context)
        return Panel(_shown_after(control), _chosen(control), saved=saved)

    def _around(self, server: Server) -> SettingsContext:
        deployments = self._catalogue.all()
        gpus = dict.fromkeys(gpu for deployment in deployments for gpu in deployment.gpus)
        return SettingsContext(
            server=server.name,
            role_ids=server.role_ids,
            channel_ids=server.channel_ids,
            deployments={deployment.name: deployment.title for deployment in deployments},
            gpus=tuple(gpus),
            manages_server=server.manages_server,
        )

    async def _complete(
        self, server: Server, rules: ServerRules, context: SettingsContext, section: Section
    ) -> SettingsContext:
        context = replace(context, review=server.review(rules))
        shown = (
            section in (Section.HOME, Section.WORDS)
            and rules.words.automod is not False
            and context.manages_server
        )
        if not shown or self._automod is None:
            return context
        try:
            async with asyncio.timeout(_AUTOMOD_SECONDS):
                known = await self._automod.automod_rules(server.id)
        except TimeoutError:  # the read goes on; the next look has it
            return context
        except RefusedError:
            return replace(context, automod_away=True)
        return replace(context, automod_unread=known.not_applied)


def _about(control: SettingControl, context: SettingsContext) -> SettingControl:
    """With the name of a GPU or deployment in place of its token."""
    if control.section is Section.GPUS or control.field == "budgets.weight":
        names = context.deployments if control.name.startswith("deployment") else context.gpus
        return replace(control, arg=named(control.arg, names))
    return control


def _chosen(control: SettingControl) -> tuple[str, str] | None:
    """The GPU or deployment whose roles were set stays open."""
    if control.section is not Section.GPUS:
        return None
    return control.name.partition("_")[0], control.arg


def _shown_after(control: SettingControl) -> Section:
    """Tidying goes back to where it was pressed."""
    if control.field == "home.tidy" and control.arg in set(Section):
        return Section(control.arg)
    return control.section


def _told(error: BotError) -> str:
    """What was typed comes back as text, whatever it holds."""
    params = {
        name: escape_line(value, 60) if isinstance(value, str) else value
        for name, value in error.params.items()
    }
    return say(error.code, **params)
