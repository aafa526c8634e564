"""The service behind presets: keeps them, and asks the front desk with them, whose checks all hold."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bot.deployments.inputs import RawValue
from bot.deployments.model import Deployment
from bot.deployments.options import CHOICES, OptionChoice
from bot.domain.errors import InputError, RefusedError, StoreUnavailable
from bot.domain.requests import NAME_LENGTH, Holder, Member, Preset, Requester, folded
from bot.domain.runs import Run
from bot.domain.text import escape_line, strip_invisible
from bot.services.generation import GenerationService
from bot.services.preset_inputs import apply_preset, kept_inputs, prompt_input
from bot.store import Store
from bot.ui.lists import run_label

log = logging.getLogger(__name__)
_RUNS_SUGGESTED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class PresetDraft:
    """What is to be saved: of which run (None: the latest), with which prompt (None: the run's own)."""

    name: str
    run_key: str | None = None
    prompt: str | None = None
    seed: bool = False
    server: bool = False


@dataclass(frozen=True, slots=True)
class SavedPreset:
    preset: Preset
    replaced: bool
    files_left: bool


@dataclass(frozen=True, slots=True)
class PresetRun:
    """A run made with a preset, and what of the preset was left out."""

    run: Run
    preset: Preset
    dropped: Sequence[str]


class PresetService:
    """Raises InputError or RefusedError with a sentence, or StoreUnavailable; then nothing was changed."""

    def __init__(self, desk: GenerationService, store: Store, clock: Callable[[], datetime]) -> None:
        self._desk = desk
        self._store = store
        self._clock = clock
        self._memory = PresetCache(store.presets.visible, clock)

    async def save(self, person: Member, guild_id: int | None, wish: PresetDraft) -> SavedPreset:
        """Keeps a run's inputs; one's own, or with Manage Server the server's."""
        holder, holder_id = _holder(person, guild_id, server=wish.server)
        run = await self._run(person.id, wish.run_key)
        deployment = self._desk.offered(run.deployment)
        kept = kept_inputs(deployment, run.inputs, seed=wish.seed, prompt=wish.prompt)
        now = self._clock()
        preset = Preset(
            holder=holder,
            holder_id=holder_id,
            name=_name(wish.name),
            deployment=deployment.name,
            inputs=kept.inputs,
            gpu=run.gpu,
            created_at=now,
            created_by=person.id,
        )
        return SavedPreset(preset, await self._put(preset, now), kept.files)

    async def share(self, person: Member, guild_id: int | None, name: str) -> Preset:
        """Gives the server a copy of one's own."""
        holder, holder_id = _holder(person, guild_id, server=True)
        found = await self._named(person.id, None, name)
        now = self._clock()
        shared = replace(found[0], holder=holder, holder_id=holder_id, created_at=now, created_by=person.id)
        await self._put(shared, now)
        return shared

    async def delete(self, person: Member, guild_id: int | None, name: str, *, server: bool) -> None:
        holder, holder_id = _holder(person, guild_id, server=server)
        removed = await self._store.presets.remove(holder, holder_id, name, by=person.id, now=self._clock())
        self._memory.forget(holder, holder_id)
        if not removed:
            raise _unknown(name)

    async def use(self, name: str, prompt: str | None, requester: Requester) -> PresetRun:
        """Generates with nothing but the preset and perhaps a prompt; one's own goes before the server's."""
        found = await self._named(requester.person.id, requester.origin.guild_id, name)
        deployment = self._desk.offered(found[0].deployment)
        given: dict[str, RawValue] = {}
        if prompt is not None:
            item = prompt_input(deployment)
            if item is None:
                raise InputError("preset_no_prompt", title=escape_line(deployment.title, 60))
            given[item.option] = prompt
        return await self._generate(deployment, found[0], given, requester)

    async def generate(
        self, deployment: str, name: str, given: Mapping[str, RawValue], requester: Requester
    ) -> PresetRun:
        """`/generate` with its `preset` option: what was typed wins."""
        found = await self._named(requester.person.id, requester.origin.guild_id, name)
        preset = next((one for one in found if one.deployment == deployment), None)
        if preset is None:
            title = escape_line(self._desk.title(found[0].deployment), 60)
            raise RefusedError("preset_elsewhere", name=escape_line(name, NAME_LENGTH), title=title)
        return await self._generate(self._desk.offered(deployment), preset, given, requester)

    async def page(self, user_id: int, guild_id: int | None, page: int) -> tuple[Sequence[Preset], bool]:
        """What a person can use here: one page, counted from 0, and whether there are more."""
        found = await self._store.presets.visible(user_id, guild_id)
        start = page * PRESETS_SHOWN
        return found[start : start + PRESETS_SHOWN], len(found) > start + PRESETS_SHOWN

    async def suggest(
        self, user_id: int, guild_id: int | None, typed: str, deployment: str | None = None
    ) -> Sequence[OptionChoice]:
        """From memory: one's own first, then the server's; nothing while the store is away."""
        try:
            found = await self._memory.visible(user_id, guild_id)
        except StoreUnavailable as error:
            log.warning("no presets can be suggested: %s", error)
            return ()
        wanted = folded(typed)
        names: dict[str, str] = {}
        for one in found:  # one's own hides the server's of the same name
            if deployment in (None, one.deployment) and wanted in folded(one.name):
                names.setdefault(folded(one.name), one.name)
        return [OptionChoice(name, name) for name in names.values()][:CHOICES]

    async def suggest_runs(self, user_id: int, typed: str) -> Sequence[OptionChoice]:
        """For autocomplete: one's latest requests."""
        try:
            page = await self._store.history.page(user_id, limit=_RUNS_SUGGESTED)
        except StoreUnavailable as error:
            log.warning("no requests can be suggested: %s", error)
            return ()
        wanted = folded(typed)
        found = [(run_label(entry.run, self._desk.title), entry.run) for entry in page.entries]
        return [OptionChoice(label, run.key) for label, run in found if wanted in label.casefold()]

    async def _put(self, preset: Preset, now: datetime) -> bool:
        replaced = await self._store.presets.put(preset, now)
        self._memory.forget(preset.holder, preset.holder_id)
        return replaced

    async def _generate(
        self, deployment: Deployment, preset: Preset, given: Mapping[str, RawValue], requester: Requester
    ) -> PresetRun:
        applied = apply_preset(deployment, preset, given)
        try:
            run = await self._desk.generate(deployment.name, applied.given, requester)
        except InputError as error:
            raise self._lacking(error, preset) from error
        return PresetRun(run, preset, applied.dropped)

    def _lacking(self, error: InputError, preset: Preset) -> InputError:
        """A preset can't hold files, and may lack what has become required: `/generate` can be given it."""
        spec = self._desk.plan.command(preset.deployment)
        if error.code != "input_required" or spec is None:
            return error
        return InputError(
            "preset_needs",
            name=escape_line(preset.name, NAME_LENGTH),
            path=self._desk.plan.path(spec),
            option=error.params.get("option"),
        )

    async def _named(self, user_id: int, guild_id: int | None, name: str) -> Sequence[Preset]:
        found = await self._store.presets.named(user_id, guild_id, name)
        if not found:
            raise _unknown(name)
        return found

    async def _run(self, user_id: int, key: str | None) -> Run:
        if key is None:
            page = await self._store.history.page(user_id, limit=1)
            run = page.entries[0].run if page.entries else None
        else:
            run = await self._store.runs.get(key)
            if run is None or run.requester_id != user_id:
                raise RefusedError("run_gone")
        if run is None or not run.inputs:
            raise RefusedError("preset_no_run")
        return run


def _holder(person: Member, guild_id: int | None, *, server: bool) -> tuple[Holder, int]:
    if not server:
        return Holder.PERSON, person.id
    if guild_id is None:
        raise RefusedError("server_only")
    if not person.manages_server:
        raise RefusedError("preset_manage")
    return Holder.SERVER, guild_id


def _name(typed: str) -> str:
    name = strip_invisible(typed)[:NAME_LENGTH].strip()
    if not name:
        raise InputError("input_required", option="name")
    return name


def _unknown(name: str) -> RefusedError:
    return RefusedError("preset_unknown", name=escape_line(name, NAME_LENGTH))


# How late what another process saved or deleted may be suggested, or not.
KEPT = timedelta(seconds=10)
_MOST = 1000
Fetch = Callable[[int, int | None], Awaitable[Sequence[Preset]]]
CacheKey = tuple[int, int | None]


class PresetCache:
    """What `fetch` found by (person, server). Only for suggestions: whatever counts asks the store."""

    def __init__(self, fetch: Fetch, clock: Callable[[], datetime]) -> None:
        self._fetch = fetch
        self._clock = clock
        self._kept: OrderedDict[CacheKey, tuple[datetime, Sequence[Preset]]] = OrderedDict()
        self._changes = 0

    async def visible(self, user_id: int, guild_id: int | None) -> Sequence[Preset]:
        """Raises StoreUnavailable."""
        place = (user_id, guild_id)
        kept = self._kept.get(place)
        if kept is not None and self._clock() - kept[0] < KEPT:
            return kept[1]
        changes, asked_at = self._changes, self._clock()
        found = await self._fetch(user_id, guild_id)
        if changes == self._changes:  # else it may have been read before the change
            self._kept[place] = (asked_at, found)
            self._kept.move_to_end(place)
            if len(self._kept) > _MOST:
                self._kept.popitem(last=False)
        return found

    def forget(self, holder: Holder, holder_id: int) -> None:
        """Something of theirs has changed."""
        self._changes += 1
        which = 0 if holder is Holder.PERSON else 1
        for place in [place for place in self._kept if place[which] == holder_id]:
            del self._kept[place]


PRESETS_SHOWN = 10
