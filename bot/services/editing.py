"""The service behind Details, Edit and Use as input. Knows no Discord but the forms' layouts."""

from __future__ import annotations

import json
import secrets
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from typing import Any

from discord.ui import LayoutView, Modal

from bot.deployments.model import Deployment, picture_input, taking_pictures
from bot.deployments.revision import FormValue, FormValues, editable_fields, revise
from bot.deployments.validation import AttachedFile
from bot.domain.backend import InputKind
from bot.domain.errors import RefusedError
from bot.domain.requests import Requester
from bot.domain.runs import InputValue, Run
from bot.services.generation import GenerationService, draw_seed
from bot.store import Store
from bot.ui.custom_ids import EditForm, UseForm
from bot.ui.details import Details, details
from bot.ui.edit_forms import form_modal
from bot.ui.follow_ups import follow_ups_for
from bot.ui.results import single_layout


class EditingService:
    """Raises InputError, RefusedError or StoreUnavailable: nothing spent."""

    def __init__(self, store: Store, desk: GenerationService, drafts: FormDrafts) -> None:
        self._store = store
        self._desk = desk
        self._drafts = drafts

    async def details(self, key: str, requester: Requester) -> Details:
        run = await self._visible(key, requester)
        return details(run, self._desk.title(run.deployment), self._desk.deployment_of(run), self._desk.plan)

    async def one_of_several(self, key: str, pictures: Sequence[str], requester: Requester) -> LayoutView:
        """`pictures` are links to what it made."""
        run = await self._visible(key, requester)
        onward = follow_ups_for(run, self._desk.deployments)
        return single_layout(run, self._desk.title(run.deployment), pictures, onward)

    async def form(self, form: EditForm, requester: Requester) -> Modal:
        """An earlier run's inputs, or what was typed over them."""
        run = await self._editable(form.key, requester)
        offered = self._desk.deployment_of(run) or self._desk.offered(run.deployment)
        typed = self.draft(form.draft, requester.person.id)
        fields = editable_fields(offered, run.inputs, run.gpu, form_values=typed)
        return form_modal(EditForm(form.key, form.draft).custom_id, offered.title, fields)

    async def send(
        self, form: EditForm, typed: FormValues, requester: Requester
    ) -> tuple[Run, tuple[str, ...]]:
        """The new run, and the options that were left out because the deployment no longer takes them."""
        run = await self._editable(form.key, requester)
        offered = self._desk.deployment_of(run) or self._desk.offered(run.deployment)
        result = revise(offered, run.inputs, run.gpu, typed, draw_seed)
        return await self._desk.start(offered, result.inputs, requester, parent_key=run.key), result.dropped

    def picture_form(self, form: UseForm, requester: Requester) -> Modal:
        offered = self._desk.offered(form.deployment)
        item = picture_input(offered)
        typed = self.draft(form.draft, requester.person.id)
        fields = editable_fields(offered, {}, None, form_values=typed, exclude=item.key if item else None)
        return form_modal(form.custom_id, offered.title, fields)

    async def send_picture(
        self, form: UseForm, picture: str, typed: FormValues, requester: Requester
    ) -> tuple[Run, tuple[str, ...]]:
        """A request whose picture is `picture`; see `send`."""
        offered = self._desk.offered(form.deployment)
        item = picture_input(offered)
        if item is None:
            raise RefusedError("use_nobody")
        link: InputValue = [picture] if item.kind is InputKind.IMAGES else picture
        result = revise(offered, {item.key: link}, None, typed, draw_seed)
        run = await self._desk.start(offered, result.inputs, requester, parent_key=form.parent or None)
        return run, result.dropped

    def taking_pictures(self) -> list[Deployment]:
        """Where a picture can go. Raises RefusedError when nowhere."""
        found = taking_pictures(self._desk.deployments)
        if not found:
            raise RefusedError("use_nobody")
        return found

    def keep(self, user_id: int, typed: FormValues) -> str:
        """The draft's name."""
        return self._drafts.keep(user_id, (json.dumps(typed, default=astuple),))

    def draft(self, name: str, user_id: int) -> dict[str, FormValue]:
        """What the person typed; nothing after a restart, or for somebody else."""
        kept = self._drafts.get(name, user_id) if name else None
        found: Mapping[str, Any] = json.loads(kept[0]) if kept else {}
        return {
            key: value if isinstance(value, str) else tuple(AttachedFile(*each) for each in value)
            for key, value in found.items()
        }

    async def _editable(self, key: str, requester: Requester) -> Run:
        run = await self._visible(key, requester)
        if not run.inputs:
            # Its owner had it erased: on defaults alone it would be another picture.
            raise RefusedError("run_gone")
        return run

    async def _visible(self, key: str, requester: Requester) -> Run:
        """Somebody else's run only where it stands, and not before a moderator agreed to it."""
        run = await self._store.runs.get(key)
        if run is None:
            raise RefusedError("run_gone")
        if run.requester_id == requester.person.id:
            return run
        if run.guild_id is None or run.guild_id != requester.origin.guild_id:
            raise RefusedError("run_gone")
        if requester.person.is_moderator(await self._store.rules.current(run.guild_id)):
            return run
        if run.unseen:  # wherever its card is: the request is not gone
            raise RefusedError("details_hidden")
        if run.channel_id != requester.origin.channel_id:
            raise RefusedError("run_gone")
        return run


_MOST = 200


class FormDrafts:
    """In memory and bounded: after a restart a form opens with what is stored instead."""

    def __init__(self, limit: int = _MOST) -> None:
        self._most = limit
        self._kept: OrderedDict[str, tuple[int, tuple[str, ...]]] = OrderedDict()

    def keep(self, user_id: int, typed: Sequence[str]) -> str:
        """Returns the draft's name."""
        name = secrets.token_hex(4)
        self._kept[name] = (user_id, tuple(typed))
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return name

    def get(self, name: str, user_id: int) -> tuple[str, ...] | None:
        """Only for the person who typed it."""
        owner, typed = self._kept.get(name, (0, ()))
        return typed if owner == user_id else None
