"""What a moderator does with the panel of `/settings`, and what stands in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import discord

from bot.domain.settings.rules_and_defaults import ServerRules
from bot.store.rules import RuleStore
from tests.discord.rendered import stored, text_of
from tests.harness import Harness

STRING_SELECT = 3


class Moderator:
    """A member with Manage Server; `panel` is the ephemeral message that they have open."""

    def __init__(self, bot: Harness, name: str) -> None:
        self.bot = bot
        self.role = bot.guild.create_role(
            f"{name}'s", permissions=discord.Permissions(manage_guild=True, view_channel=True)
        )
        self.actor = bot.guild.add_member(bot.env.create_user(name), roles=[self.role])
        self.panel: Any = None

    @property
    def text(self) -> str:
        return text_of(self.bot, self.panel)

    @property
    def colour(self) -> int:
        return int(stored(self.bot, self.panel).components[0]["accent_color"])

    async def open(self, section: str = "") -> None:
        result = await self.actor.slash(self.bot.channel, "settings")
        assert result.ephemeral
        self.panel = result.response
        if section:
            await self.choose("home:open", section)

    async def press(self, label: str) -> Any:
        return await self.actor.click(self.panel, label=label)

    async def choose(self, control: str, *values: Any) -> Any:
        """Choose in the select whose custom_id is `set:{control}`."""
        return await self.actor.select(self.panel, list(values), custom_id=f"set:{control}")

    async def fill(self, shown: Any, *texts: str) -> Any:
        """Submit a form with these texts in its boxes, in their order."""
        result = await self.actor.submit_modal(shown, {str(n): text for n, text in enumerate(texts)})
        assert result.acknowledged
        return result

    def defaults(self, control: str) -> list[str]:
        """Return what a select shows as chosen: ids, or the values of its options."""
        (menu,) = [part for part in self.parts() if part.get("custom_id") == f"set:{control}"]
        chosen = [option["value"] for option in menu.get("options", ()) if option.get("default")]
        return chosen + [str(value["id"]) for value in menu.get("default_values", ())]

    def options(self, control: str) -> list[str]:
        """Return the values that a select offers."""
        (menu,) = [part for part in self.parts() if part.get("custom_id") == f"set:{control}"]
        return [option["value"] for option in menu["options"]]

    def is_disabled(self, control: str) -> bool:
        (part,) = [part for part in self.parts() if part.get("custom_id") == f"set:{control}"]
        return bool(part.get("disabled"))

    def parts(self) -> list[dict[str, Any]]:
        return list(_walk(stored(self.bot, self.panel).components))

    def controls(self) -> set[str]:
        """Return the custom_ids in the panel, without their prefix."""
        ids = {str(part["custom_id"]) for part in self.parts() if "custom_id" in part}
        assert all(custom_id.startswith("set:") and len(custom_id) <= 100 for custom_id in ids)
        return {custom_id.removeprefix("set:") for custom_id in ids}


def _walk(components: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [found for part in components for found in (part, *_walk(part.get("components", [])))]


def boxes(shown: Any) -> list[str]:
    """Return the texts in the boxes of a form that was opened."""
    return [part["component"].get("value") or "" for part in shown.modal["components"]]


async def rules_of(bot: Harness) -> ServerRules:
    return await RuleStore(bot.app.store.database).get(bot.guild.id)
