"""Steps of tests about presets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tests.discord.rendered import refusal, text_of
from tests.harness import Harness
from tests.questions import insert_preset


async def told(bot: Harness, actor: Any, command: str, where: Any = None, /, **given: Any) -> str:
    return refusal(bot, await actor.slash(where or bot.channel, f"preset {command}", **given))


async def limits(bot: Harness, actor: Any, where: Any = None) -> str:
    """Return the text of *My limits* in /help."""
    shown = await actor.slash(where or bot.channel, "help")
    await actor.click(shown.response, label="My limits")
    return text_of(bot, shown.response)


async def share(
    bot: Harness,
    name: str = "noir",
    *,
    deployment: str = "default",
    default_in: Iterable[Any] = (),
    by: Any = None,
    **inputs: str,
) -> None:
    """Store a preset of the server, by default with the style ink, as the default of channels."""
    await insert_preset(
        bot.database,
        name,
        inputs or {"style": "ink"},
        deployment=deployment,
        guild_id=bot.guild.id,
        default_in=[channel.id for channel in default_in],
        by=by.id if by is not None else 1,
        at=bot.clock(),
    )


async def keep(
    bot: Harness,
    person: Any,
    name: str,
    *,
    deployment: str = "default",
    gpu: str | None = None,
    **inputs: Any,
) -> None:
    """Store a preset of a person."""
    own = {"person_id": person.id, "by": person.id}
    await insert_preset(bot.database, name, inputs, deployment=deployment, gpu=gpu, at=bot.clock(), **own)
