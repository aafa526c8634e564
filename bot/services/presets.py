"""Save, share, delete and use presets, and suggest their names."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.context import App
from bot.deployments.command_plan import PRESET_OPTION
from bot.deployments.draft import Draft
from bot.deployments.kinds.base import OptionChoice
from bot.deployments.merge import Stored
from bot.deployments.schema import CHOICES
from bot.domain.errors import InputError, RefusedError, StoreUnavailable
from bot.domain.pages import PAGE_SIZE
from bot.domain.presets import NAME_LENGTH, ChannelDefault, Holder, Preset, folded
from bot.domain.requests import Actor, is_key
from bot.domain.runs import Run
from bot.domain.text import escape_line, strip_invisible
from bot.services.access import own
from bot.services.preset_inputs import kept_inputs
from bot.store.presets import NewDefault
from bot.strings import say

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SavedPreset:
    """A saved preset, whether it replaced another, and whether files of the run were left out."""

    preset: Preset
    replaced: bool = False
    files_left: bool = False


@dataclass(frozen=True, slots=True)
class NameTaken:
    """A preset that wasn't saved, because `earlier` has its name. `replace_earlier` finds it by `draft`.

    `default_in` are the ids of the channels whose default is `earlier`.
    """

    earlier: Preset
    draft: str
    default_in: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class _Unsaved:
    """A preset to save, in place of `earlier` if the user has agreed to that.

    It was made from the run `run_key` or, if that is None, from the user's preset of the same name.
    """

    preset: Preset
    run_key: str | None = None
    files_left: bool = False
    earlier: Preset | None = None


async def save(
    app: App, actor: Actor, name: str, *, run_key: str | None, prompt: str | None, seed: bool, server: bool
) -> SavedPreset | NameTaken:
    """Save a run's inputs as a preset of the user or, which needs Manage Server, of the server.

    Without a `run_key`, this is the user's latest run. `prompt` replaces the run's prompt, and the seed
    is kept only with `seed`.
    """
    holder, holder_id = _holder(actor, server=server)
    run = await _run(app, actor.id, run_key)
    deployment = app.catalogue.require(run.deployment)
    inputs, files_left = kept_inputs(deployment, run.inputs, seed=seed, prompt=prompt)
    now = app.now()
    preset = Preset(
        holder=holder,
        holder_id=holder_id,
        name=_name(name),
        deployment=deployment.name,
        inputs=inputs,
        gpu=run.gpu,
        created_at=now,
        created_by=actor.id,
    )
    return await _put(app, actor, _Unsaved(preset, run.key, files_left))


async def share(app: App, actor: Actor, name: str) -> SavedPreset | NameTaken:
    """Save a copy of the user's preset for the server. The user needs Manage Server."""
    holder, holder_id = _holder(actor, server=True)
    presets = await _named(app, actor.id, None, name)
    now = app.now()
    shared = replace(presets[0], holder=holder, holder_id=holder_id, created_at=now, created_by=actor.id)
    return await _put(app, actor, _Unsaved(shared))


async def replace_earlier(app: App, actor: Actor, draft: str) -> SavedPreset | NameTaken:
    """Save the preset of a `NameTaken` in place of the earlier preset.

    If the earlier preset has changed meanwhile, nothing is saved, and another NameTaken is returned.
    Raises RefusedError if the earlier preset is gone; if the draft is lost, for example by a restart; or
    if the run or preset that it was made from was erased.
    """
    unsaved = app.drafts.get(draft, actor.id, _Unsaved)
    if unsaved is None or not await _has_source(app, actor, unsaved):
        raise RefusedError("preset_forgotten")
    preset = unsaved.preset
    if _holder(actor, server=preset.holder is Holder.SERVER)[1] != preset.holder_id:
        raise RefusedError("preset_forgotten")
    return await _put(app, actor, unsaved)


async def delete(app: App, actor: Actor, name: str, *, server: bool) -> None:
    holder, holder_id = _holder(actor, server=server)
    removed = await app.store.presets.remove(holder, holder_id, name, by=actor.id, now=app.now())
    if not removed:
        await _named(app, actor.id, actor.guild_id, name)
        raise RefusedError("preset_servers", name=escape_line(name, NAME_LENGTH))


