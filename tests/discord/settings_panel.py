"""Use the panel of `/settings` as a moderator does, and read what it shows."""

from __future__ import annotations

from typing import Any

import discord
from simcord.builders import ChannelHandle, RoleHandle

from bot.domain.settings.rules_and_defaults import ServerRules
from bot.ui.custom_ids import SettingId
from tests.discord.actors import member
from tests.discord.rendered import stored, text_of, walk
from tests.harness import Harness
from tests.questions import rules

ROLE_SELECT, CHANNEL_SELECT, CHECKBOX, TEXT_INPUT = 6, 8, 23, 4


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

    async def open(self) -> None:
        result = await self.actor.slash(self.bot.channel, "settings")
        assert result.ephemeral
        self.message = result.response

    async def press(self, label: str) -> Any:
        return await self.actor.click(self.message, label=label)

    async def change(self, section: str) -> Any:
        """Press Change beside a section of the overview."""
        self.bot.clock.move(seconds=6)
        return await self.actor.click(self.message, custom_id=SettingId(section, "open").encode())

    async def choose(self, section: str, *values: Any) -> Any:
        """Choose what to change in a section of the panel, which takes a person some seconds."""
        self.bot.clock.move(seconds=6)
        custom_id = SettingId(section, "key").encode()
        return await self.actor.select(self.message, list(values), custom_id=custom_id)

    async def fill(self, shown: Any, **changed: Any) -> Any:
        """Submit a form with changes by the names of its boxes, and with all else as it is shown."""
        values = {
            component["custom_id"]: changed.pop(name, self._untouched(component))
            for name, component in boxes(shown).items()
        }
        assert not changed, f"the form has no {changed}: {list(boxes(shown))}"
        result = await self.actor.submit_modal(shown, values)
        assert result.acknowledged
        return result

    async def set(self, section: str, **changed: Any) -> Any:
        """Open the overview and submit a section's form with changes."""
        await self.open()
        return await self.fill(await self.change(section), **changed)

    def _untouched(self, component: dict[str, Any]) -> Any:
        chosen = self.chosen(component)
        if component["type"] == TEXT_INPUT:
            return "".join(chosen)
        if component["type"] == CHECKBOX:
            return bool(chosen)
        backend, guild = self.bot.env.backend, self.bot.guild
        if component["type"] == ROLE_SELECT:
            roles = backend.get_guild(guild.id).roles
            return [RoleHandle(self.bot.env, guild, roles[int(id)]) for id in chosen]
        if component["type"] == CHANNEL_SELECT:
            return [ChannelHandle(self.bot.env, guild, backend.get_channel(int(id))) for id in chosen]
        return chosen

    @staticmethod
    def chosen(component: dict[str, Any]) -> list[str]:
        """Return what a part of a form shows as chosen: ids, the values of options, or its text."""
        if component["type"] == TEXT_INPUT:
            return [component["value"]] if component.get("value") else []
        if component["type"] == CHECKBOX:
            return ["yes"] if component.get("default") else []
        found = [option["value"] for option in component.get("options", ()) if option.get("default")]
        return found + [str(value["id"]) for value in component.get("default_values", ())]

    def parts(self) -> list[dict[str, Any]]:
        return list(walk(stored(self.bot, self.message).components))

    def controls(self) -> set[str]:
        """Return the sections and actions of the controls in the panel."""
        ids = [SettingId.read(str(part["custom_id"])) for part in self.parts() if "custom_id" in part]
        return {f"{id.section}:{id.action}" for id in ids if id is not None}


def boxes(shown: Any) -> dict[str, dict[str, Any]]:
    """Return the parts of a form by the last word of their setting's path, with the box's own name if any.

    Several parts may have the same name, such as the roles that may use something: `gpu_roles` and
    `gpu_roles_all`.
    """
    assert shown.modal is not None, "no form was opened"
    found = {}
    for label in shown.modal["components"]:
        component = label["component"]
        path, name, _ = component["custom_id"].split(":")
        last = path.rpartition(".")[2]
        found[last if name in ("", "0") else f"{last}_{name}"] = component
    return found


async def rules_of(bot: Harness) -> ServerRules:
    return await rules(bot.database, bot.guild.id)
