"""Save, share, delete and choose presets, and suggest their names."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from bot.context import App
from bot.deployments.inputs import Input, Values
from bot.deployments.model import Deployment
from bot.deployments.schema.field_types import PRESET
from bot.domain.errors import InputError, RefusedError, StoreUnavailable
from bot.domain.forms import NO, YES, FormField, Shape
from bot.domain.requests import NAME_LENGTH, PAGE_SIZE, Actor, Holder, Preset, is_key
from bot.domain.runs import InputValue, Run
from bot.domain.text import escape_line, folded, strip_invisible
from bot.sentences import say
from bot.services.access import source_inputs
from bot.store.presets import Usable, read_usable

log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Saving:
    """What somebody wants to save: the inputs of the run `run_key` or, without it, a copy of their preset.

    `prompt` replaces the run's prompt; an empty one leaves it out. The seed is kept only with `seed`. A
    preset of the server needs Manage Server. With `replaces`, it may replace one of the same name.
    """

    name: str
    run_key: str | None = None
    prompt: str | None = None
    seed: bool = False
    server: bool = False
    replaces: bool = False


@dataclass(frozen=True, slots=True)
class Saved:
    """A preset that was saved, unless `draft` is set, by which `kept` returns what to save after a question.

    `earlier` is the preset of the same name that it replaced, or that it would replace. `files_left` says
    whether files of the run were left out, because their links expire.
    """

    preset: Preset
    files_left: bool = False
    earlier: Preset | None = None
    draft: str = ""


async def save(app: App, actor: Actor, saving: Saving) -> Saved:
    """Save a preset, unless another that may not be replaced has its name."""
    now, (holder, holder_id) = app.now(), _holder(actor, server=saving.server)
    name = strip_invisible(strip_invisible(saving.name)[:NAME_LENGTH])
    files_left = False
    if saving.run_key is None:
        preset = (await _named(app, actor.id, None, saving.name))[0]
        preset = replace(preset, holder=holder, holder_id=holder_id, is_default=False, created_at=now)
    elif not name:
        raise InputError("preset_needs_name", option="name")
    else:
        run, deployment = await _source(app, actor, saving.run_key)
        preset = Preset(
            holder=holder,
            holder_id=holder_id,
            name=name,
            deployment=deployment.name,
            inputs=_kept_inputs(deployment, run.inputs, saving),
            gpu=run.gpu,
            created_at=now,
            created_by=actor.id,
        )
        files_left = any(item.takes_file and item.key in run.inputs for item in deployment.offered)
    earlier = await app.store.presets.put(preset, now, replaces=saving.replaces)
    asks = earlier is not None and not saving.replaces
    draft = app.drafts.keep(actor.id, replace(saving, replaces=True)) if asks else ""
    return Saved(preset, files_left, earlier, draft)


def kept(app: App, actor: Actor, draft: str) -> Saving:
    """Return what somebody wanted to save. Raises RefusedError if that is lost, for example by a restart."""
    saving = app.drafts.get(draft, actor.id, Saving)
    if saving is None:
        raise RefusedError("preset_forgotten")
    return saving


async def form(app: App, actor: Actor, key: str, typed: Saving | None = None) -> Sequence[FormField]:
    """Return the fields of the form that saves a run's inputs, which show what was `typed` before."""
    run, deployment = await _source(app, actor, key)
    typed = typed or Saving(name="")
    about = say("option_preset_name")
    name = FormField(name="name", label="Name", description=about, required=True, length=NAME_LENGTH)
    fields = [replace(name, values=(typed.name,) if typed.name else ())]
    if (item := deployment.prompt) is not None:
        field = item.field(run.inputs)
        about = say("option_preset_prompt") if field.value else field.description
        values = field.values if typed.prompt is None else (typed.prompt,)
        fields.append(replace(field, name="prompt", description=about, required=False, values=values))
    switches = {"seed": typed.seed} if run.seed is not None else {}
    if actor.guild_id is not None and actor.person.manages_server:
        switches["server"] = typed.server
    for each, is_on in switches.items():
        label, about = say(f"preset_field_{each}"), say(f"option_preset_{each}")
        box = FormField(name=each, label=label, description=about, shape=Shape.CHECKBOX)
        fields.append(replace(box, values=(YES if is_on else NO,)))
    return fields


async def latest_run(app: App, user_id: int) -> str:
    entries = await app.store.history.page(user_id, limit=1)
    if not entries:
        raise RefusedError("preset_no_run")
    return entries[0].first.key


async def delete(app: App, actor: Actor, name: str, *, server: bool) -> None:
    holder, holder_id = _holder(actor, server=server)
    removed = await app.store.presets.remove(holder, holder_id, name, by=actor.id, now=app.now())
    if not removed:
        await _named(app, actor.id, actor.guild_id, name)
        raise RefusedError("preset_servers", name=escape_line(name, NAME_LENGTH))


