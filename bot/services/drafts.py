"""Make drafts: of a repetition, an edit, a picture, a follow-up, and a command."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, replace

from bot.context import App
from bot.deployments.draft import Draft, mistaken_options, without_refused_files
from bot.deployments.follow_ups import asked_inputs, carried, find_follow_up, starting_values
from bot.deployments.inputs import RawValue, Typed, Values
from bot.deployments.merge import Stored, with_more
from bot.deployments.model import Deployment, FollowUp, deployment_of
from bot.deployments.schema.field_types import COUNT
from bot.domain.errors import BotError, CodedError, InputError, RefusedError
from bot.domain.forms import FormField, Shape
from bot.domain.requests import Actor
from bot.domain.runs import InputValue, Run
from bot.sentences import say
from bot.services.access import source as source_run
from bot.services.access import source_inputs
from bot.services.generation import deleted_files

# A picture was made from another at most so many times before its prompt is looked up.
_GENERATIONS = 5
# After these refusals, the same request may be accepted in a moment.
_PASSING = frozenset(
    {
        "too_fast",
        "rules_changed",
        "words_unavailable",
        "picture_unchecked",
        "budget_waiting",
        "server_budget_waiting",
    }
)


@dataclass(frozen=True, slots=True)
class Kept:
    """What somebody typed into a request that was refused or not sent yet.

    `wrong` are the options that the refusal names, and `picture` is the picture of a form that belongs to no
    message.
    """

    typed: Typed
    wrong: frozenset[str] = frozenset()
    picture: str | None = None


async def again(app: App, actor: Actor, key: str, count: int | None) -> Draft:
    """Return the draft of a repetition with new seeds, as many times as before if `count` is None."""
    run, draft = await _of_run(app, actor, key)
    typed: dict[str, RawValue] = {item.option: "" for item in draft.deployment.offered if item.is_seed}
    number = min(run.count if count is None else count, draft.deployment.max_count)
    if number > 1:
        typed[COUNT] = number
    return replace(draft, typed=typed, action=f"repeat {count}")


async def edit(app: App, actor: Actor, key: str) -> Draft:
    """Return the draft of an edit."""
    return (await _of_run(app, actor, key))[1]


async def with_picture(app: App, actor: Actor, name: str, key: str) -> Draft:
    """Return the draft of a deployment that takes a picture, with the inputs of the picture's origin.

    `key` is the key of the run that made the picture, or empty.
    """
    target = app.catalogue.require(name)
    item = target.picture_input
    if item is None:
        raise RefusedError("use_nobody")
    made_by, source = await _maker(app, actor, key)
    # The first of its ancestors that has a prompt, so an enlarged picture has the prompt of the original.
    values: dict[str, InputValue] = {}
    async for made, its_deployment in _with_ancestors(app, actor, source):
        if its_deployment.prompt is not None:
            items = [item for item in target.offered if not item.takes_file and not item.is_seed]
            named = [("prompt" if item.is_prompt else item.option, item) for item in items]
            inputs = carried(made, its_deployment, named)
            for each in items:
                values |= each.own(inputs) if each.fits(inputs) else {}
            break
    draft = Draft(
        deployment=target,
        title="New from this picture",
        stored=[Stored(values)],
        takes={item.kind: item.key},
        action=f"use {target.deployment_id}",
    )
    return _made_from(draft, key, made_by, source)


async def follow_up(app: App, actor: Actor, key: str, ref: str, *, of_result: bool) -> Draft:
    """Return the draft of a follow-up of the result of the run `key`, or of a picture that it made.

    Anybody may continue with a picture that they see. Inputs are carried over only from a run that they
    may start from.
    """
    if of_result:
        source: Run | None = (run := await source_run(app, actor, key))
        if not run.is_shown:
            raise RefusedError("parent_deleted" if run.deleted_at is not None else "follow_up_no_file")
        made_by = source
    else:
        made_by, source = await _maker(app, actor, key)
    found, target, inputs = await _linked(app, actor, ref, source)
    draft = Draft(
        deployment=target,
        title=target.title if found.label == target.title else f"{found.label}: {target.title}",
        stored=[Stored(inputs)],
        asked=asked_inputs(found, target, inputs),
        takes=found.takes,
        action=f"then {ref}",
    )
    return _made_from(draft, key, made_by, source)


async def form(app: App, draft: Draft, typed: Typed, wrong: Set[str] = frozenset()) -> Sequence[FormField]:
    """Return the fields of a draft's form, which show what was typed before; it may have none.

    In place of a file of a deleted result, the form requires another. Raises RefusedError if it has no
    field for one. The options in `wrong` come first.
    """
    values: dict[str, InputValue] = dict(draft.values)
    for item in draft.deployment.offered:
        if item.takes_file and (given := item.typed({**typed, **draft.files})):
            values[item.key] = [file.url for _, file in given]
    return draft.fields(typed, wrong, await deleted_files(app, values))


def can_be_edited(draft: Draft | None, typed: Typed, error: BotError) -> bool:
    """Return whether the form of a refused draft can help: by another value, or because a retry may.

    `draft` is None if the refusal came before there was one.
    """
    if draft is None:
        return not isinstance(error, CodedError) or error.code in _PASSING
    is_rule, options = isinstance(error, RefusedError), mistaken_options(error)
    is_passing = not is_rule or error.code in _PASSING
    if not options.isdisjoint(draft.files):  # which its form can't change
        return False
    fields = draft.fields(typed, options)
    if is_rule and error.code == "parent_deleted":
        return any(field.shape is Shape.FILES for field in fields)
    return is_passing or not options.isdisjoint(field.name for field in fields)


def keep(app: App, user_id: int, typed: Typed, error: BotError, deployment: str, picture: str | None) -> str:
    """Keep what was typed into a refused request for a deployment, and return the name of the draft.

    Files that the error refuses aren't kept, so that the next form asks for them again. The inputs in
    `more` become fields of their own, unless it has a mistake.
    """
    typed = without_refused_files(typed, error)
    if (found := app.catalogue.get(deployment)) is not None:
        with suppress(InputError):
            typed = with_more(found, typed)
    return app.drafts.keep(user_id, Kept(typed, mistaken_options(error), picture))


async def _of_run(app: App, actor: Actor, key: str) -> tuple[Run, Draft]:
    run, deployment = await source_inputs(app, actor, key)
    draft = Draft(
        deployment=deployment,
        title=say("edit_title", title=deployment.title),
        stored=[Stored(run.inputs, run.gpu)],
        prompt=run.prompt,
        parent_key=run.key,
        private=run.private,
        action="edit",
        origin=key,
    )
    return run, draft


async def _maker(app: App, actor: Actor, key: str) -> tuple[Run | None, Run | None]:
    """Return the run that made a picture, and the same if the user may start from it."""
    made_by = await app.store.runs.get(key) if key else None
    if made_by is not None and made_by.deleted_at is not None:
        raise RefusedError("parent_deleted")
    source = None
    if made_by is not None and made_by.is_shown:
        with suppress(RefusedError):
            source = await source_run(app, actor, key)
    return made_by, source


async def _with_ancestors(app: App, actor: Actor, run: Run | None) -> AsyncIterator[tuple[Run, Deployment]]:
    """Yield a run, and those that it was made from, with their deployments.

    This ends at a run that the user may not start from, or whose deployment is gone.
    """
    for _ in range(_GENERATIONS):
        deployment = deployment_of(run, app.catalogue.all()) if run is not None else None
        if run is None or deployment is None:
            return
        yield run, deployment
        parent_key, run = run.parent_key, None
        if parent_key is not None:
            with suppress(RefusedError):
                run = await source_run(app, actor, parent_key)


async def _linked(
    app: App, actor: Actor, ref: str, source: Run | None
) -> tuple[FollowUp, Deployment, Values]:
    """Return a follow-up, its deployment, and the inputs that are carried over or fixed.

    They are carried over from the first of the run and its ancestors that offers the follow-up.
    """
    deployments = app.catalogue.all()
    deployment = deployment_of(source, deployments) if source is not None else None
    found = find_follow_up(deployments, deployment, ref)
    if found is None:
        known = any(each.deployment_id.replace("-", "").lower() == ref[:32] for each in deployments)
        raise RefusedError("follow_up_gone") if known else InputError("deployment_gone")
    target = next(each for each in deployments if each.deployment_id == found.target)
    if source is None or not found.carry:
        return found, target, found.inputs
    # Without the run's inputs, the defaults would make something else.
    if deployment is None:
        raise RefusedError("follow_up_gone")
    if source.erased_at is not None:
        raise RefusedError("run_erased")
    async for run, offering in _with_ancestors(app, actor, source):
        if found in offering.follow_ups:
            return found, target, starting_values(found, target, offering, run)
    return found, target, starting_values(found, target, deployment, source)


def _made_from(draft: Draft, key: str, made_by: Run | None, source: Run | None) -> Draft:
    draft = replace(draft, made_by=key or None, private=made_by is not None and made_by.private)
    return draft if source is None else replace(draft, parent_key=source.key, prompt=source.prompt)