async def use(
    app: App, user_id: int, guild_id: int | None, name: str, prompt: str | None
) -> tuple[str, dict[str, str]]:
    """Return the deployment and the options of `/generate` that use a preset and perhaps a prompt.

    The user's preset takes precedence over the server's preset of the same name.
    """
    presets = await _named(app, user_id, guild_id, name)
    deployment = app.catalogue.require(presets[0].deployment)
    options = {PRESET_OPTION.name: name}
    if prompt is not None:
        item = deployment.prompt
        if item is None:
            raise InputError("preset_no_prompt", title=escape_line(deployment.title, 60))
        options[item.option] = prompt
    return deployment.name, options


async def draft(app: App, actor: Actor, deployment: str, name: str | None) -> Draft:
    """Return the draft of `/generate` with a preset.

    Without a name, the channel's default is used if it is a preset for this deployment.
    """
    found, guild_id = app.catalogue.require(deployment), actor.origin.guild_id
    title = say("edit_title", title=found.title)
    if name is None:
        default = await app.store.presets.channel_default(guild_id, actor.channel_ids)
        preset = default.preset if default is not None else None
        if preset is None or preset.deployment != deployment:
            return Draft(deployment=found, title=title)
    else:
        preset = _of_deployment(app, await _named(app, actor.id, guild_id, name), deployment, name)
    stored, is_default = Stored(preset.inputs, preset.gpu), name is None
    return Draft(deployment=found, title=title, stored=stored, preset=preset, is_default=is_default)


def _of_deployment(app: App, presets: Sequence[Preset], deployment: str, name: str) -> Preset:
    preset = next((one for one in presets if one.deployment == deployment), None)
    if preset is None:
        other, name = presets[0].deployment, escape_line(name, NAME_LENGTH)
        title, path = escape_line(app.catalogue.title(other), 60), app.catalogue.plan.path_of(other)
        code = "preset_elsewhere" if path is not None else "default_gone"
        raise RefusedError(code, name=name, title=title, path=path)
    return preset


async def set_default(app: App, actor: Actor, channel_id: int, name: str | None) -> NewDefault | None:
    """Make a server's preset the only default of a channel, or remove the default if `name` is None.

    Returns None after a removal. The user needs the permission Manage Channels.
    """
    guild_id = actor.origin.guild_id
    if guild_id is None:
        raise RefusedError("server_only")
    if not actor.person.manages_channels:
        raise RefusedError("default_manage")
    now = app.now()
    if name is None:
        if not await app.store.presets.clear_default(guild_id, channel_id, by=actor.id, now=now):
            raise RefusedError("default_none", channel=channel_id)
        return None
    presets = await _named(app, actor.id, guild_id, name)
    shared = next((one for one in presets if one.holder is Holder.SERVER), None)
    if shared is None:
        raise RefusedError("default_own", name=escape_line(name, NAME_LENGTH))
    if app.catalogue.get(shared.deployment) is None:
        raise RefusedError("default_gone", name=escape_line(name, NAME_LENGTH))
    stored = await app.store.presets.set_default(guild_id, channel_id, name, by=actor.id, now=now)
    if stored is None:  # deleted meanwhile
        raise _unknown_preset(name)
    return stored


async def default_of(app: App, guild_id: int | None, channel_id: int) -> ChannelDefault | None:
    """Return the default preset of a channel, or None."""
    return await app.store.presets.channel_default(guild_id, [channel_id])


async def page(app: App, user_id: int, guild_id: int | None, page: int) -> tuple[Sequence[Preset], bool]:
    """Return a page, counted from 0, of the presets that a user can use, and whether more follow."""
    presets = await app.store.presets.visible(user_id, guild_id)
    start = page * PAGE_SIZE
    return presets[start : start + PAGE_SIZE], len(presets) > start + PAGE_SIZE