async def use(
    app: App, user_id: int, guild_id: int | None, name: str, prompt: str | None
) -> tuple[str, dict[str, str]]:
    """Return the deployment and the options of `/generate` that use a preset and perhaps a prompt."""
    deployment = app.catalogue.require((await _named(app, user_id, guild_id, name))[0].deployment)
    typed = {} if prompt is None else {_prompt_of(deployment).option: prompt}
    return deployment.name, {PRESET: name, **typed}


async def defaults(app: App, actor: Actor) -> Usable:
    """Return the user's own default presets, and that of the channel."""
    origin = actor.origin
    return await app.store.database.read(read_usable, actor.id, origin.guild_id, actor.channel_ids)


async def set_default(app: App, actor: Actor, name: str | None, channel_id: int | None) -> bool:
    """Make a server's preset the only default of a channel or, without a channel, the user's own preset their
    default for its deployment. Without a name, remove the defaults.

    A channel's default needs the permission Manage Channels. Return whether anything has changed.
    """
    guild_id, shown, presets = actor.origin.guild_id, escape_line(name or "", NAME_LENGTH), app.store.presets
    if channel_id is not None:
        if guild_id is None:
            raise RefusedError("server_only")
        if not actor.person.manages_channels:
            raise RefusedError("default_manage")
    if name is not None:
        holder = Holder.PERSON if channel_id is None else Holder.SERVER
        named = await _named(app, actor.id, actor.guild_id, name)
        preset = next((each for each in named if each.holder is holder), None)
        if preset is None:
            raise RefusedError("default_servers" if channel_id is None else "default_own", name=shown)
        if app.catalogue.get(preset.deployment) is None:
            raise RefusedError("default_gone", name=shown)
    if channel_id is None or guild_id is None:
        return await presets.set_own_default(actor.id, name)
    if not await presets.set_default(guild_id, channel_id, name, by=actor.id, now=app.now()):
        if name is None:
            raise RefusedError("default_none", channel=channel_id)
        raise RefusedError("preset_unknown", name=shown)  # deleted meanwhile
    return True


async def names(
    app: App, user_id: int, guild_id: int | None, deployment: str | None = None
) -> Sequence[tuple[str, str]]:
    """Return the names of presets, of any or one deployment, for autocomplete. The user's own come first."""
    names: dict[str, str] = {}
    for preset in await _if_stored(app.store.presets.visible(user_id, guild_id)):
        if deployment in (None, preset.deployment):
            names.setdefault(folded(preset.name), preset.name)
    return [(name, name) for name in names.values()]


async def latest_runs(app: App, user_id: int) -> Sequence[Run]:
    """Return the first runs of a user's latest batches, for autocomplete."""
    return [each.first for each in await _if_stored(app.store.history.page(user_id, limit=PAGE_SIZE))]


async def _if_stored(rows: Awaitable[Sequence[T]]) -> Sequence[T]:
    """Return rows, or none if the store is unavailable, because an autocomplete can't show an error."""
    try:
        return await rows
    except StoreUnavailable as error:
        log.warning("can't suggest anything: %s", error)
        return ()


def _kept_inputs(deployment: Deployment, inputs: Values, saving: Saving) -> Values:
    """Return the inputs of a run that a preset keeps. Raises InputError if the new prompt doesn't fit."""
    kept: dict[str, InputValue] = {}
    for item in deployment.offered:
        if item.takes_file or (item.is_seed and not saving.seed):
            continue
        if item.is_prompt and saving.prompt is not None:
            kept |= item.parse(saving.prompt) if saving.prompt else {}
        else:
            kept |= item.own(inputs)
    if saving.prompt is not None:
        _prompt_of(deployment)
    return kept


def _prompt_of(deployment: Deployment) -> Input:
    if deployment.prompt is None:
        raise InputError("preset_no_prompt", title=escape_line(deployment.title, 60))
    return deployment.prompt


async def _source(app: App, actor: Actor, key: str) -> tuple[Run, Deployment]:
    if not is_key(key):
        raise RefusedError("preset_run_unknown")
    return await source_inputs(app, actor, key)


async def _named(app: App, user_id: int, guild_id: int | None, name: str) -> Sequence[Preset]:
    presets = (await app.store.database.read(read_usable, user_id, guild_id, name=name)).named
    if not presets:
        raise RefusedError("preset_unknown", name=escape_line(name, NAME_LENGTH))
    return presets


def _holder(actor: Actor, *, server: bool) -> tuple[Holder, int]:
    if not server:
        return Holder.PERSON, actor.id
    if actor.guild_id is None:
        raise RefusedError("server_only")
    if not actor.person.manages_server:
        raise RefusedError("preset_manage")
    return Holder.SERVER, actor.guild_id
