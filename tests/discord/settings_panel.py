"""What a moderator does with the panel of `/settings`, and what stands in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import discord
from simcord.backend.serializers import message_payload
from simcord.enums import InteractionType

from bot.rules import ServerRules
from bot.store.server_rules import RuleStore
from tests.discord.rendered import stored, text_of
from tests.harness import Harness

STRING_SELECT = 3


class Moderator:
    """Mona has Manage Server; `panel` is the ephemeral message that she has open."""

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
        """In the select whose custom_id is `set:{control}`."""
        return await self.actor.select(self.panel, list(values), custom_id=f"set:{control}")

    async def fill(self, shown: Any, *texts: str) -> Any:
        """The boxes of a form, in their order."""
        result = await self.actor.submit_modal(shown, {str(n): text for n, text in enumerate(texts)})
        assert result.acknowledged
        return result

    def defaults(self, control: str) -> list[str]:
        """What a select shows as chosen: ids, or the values of its options."""
        (menu,) = [part for part in self.parts() if part.get("custom_id") == f"set:{control}"]
        chosen = [option["value"] for option in menu.get("options", ()) if option.get("default")]
        return chosen + [str(value["id"]) for value in menu.get("default_values", ())]

    def options(self, control: str) -> list[str]:
        """The values that a select offers."""
        (menu,) = [part for part in self.parts() if part.get("custom_id") == f"set:{control}"]
        return [option["value"] for option in menu["options"]]

    def parts(self) -> list[dict[str, Any]]:
        return list(_walk(stored(self.bot, self.panel).components))

    def controls(self) -> set[str]:
        """The custom_ids in the panel, without their prefix."""
        ids = {str(part["custom_id"]) for part in self.parts() if "custom_id" in part}
        assert all(custom_id.startswith("set:") and len(custom_id) <= 100 for custom_id in ids)
        return {custom_id.removeprefix("set:") for custom_id in ids}


def _walk(components: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [found for part in components for found in (part, *_walk(part.get("components", [])))]


def boxes(shown: Any) -> list[str]:
    """What stands in a form that was opened."""
    return [part["component"].get("value") or "" for part in shown.modal["components"]]


def moderator(bot: Harness, name: str = "mona") -> Moderator:
    return Moderator(bot, name)


async def rules_of(bot: Harness) -> ServerRules:
    return await RuleStore(bot.app.store.database).get(bot.guild.id)


async def select_as(bot: Harness, actor: Any, message: Any, custom_id: str, *values: str) -> Any:
    """A choice that no panel offers: from a stranger, stale, or forged."""
    payload = dict(message_payload(bot.env.backend, stored(bot, message)))
    options = [{"label": value or "?", "value": value or "?"} for value in (values or ("x",))]
    menu = {"type": STRING_SELECT, "custom_id": custom_id, "options": options}
    payload["components"] = [{"type": 1, "components": [menu]}]
    return await actor._dispatch_interaction(
        InteractionType.MESSAGE_COMPONENT,
        bot.channel,
        {"custom_id": custom_id, "component_type": STRING_SELECT, "values": list(values)},
        extra={"message": payload},
        source_message_id=message.id,
    )


async def send_form(bot: Harness, actor: Any, message: Any, custom_id: str, *texts: str) -> Any:
    """A form that was never shown."""
    components = [
        {"type": 18, "id": n, "component": {"type": 4, "id": n + 50, "custom_id": str(n), "value": text}}
        for n, text in enumerate(texts)
    ]
    return await actor._dispatch_interaction(
        InteractionType.MODAL_SUBMIT,
        bot.channel,
        {"custom_id": custom_id, "components": components},
        extra={"message": dict(message_payload(bot.env.backend, stored(bot, message)))},
        source_message_id=message.id,
    )