async def suggest(
    app: App,
    user_id: int,
    guild_id: int | None,
    prefix: str,
    *,
    holder: Holder | None = None,
    deployment: str | None = None,
    offered: bool = False,
) -> Sequence[OptionChoice]:
    """Return the names of presets that contain `prefix`, for autocomplete. The user's own come first.

    `holder` and `deployment` select presets; `offered` excludes those whose deployment isn't offered. If
    the store is unavailable, there are no suggestions.
    """
    try:
        presets = await app.store.presets.visible(user_id, guild_id)
    except StoreUnavailable as error:
        log.warning("can't suggest presets: %s", error)
        return ()
    text = folded(prefix)
    names: dict[str, str] = {}
    for one in presets:  # the user's preset takes precedence over the server's
        if holder not in (None, one.holder) or deployment not in (None, one.deployment):
            continue
        if offered and app.catalogue.get(one.deployment) is None:
            continue
        if text in folded(one.name):
            names.setdefault(folded(one.name), one.name)
    return [OptionChoice(name, name) for name in names.values()][:CHOICES]


async def suggest_runs(app: App, user_id: int) -> Sequence[Run]:
    """Return the first runs of a user's latest batches, or nothing if the store is unavailable."""
    try:
        page = await app.store.history.page(user_id, limit=PAGE_SIZE)
    except StoreUnavailable as error:
        log.warning("can't suggest requests: %s", error)
        return ()
    return [entry.first for entry in page.entries]


async def _put(app: App, actor: Actor, unsaved: _Unsaved) -> SavedPreset | NameTaken:
    preset = unsaved.preset
    earlier = await app.store.presets.put(preset, app.now(), replaces=unsaved.earlier)
    if earlier is not None:
        draft = app.drafts.keep(actor.id, replace(unsaved, earlier=earlier))
        return NameTaken(earlier, draft, await _default_in(app, earlier))
    return SavedPreset(preset, unsaved.earlier is not None, unsaved.files_left)


async def _has_source(app: App, actor: Actor, unsaved: _Unsaved) -> bool:
    """Return whether the run or preset that a draft was made from still has its inputs.

    An erasure in another process doesn't drop the drafts of this one.
    """
    if unsaved.run_key is None:
        return bool(await app.store.presets.named(actor.id, None, unsaved.preset.name))
    run = await app.store.runs.get(unsaved.run_key)
    return run is not None and run.erased_at is None


async def _default_in(app: App, preset: Preset) -> Sequence[int]:
    """Return the ids of the channels whose default is this preset."""
    if preset.holder is not Holder.SERVER:
        return ()
    defaults = await app.store.presets.channel_defaults(preset.holder_id)
    return [one.channel_id for one in defaults if folded(one.preset.name) == folded(preset.name)]


async def _named(app: App, user_id: int, guild_id: int | None, name: str) -> Sequence[Preset]:
    presets = await app.store.presets.named(user_id, guild_id, name)
    if not presets:
        raise _unknown_preset(name)
    return presets


async def _run(app: App, user_id: int, key: str | None) -> Run:
    if key is None:
        page = await app.store.history.page(user_id, limit=1)
        run = page.entries[0].first if page.entries else None
    else:
        if not is_key(key):
            raise RefusedError("preset_run_unknown")
        run = await own(app, user_id, key)
    if run is None or run.erased_at is not None:
        raise RefusedError("preset_no_run")
    return run


def _holder(actor: Actor, *, server: bool) -> tuple[Holder, int]:
    if not server:
        return Holder.PERSON, actor.id
    if actor.guild_id is None:
        raise RefusedError("server_only")
    if not actor.person.manages_server:
        raise RefusedError("preset_manage")
    return Holder.SERVER, actor.guild_id


def _name(typed: str) -> str:
    name = strip_invisible(strip_invisible(typed)[:NAME_LENGTH])
    if not name:
        raise InputError("input_required", option="name")
    return name


def _unknown_preset(name: str) -> RefusedError:
    return RefusedError("preset_unknown", name=escape_line(name, NAME_LENGTH))
