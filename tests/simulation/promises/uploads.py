"""A promise: the bot fetches no files of a blocked person."""

from __future__ import annotations

from collections.abc import Iterator

from tests.fakediscord.world import Attachment
from tests.simulation.evidence import Evidence
from tests.simulation.promises.shared import Broken
from tests.simulation.story import Press

_BLOCKED = "can't generate"


def at_the_end(evidence: Evidence) -> Iterator[Broken]:
    fetched = set(evidence.story.world.discord.fetched)
    for press in evidence.story.presses:
        files = [each for each in (press.values or {}).values() if isinstance(each, Attachment)]
        if any(file.id in fetched for file in files) and _is_blocked(evidence, press):
            yield Broken("a blocked person's files aren't fetched", press.custom_id, f"of {press.who}")


def _is_blocked(evidence: Evidence, press: Press) -> bool:
    """Return whether a person was certainly blocked when they submitted a form on a server."""
    story, guild = evidence.story, press.message.channel.guild
    if guild is None or any("unblock" in name for _, name, *_ in story.commands):
        return False
    if any(other.label == "Unblock" for other in story.presses):
        return False
    return any(
        command.name == "block"
        and command.interaction.channel.guild is guild
        and command.options.get("user") is story.world.person(press.who)
        and _BLOCKED in command.interaction.text
        and (command.interaction.answered_at or press.at) < press.at
        for command in story.commands
    )
