"""Steps of tests about presets."""

from __future__ import annotations

from typing import Any

from bot.domain.presets import Holder
from tests.discord.rendered import refusal
from tests.harness import Harness
from tests.unit.factories import made_preset


async def told(bot: Harness, actor: Any, command: str, channel: Any = None, **given: Any) -> str:
    return refusal(bot, await actor.slash(channel or bot.channel, f"preset {command}", **given))


async def share(bot: Harness, name: str = "noir", *, deployment: str = "default", **inputs: str) -> None:
    """Save a preset for the server, by default with the style ink."""
    inputs = inputs or {"style": "ink"}
    preset = made_preset(
        name, holder=Holder.SERVER, holder_id=bot.guild.id, deployment=deployment, inputs=inputs
    )
    await bot.app.store.presets.put(preset, bot.clock())
