"""Use the panel of `/settings` as a moderator does, and read what it shows."""

from __future__ import annotations

from typing import Any

import discord

from bot.domain.settings.rules_and_defaults import ServerRules
from tests.discord.actors import member
from tests.discord.rendered import stored, text_of, walk
from tests.harness import Harness
from tests.questions import rules


class Panel:
    """The panel of `/settings`, which the moderator `actor` has open as the ephemeral `message`."""

    def __init__(self, bot: Harness, name: str = "mona") -> None:
        self.bot = bot
        rights = discord.Permissions(manage_guild=True, view_channel=True)
        self.role = bot.guild.create_role(f"{name}'s", permissions=rights)
        self.actor = member(bot, name, self.role)
        self.message: Any = None

    @property
    def text(self) -> str:
        return text_of(self.bot, self.message)

    @property
    def colour(self) -> int:
        return int(stored(self.bot, self.message).components[0]["accent_color"])

    async def open(self, section: str = "") -> None:
        result = await self.actor.slash(self.bot.channel, "settings")
        assert result.ephemeral
        self.message = result.response
        if section:
            await self.choose("home:open", section)

    async def turn_to(self, section: str) -> None:
        """Go back to the overview and open a section."""
        await self.press("Back")
        await self.choose("home:open", section)

    async def press(self, label: str) -> Any:
        return await self.actor.click(self.message, label=label)

    async def choose(self, control: str, *values: Any) -> Any:
        """Choose in the select whose custom_id is `set:{control}`, which takes a person some seconds."""
        self.bot.clock.move(seconds=6)
        return await self.actor.select(self.message, list(values), custom_id=f"set:{control}")

    async def fill(self, shown: Any, *texts: str) -> Any:
        """Submit a form with these texts in its boxes, in their order."""
        result = await self.actor.submit_modal(shown, {str(n): text for n, text in enumerate(texts)})
        assert result.acknowledged
        return result

    def defaults(self, control: str) -> list[str]:
        """Return what a select shows as chosen: ids, or the values of its options."""
        menu = self.part(control)
        chosen = [option["value"] for option in menu.get("options", ()) if option.get("default")]
        return chosen + [str(value["id"]) for value in menu.get("default_values", ())]

    def options(self, control: str) -> list[str]:
        """Return the values that a select offers."""
        return [option["value"] for option in self.part(control)["options"]]

    def parts(self) -> list[dict[str, Any]]:
        return list(walk(stored(self.bot, self.message).components))

    def part(self, control: str) -> dict[str, Any]:
        (found,) = [part for part in self.parts() if part.get("custom_id") == f"set:{control}"]
        return found

    def controls(self) -> set[str]:
        """Return the custom_ids in the panel, without their prefix."""
        ids = {str(part["custom_id"]) for part in self.parts() if "custom_id" in part}
        assert all(custom_id.startswith("set:") and len(custom_id) <= 100 for custom_id in ids)
        return {custom_id.removeprefix("set:") for custom_id in ids}


def boxes(shown: Any) -> list[str]:
    """Return the texts in the boxes of a form that was opened."""
    return [part["component"].get("value") or "" for part in shown.modal["components"]]


async def rules_of(bot: Harness) -> ServerRules:
    return await rules(bot.database, bot.guild.id)
