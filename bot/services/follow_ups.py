"""Start follow-ups: runs that take a file from a result, or a picture from any message."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from bot.deployments.catalogue import Catalogue
from bot.deployments.follow_ups.prepare import Preparation, find_follow_up
from bot.deployments.form_fields import FormField, FormValues
from bot.deployments.model import FollowUpRef, deployment_of, taking_pictures
from bot.deployments.validation import AttachedFile, media_type
from bot.domain.errors import InputError, RefusedError
from bot.domain.messages.records import MessageRef
from bot.domain.requests import Checked, Requester, press_id
from bot.domain.runs import Run
from bot.domain.text.file_names import file_behind
from bot.services.age_marks import AgeMarks
from bot.services.early_checks import EarlyChecks
from bot.services.editing import EditingService
from bot.services.generation import GenerationService
from bot.services.runs import RunService
from bot.store import Store


@dataclass(frozen=True, slots=True)
class OpenFollowUp:
    """A follow-up that the user may start.

    `parent` is the run that made the file. It is None if that run isn't known, shows no result, or may not be
    seen by the user. `made_by` is the key of the run that made the file, or empty if the bot didn't make it.
    `private` describes the file, even if `parent` is None.
    """

    preparation: Preparation
    parent: Run | None
    made_by: str
    private: bool

    @property
    def label(self) -> str:
        return self.preparation.follow_up.label

    def fields(self, form_values: FormValues) -> Sequence[FormField]:
        """Return the fields that a form asks for. If there are none, the follow-up starts at once."""
        return self.preparation.fields(form_values)

    def fits(self, files: Sequence[AttachedFile]) -> bool:
        """Return whether the follow-up can take one of the files."""
        return self.preparation.choose(files) is not None


class FollowUpService:
    """Opens and starts follow-ups. The rules for new requests apply to a follow-up, too.

    Methods raise InputError, RefusedError or, if the database is unreachable, StoreUnavailable. Nothing is
    spent in these cases, except that the run may still start after a RequestUnknown.
    """

    def __init__(
        self,
        *,
        store: Store,
        runs: RunService,
        checks: EarlyChecks,
        age_marks: AgeMarks,
        editing: EditingService,
        generation: GenerationService,
        catalogue: Catalogue,
    ) -> None:
        self._store = store
        self._runs = runs
        self._checks = checks
        self._age_marks = age_marks
        self._editing = editing
        self._generation = generation
        self._catalogue = catalogue

    async def of_result(self, key: str, ref: FollowUpRef, requester: Requester) -> OpenFollowUp:
        """Open a follow-up of the requester's own result."""
        parent = await self._runs.own_run(key, requester, lambda run: self._only_requester_follows(run, ref))
        if not parent.is_shown:
            raise RefusedError("parent_deleted" if parent.deleted_at is not None else "follow_up_no_file")
        return self._opened(ref, parent)

    async def of_picture(self, key: str, ref: FollowUpRef, requester: Requester) -> OpenFollowUp:
        """Open a follow-up of any picture. `key` is the key of the run that made it, or empty.

        Inputs are carried over only if the requester may see that run. The new run is private if that run is.
        """
        made_by = await self._store.runs.get(key) if key else None
        if made_by is None:
            return replace(self._opened(ref, None), made_by=key)
        if made_by.deleted_at is not None:
            raise RefusedError("parent_deleted")
        parent = None
        if made_by.is_shown:
            with suppress(RefusedError):
                parent = await self._editing.visible_run(key, requester)
        return replace(self._opened(ref, parent), made_by=key, private=made_by.private)

    async def check_before_form(self, opened: OpenFollowUp, requester: Requester) -> None:
        """Raise RefusedError if the request would be refused whatever the user enters into the form."""
        await self._checks.check_files(opened.preparation.inputs)
        made_by = frozenset({opened.made_by} if opened.made_by else ())
        marks = await self._age_marks.of_files(made_by, requester)
        await self._checks.check_rules(
            opened.preparation.target,
            requester,
            age_restricted=marks.restricted,
            private=opened.private,
        )

    async def check(
        self,
        opened: OpenFollowUp,
        files: Sequence[AttachedFile],
        form_values: FormValues,
        requester: Requester,
    ) -> Checked:
        """Check a run with the first file that fits."""
        taken = opened.preparation.choose(files)
        if taken is None:
            raise RefusedError("follow_up_no_file")
        revision = opened.preparation.revise(taken, form_values, self._generation.draw_seed)
        key, link = taken
        links = [str(each) for each in (link if isinstance(link, list) else [link])]
        # What Discord said about the file saves reading it.
        own = tuple(file for file in files if file.url in links)
        follow_up = "".join(opened.preparation.follow_up.reference)
        inputs = replace(revision.inputs, files={**revision.inputs.files, key: own})
        return await self._generation.check(
            opened.preparation.target,
            inputs,
            requester,
            press=press_id(f"then {follow_up}", " ".join(map(file_behind, links)), form_values),
            parent_key=opened.parent.key if opened.parent is not None else None,
            made_by=opened.made_by or None,
            private=opened.private,
            dropped=revision.dropped,
        )

    async def result_messages(self, run: Run) -> Sequence[MessageRef]:
        """Return the messages that show the result of a run."""
        return await self._store.history.result_messages(run)

    async def parent_link(self, run: Run) -> str | None:
        """Return a link to the result that a run was made from, or None if it isn't shown in its channel."""
        return await self._store.history.parent_link(run)

    def _only_requester_follows(self, run: Run, ref: FollowUpRef) -> RefusedError:
        """Return the refusal for other members, with what they can do with the result's picture instead."""
        commands = self._catalogue.message_commands.offered
        label = next((each.label for each in commands if each.reference == ref), None)
        person = run.requester_id
        if label is not None and _has_picture(run):
            return RefusedError("follow_up_not_yours_menu", person=person, label=label)
        if _has_picture(run) and taking_pictures(self._catalogue.all()):
            return RefusedError("follow_up_not_yours_use", person=person)
        return RefusedError("follow_up_not_yours", person=person)

    def _opened(self, ref: FollowUpRef, parent: Run | None) -> OpenFollowUp:
        deployments = self._catalogue.all()
        source = deployment_of(parent, deployments) if parent is not None else None
        found = find_follow_up(deployments, source, ref)
        if found is None:
            known = any(_is_target(each.deployment_id, ref) for each in deployments)
            raise RefusedError("follow_up_gone") if known else InputError("deployment_gone")
        if found.carry and parent is not None:
            # Without the run's inputs, the defaults would make something else.
            if source is None:
                raise RefusedError("follow_up_gone")
            if parent.erased_at is not None:
                raise RefusedError("run_erased")
        target = next(each for each in deployments if each.deployment_id == found.target)
        return OpenFollowUp(
            Preparation.of(found, target, parent, source),
            parent,
            made_by=parent.key if parent is not None else "",
            private=parent is not None and parent.private,
        )


def _has_picture(run: Run) -> bool:
    files = (AttachedFile("", output.filename or output.url, None, 1) for output in run.outputs if output.url)
    return any(media_type(file).startswith("image/") for file in files)


def _is_target(deployment_id: str, ref: FollowUpRef) -> bool:
    return deployment_id.replace("-", "").lower() == ref.target
