"""`/runs`: what became of one's own requests, in pages, with what can still be done about them."""

from __future__ import annotations

import re
from typing import Any

import discord
from discord import app_commands
from discord.app_commands import Choice
from discord.ext import commands
from discord.ui import Button, DynamicItem, Item, LayoutView, Select

from bot.domain.errors import RefusedError
from bot.domain.runs import RunsPage
from bot.gateway.client import GenerateBot, tell
from bot.gateway.dynamic_items import page_button, reporting_errors, selected_values, show_list
from bot.gateway.interactions import (
    Interaction,
    is_user_install_only,
    member_from_user,
    member_of,
    rules_guild_id,
)
from bot.gateway.replies import redeliver_here, send_placeholder
from bot.services.runs import RunService
from bot.strings import say
from bot.ui.custom_ids import RUN_FILTERS, RUNS_PATTERN, RunListAction, newest, read_runs_id
from bot.ui.lists import QUEUE_PATTERN, queue_layout, runs_layout, usage_layout

_FILTERS = [Choice(name=say(f"runs_filter_{wanted}"), value=wanted.value) for wanted in RUN_FILTERS]


async def _page(interaction: Interaction, place: RunsPage) -> discord.ui.LayoutView:
    """Always of the person who asks or presses."""
    services = interaction.client.services
    found = await services.runs.history(interaction.user.id, place)
    layout = runs_layout(found, place, services.catalogue.title, here=rules_guild_id(interaction))
    layout.stop()  # answered by custom_id
    return layout


class RunsControl(DynamicItem[Item[Any]], template=RUNS_PATTERN):
    """A page button or a menu under the list; everything it needs is in its custom_id."""

    def __init__(self, item: Item[Any], match: re.Match[str]) -> None:
        super().__init__(item)
        self.control = RunListAction(match["control"])
        self.match_ = match

    @classmethod
    async def from_custom_id(
        cls, _interaction: discord.Interaction[Any], item: Item[Any], match: re.Match[str], /
    ) -> RunsControl:
        return cls(item if isinstance(item, Button | Select) else Button(custom_id=match.string), match)

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        async with reporting_errors(interaction):
            await self._act(interaction)

    async def _act(self, interaction: Interaction) -> None:
        place = read_runs_id(self.match_)
        if self.control is not RunListAction.PAGE:
            await _ACTS[self.control](interaction, _chosen(interaction))
        if self.control is RunListAction.POST and is_user_install_only(interaction):
            await send_placeholder(interaction, _chosen(interaction))
            return
        await interaction.response.edit_message(view=await _page(interaction, place))
        if self.control is RunListAction.POST:
            await tell(interaction, say("post_noted"))


def _chosen(interaction: Interaction) -> str:
    values = selected_values(interaction)
    if not values:
        raise RefusedError("list_stale", "nothing was chosen")
    return str(values[0])


async def _cancel(interaction: Interaction, key: str) -> None:
    await interaction.client.services.runs.cancel(key, interaction.user.id)


_ACTS = {RunListAction.CANCEL: _cancel, RunListAction.POST: redeliver_here}


class Runs(commands.Cog):
    """Ephemeral: what somebody generates is theirs to show."""

    def __init__(self, bot: GenerateBot) -> None:
        self._bot = bot

    async def cog_load(self) -> None:
        self._bot.add_dynamic_items(RunsControl)

    async def cog_unload(self) -> None:
        self._bot.remove_dynamic_items(RunsControl)

    @app_commands.command(name="runs", description=say("command_runs"))
    @app_commands.describe(state=say("option_runs_state"))
    @app_commands.choices(state=_FILTERS)
    async def runs(self, interaction: Interaction, state: str = RUN_FILTERS[0].value) -> None:
        layout = await _page(interaction, newest(state))
        await interaction.response.send_message(view=layout, ephemeral=True)


async def _layout(interaction: Interaction, page: int) -> LayoutView:
    if interaction.guild_id is None:
        raise RefusedError("server_only")
    services = interaction.client.services
    found, more = await services.runs.queue(interaction.guild_id, page)
    title = services.catalogue.title
    return queue_layout(found, page, more=more, viewer_id=interaction.user.id, title=title)


_QueueButton = page_button(QUEUE_PATTERN, _layout)


class Queue(commands.Cog):
    """Ephemeral: who asks sees their own prompts in it."""

    def __init__(self, bot: GenerateBot) -> None:
        self._bot = bot

    async def cog_load(self) -> None:
        self._bot.add_dynamic_items(_QueueButton)

    async def cog_unload(self) -> None:
        self._bot.remove_dynamic_items(_QueueButton)

    @app_commands.command(name="queue", description=say("command_queue"))
    @app_commands.guild_only()
    async def queue(self, interaction: Interaction) -> None:
        await show_list(interaction, _layout)


class Usage(commands.Cog):
    """Ephemeral: what somebody uses is theirs and the moderators' to know."""

    def __init__(self, runs: RunService) -> None:
        self._runs = runs

    @app_commands.command(name="usage", description=say("command_usage"))
    @app_commands.describe(person=say("option_usage_person"))
    async def usage(self, interaction: Interaction, person: discord.User | None = None) -> None:
        view = await self._runs.usage(
            rules_guild_id(interaction),
            member_of(interaction),
            member_from_user(person) if person is not None else None,
        )
        await interaction.response.send_message(view=usage_layout(view), ephemeral=True)


async def setup(bot: GenerateBot) -> None:
    await bot.add_cog(Runs(bot))
    await bot.add_cog(Queue(bot))
    await bot.add_cog(Usage(bot.services.runs))
