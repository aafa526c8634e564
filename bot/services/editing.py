"""Build and submit the forms of "Edit" and "Use as input", and check who may see a run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any

from bot.deployments.catalogue import Catalogue
from bot.deployments.earlier_values import revise
from bot.deployments.form_fields import (
    FormField,
    FormValue,
    FormValues,
    editable_fields,
    require_new_files,
    without_refused_files,
)
from bot.deployments.model import ATTACHMENTS, Deployment, picture_input, taking_pictures
from bot.deployments.validation import AttachedFile
from bot.domain.backend import InputKind
from bot.domain.errors import BotError, RefusedError
from bot.domain.requests import Checked, Requester, press_id
from bot.domain.runs import InputValue, Run
from bot.domain.text.file_names import file_behind, keys_in_links
from bot.services.age_marks import AgeMarks, file_sources
from bot.services.early_checks import EarlyChecks
from bot.services.form_drafts import FormDrafts
from bot.services.generation import GenerationService, current_deployment
from bot.store.rules import RuleStore
from bot.store.runs import RunStore


@dataclass(frozen=True, slots=True)
class InputForm:
    """A form for a deployment's inputs: the deployment's title, and the fields."""

    title: str
    fields: Sequence[FormField]


class EditingService:
    """Edits runs, and starts runs with a picture as input.

    Methods raise InputError, RefusedError or, if the database is unreachable, StoreUnavailable. Nothing is
    spent in these cases, except that the run may still start after a RequestUnknown.
    """

    def __init__(
        self,
        *,
        runs: RunStore,
        rules: RuleStore,
        checks: EarlyChecks,
        age_marks: AgeMarks,
        generation: GenerationService,
        catalogue: Catalogue,
        drafts: FormDrafts[str],
    ) -> None:
        self._runs = runs
        self._rules = rules
        self._checks = checks
        self._age_marks = age_marks
        self._generation = generation
        self._catalogue = catalogue
        self._drafts = drafts

    async def visible_run(self, key: str, requester: Requester) -> Run:
        """Return a run that the requester may see. Raises RefusedError.

        Users see their own runs, and moderators see the runs of their server. Others see a run only in its
        channel, only if it isn't private, and only after any required approval.
        """
        run = await self._runs.get(key)
        if run is None:
            raise RefusedError("run_gone")
        if run.requester_id == requester.person.id:
            return run
        if run.guild_id is None or run.guild_id != requester.origin.guild_id:
            raise RefusedError("run_gone")
        if requester.person.is_moderator(await self._rules.current(run.guild_id)):
            return run
        if run.private:
            raise RefusedError("run_gone")
        if run.hidden_from_channel:  # also in the channel of its review card, where "gone" would be wrong
            raise RefusedError("details_hidden")
        if run.channel_id != requester.origin.channel_id:
            raise RefusedError("run_gone")
        return run

    async def may_read_log(self, run: Run, requester: Requester) -> bool:
        """Return whether the requester may read a run's log as a moderator of the run's server.

        Returns False if the request comes from outside that server.
        """
        if run.guild_id is None or run.guild_id != requester.origin.guild_id:
            return False
        return requester.person.is_moderator(await self._rules.current(run.guild_id))

    async def visible_batch(self, key: str, requester: Requester) -> Sequence[Run]:
        """Return the batch of a run that the requester may see. Raises RefusedError."""
        return await self._runs.batch(await self.visible_run(key, requester))

    async def form(self, run_key: str, draft: str, requester: Requester) -> InputForm:
        """Return the form of "Edit", with the run's inputs or, if there is a draft, the draft's values.

        Raises RefusedError also if the edited request would be refused whatever it contains. If a result was
        deleted whose file the run took, the form requires another file, or isn't opened if it has no field
        for one.
        """
        run = await self._editable_run(run_key, requester)
        deployment = current_deployment(self._catalogue, run)
        marks = await self._age_marks.of_files(file_sources(run.inputs, run.key), requester)
        await self._checks.check_rules(
            deployment, requester, age_restricted=marks.restricted, private=run.private
        )
        form_values = self.draft(draft, requester.person.id)
        fields = editable_fields(deployment, run.inputs, run.gpu, form_values=form_values)
        files: dict[str, InputValue] = {}
        for item in deployment.offered:
            if item.kind in ATTACHMENTS:
                entered = form_values.get(item.option)
                kept = [file.url for file in entered] if isinstance(entered, tuple) else None
                files[item.key] = kept or run.inputs.get(item.key, "")
        gone = await self._checks.deleted_files(files)
        return InputForm(deployment.title, require_new_files(fields, gone))

    async def resubmit(self, run_key: str, form_values: FormValues, requester: Requester) -> Checked:
        """Check an edited run."""
        run = await self._editable_run(run_key, requester)
        deployment = current_deployment(self._catalogue, run)
        revision = revise(deployment, run.inputs, run.gpu, form_values, self._generation.draw_seed)
        return await self._generation.check(
            deployment,
            revision.inputs,
            requester,
            press=press_id("edit", run.key, form_values),
            parent_key=run.key,
            dropped=revision.dropped,
        )

    async def check_before_texts(self, run_key: str, requester: Requester) -> None:
        """Raise RefusedError if the edited request would be refused whatever its uploaded texts are."""
        run = await self._editable_run(run_key, requester)
        await self._generation.check_before_texts(current_deployment(self._catalogue, run), run, requester)

    async def check(self, run_key: str, form_values: FormValues, requester: Requester) -> None:
        """Raise the InputErrors that `resubmit` would raise, without starting a run."""
        run = await self._editable_run(run_key, requester)
        revise(
            current_deployment(self._catalogue, run),
            run.inputs,
            run.gpu,
            form_values,
            self._generation.draw_seed,
        )

    async def check_picture(
        self, parent_key: str, requester: Requester, deployment: Deployment | None = None
    ) -> None:
        """Raise RefusedError if a request with this picture would be refused whatever else it contains.

        `parent_key` is the key of the run that made the picture, or empty. `deployment` is None if the user
        is still to choose one.
        """
        parent = await self._runs.get(parent_key) if parent_key else None
        made_by = frozenset({parent_key} if parent_key else ())
        marks = await self._age_marks.of_files(made_by, requester)
        await self._checks.check_rules(
            deployment,
            requester,
            age_restricted=marks.restricted,
            private=parent is not None and parent.private,
        )

    async def check_files(self, pictures: Sequence[str], parent_key: str) -> None:
        """Raise RefusedError if the results that made these pictures were all deleted.

        The names of the pictures say which runs made them. If a name doesn't, the run `parent_key` did.
        """
        made_by = [keys_in_links([each]) or frozenset(filter(None, [parent_key])) for each in pictures]
        deleted = await self._runs.deleted(frozenset[str]().union(*made_by))
        if all(keys & deleted for keys in made_by):
            raise RefusedError("parent_deleted")

    async def picture_form(
        self, name: str, draft: str, requester: Requester, *, parent_key: str = ""
    ) -> InputForm:
        """Return the form of "Use as input": the deployment's inputs except the picture.

        Raises RefusedError also if the request would be refused whatever it contains (see `check_picture`).
        """
        deployment = self._catalogue.require(name)
        item = picture_input(deployment)
        form_values = self.draft(draft, requester.person.id)
        fields = editable_fields(
            deployment, {}, None, form_values=form_values, exclude=item.key if item else None
        )
        if fields:
            await self.check_picture(parent_key, requester, deployment)
        return InputForm(deployment.title, fields)

    async def submit_picture(
        self,
        name: str,
        picture: str,
        form_values: FormValues,
        requester: Requester,
        *,
        parent_key: str | None = None,
    ) -> Checked:
        """Check a run with the link `picture` as its picture input.

        `parent_key` is the key of the run that made the picture.
        """
        deployment = self._catalogue.require(name)
        item = picture_input(deployment)
        if item is None:
            raise RefusedError("use_nobody")
        link: InputValue = [picture] if item.kind is InputKind.IMAGES else picture
        revision = revise(deployment, {item.key: link}, None, form_values, self._generation.draw_seed)
        return await self._generation.check(
            deployment,
            revision.inputs,
            requester,
            press=press_id(f"use {deployment.deployment_id}", file_behind(picture), form_values),
            parent_key=parent_key,
            made_by=parent_key,
            dropped=revision.dropped,
        )

    def taking_pictures(self) -> list[Deployment]:
        """Return the deployments with a picture input. Raises RefusedError if there are none."""
        deployments = taking_pictures(self._catalogue.all())
        if not deployments:
            raise RefusedError("use_nobody")
        return deployments

    def keep_draft(self, user_id: int, form_values: FormValues, *errors: BotError) -> str:
        """Keep the values of a submitted form as a draft, and return the draft's name.

        Files that one of the `errors` refuses aren't kept, so that the next form asks for them again.
        """
        kept = without_refused_files(form_values, *errors)
        return self._drafts.keep(user_id, json.dumps(kept, default=astuple))

    def keep_picture(self, user_id: int, link: str) -> str:
        """Keep a picture's link for a form that belongs to no message; return the name for `kept_picture`."""
        return self._drafts.keep(user_id, link)

    def kept_picture(self, name: str, user_id: int) -> str | None:
        """Return a kept picture's link, or None if it is no longer kept or belongs to another user."""
        return self._drafts.get(name, user_id)

    def draft(self, name: str, user_id: int) -> dict[str, FormValue]:
        """Return a draft's values, or an empty dict if it is no longer kept or belongs to another user."""
        kept = self._drafts.get(name, user_id) if name else None
        values: Mapping[str, Any] = json.loads(kept) if kept else {}
        return {
            key: value if isinstance(value, str) else tuple(AttachedFile(*each) for each in value)
            for key, value in values.items()
        }

    async def _editable_run(self, key: str, requester: Requester) -> Run:
        run = await self.visible_run(key, requester)
        if run.erased_at is not None:
            # Without the erased inputs, the defaults would make another picture.
            raise RefusedError("run_erased")
        return run
