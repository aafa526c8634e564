"""The commands behind Details, which repeat a request when they are pasted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from bot.deployments.batches import repeatable_inputs
from bot.deployments.catalogue import Catalogue
from bot.deployments.command_plan import CommandPlan
from bot.deployments.input_text import Commands, command_line
from bot.deployments.model import Deployment, deployment_of
from bot.deployments.options import PRESET_OPTION
from bot.domain.presets import Preset
from bot.domain.requests import Requester
from bot.domain.runs import InputValue, Run
from bot.services.presets.inputs import gives, left_to_type
from bot.store import Store


@dataclass(frozen=True, slots=True)
class _Default:
    """A channel's default preset, and whether `preset` in `/generate` would find it by its name."""

    preset: Preset
    is_found: bool


class RepeatCommands:
    """Builds the commands that repeat requests. Methods raise StoreUnavailable."""

    def __init__(self, store: Store, catalogue: Catalogue) -> None:
        self._store = store
        self._catalogue = catalogue

    async def of(self, run: Run, requester: Requester) -> Commands | None:
        """Return the commands that repeat a run and its batch if this user pastes them in this channel.

        Returns None if the run's deployment is gone, or its inputs were erased.
        """
        deployment = deployment_of(run, self._catalogue.all())
        if deployment is None or run.erased_at is not None:
            return None
        plan, default = self._catalogue.plan, await self._default(deployment, requester)
        line, works = _command(plan, deployment, run, run.inputs, default)
        count, batch, new_seeds = min(run.count, deployment.max_count), None, False
        if count > 1:
            inputs = repeatable_inputs(deployment, await self._store.runs.batch(run))
            new_seeds = inputs.keys() != run.inputs.keys()
            batch, batch_works = _command(plan, deployment, run, inputs, default, count=count)
            works = works and batch_works
        changing = None if works or default is None else default.preset.name
        return Commands(line, batch, changing, new_seeds)

    async def _default(self, deployment: Deployment, requester: Requester) -> _Default | None:
        """Return the channel's default preset if it is for the deployment."""
        guild_id, presets = requester.origin.guild_id, self._store.presets
        default = await presets.channel_default(guild_id, requester.channel_ids)
        if default is None or default.preset.deployment != deployment.name:
            return None
        same_name = await presets.named(requester.person.id, guild_id, default.preset.name)
        found = next((each for each in same_name if each.deployment == deployment.name), None)
        return _Default(default.preset, found == default.preset)


def _command(
    plan: CommandPlan,
    deployment: Deployment,
    run: Run,
    inputs: Mapping[str, InputValue],
    default: _Default | None,
    *,
    count: int = 1,
) -> tuple[str, bool]:
    """Return the command, and whether it repeats the request although the channel has this default.

    The command names all values or, if the default would change them, the default and the other values.
    """
    line = partial(command_line, plan, deployment, count=count, private=run.private)
    all_values = line(inputs, run.gpu)
    if default is None or gives(deployment, default.preset, inputs, run.gpu, (inputs, run.gpu)):
        return all_values, True
    spec = plan.command(deployment.name)
    option = spec.option_for(PRESET_OPTION.name) if spec is not None else None
    if spec is None or option is None or option.key is not None or not default.is_found:
        return all_values, False
    required = {each.name for each in spec.options if each.required}
    typed = left_to_type(deployment, default.preset, inputs, run.gpu, required)
    if typed is None:
        return all_values, False
    return line(*typed, preset=default.preset.name), True
