"""`/runs`, `/queue`, `/usage` and `/privacy`: a user's own requests and data, and a server's queue."""

from __future__ import annotations

from collections.abc import Callable

import discord
from discord import ButtonStyle, app_commands
from discord.app_commands import Choice
from discord.ext import commands
from discord.ui import LayoutView

from bot.discord_api.channels import member_from_user
from bot.domain.errors import RefusedError
from bot.domain.requests import PAGE_SIZE, RunFilter
from bot.domain.runs import Erased
from bot.domain.text import escape_line
from bot.gateway.client import GenerateBot, tell
from bot.gateway.interactions import Interaction, actor_of, check_start, paged
from bot.gateway.message_files import thumbnails
from bot.gateway.replies import redeliver_here, show_private
from bot.sentences import say
from bot.services import exports, runs
from bot.services.access import is_hidden_here
from bot.ui.custom_ids import EraseId, QueueId, RunListAction, RunsId
from bot.ui.help import usage_layout
from bot.ui.lists import LABEL_LENGTH, may_have_thumbnail, queue_layout, run_label, runs_layout
from bot.ui.message_parts import button, view_of

_FILTERS = [Choice(name=say(f"runs_filter_{each}"), value=each.value) for each in RunFilter]


@paged
async def _runs_page(interaction: Interaction, id: RunsId) -> LayoutView:
    app, actor = interaction.client.app, actor_of(interaction)
    history = app.store.history
    found = await history.page(actor.id, id.run_filter, limit=PAGE_SIZE + 1, offset=id.page * PAGE_SIZE)
    restricted = {entry.first.key for entry in found if is_hidden_here(app, actor, entry.first)}
    shown = {
        entry.first.key: entry.message
        for entry in found[:PAGE_SIZE]
        if entry.message is not None and may_have_thumbnail(entry) and entry.first.key not in restricted
    }
    pictures = await thumbnails(interaction.client, shown)
    title, here = app.catalogue.title, actor.origin.guild_id
    return runs_layout(found, id, title, here=here, pictures=pictures, restricted=restricted)


async def _pressed(interaction: Interaction, id: RunsId) -> None:
    """Answer a button of the list."""
    page = RunsId(id.page, id.run_filter)
    match id.action:
        case RunListAction.PAGE:
            await _runs_page(interaction, page)
        case RunListAction.CANCEL:
            await runs.cancel(interaction.client.app, actor_of(interaction), id.about)
            await _runs_page(interaction, page)
        case RunListAction.OPEN:
            actor = await check_start(interaction)
            interaction.client.check_rate(interaction.user.id)
            reopened = await runs.reopen(interaction.client.app, actor, id.about)
            await show_private(interaction, reopened)
        case RunListAction.REDELIVER:
            if not await redeliver_here(interaction, id.about):
                await _runs_page(interaction, page)
                await tell(interaction, say("post_noted"))


@paged
async def _queue_page(interaction: Interaction, id: QueueId) -> LayoutView:
    if interaction.guild_id is None:
        raise RefusedError("server_only")
    app = interaction.client.app
    queued = await app.store.history.server_queue(
        interaction.guild_id, limit=PAGE_SIZE + 1, offset=id.page * PAGE_SIZE
    )
    title, ends = app.catalogue.title, await interaction.client.estimator.expected_ends(queued)
    return queue_layout(queued, id.page, viewer_id=interaction.user.id, title=title, ends=ends)


class Runs(commands.Cog):
    """The commands. Their answers are ephemeral, so users decide for themselves who sees their runs."""

    @app_commands.command(
        name="runs", description="List your requests, cancel them, or post results that couldn't be posted"
    )
    @app_commands.describe(state="Only requests in this state")
    @app_commands.choices(state=_FILTERS)
    async def runs(self, interaction: Interaction, state: str = RunFilter.ALL.value) -> None:
        await _runs_page(interaction, RunsId(0, RunFilter(state)))

    @app_commands.command(name="queue", description="Show what is running and waiting on this server")
    async def queue(self, interaction: Interaction) -> None:
        await _queue_page(interaction, QueueId(0))

    @app_commands.command(name="usage", description="Show what you have used today, and what is left")
    @app_commands.describe(person="For moderators: somebody else's usage")
    async def usage(self, interaction: Interaction, person: discord.User | None = None) -> None:
        target = member_from_user(person) if person is not None else None
        found = await runs.usage(interaction.client.app, actor_of(interaction), target)
        other = None if target is None or target.id == interaction.user.id else target.id
        await interaction.response.send_message(view=usage_layout(other, *found), ephemeral=True)


_LISTED = 3


def _erased_text(erased: Erased, title: Callable[[str], str]) -> str:
    """Return a text with the numbers of erased requests and presets, and the remaining requests by name."""
    requests, it = ("1 request", "it") if erased.emptied == 1 else (f"{erased.emptied} requests", "they")
    lines = [f"Deleted the contents of {requests}. Moderators still see that {it} existed, and any blocks."]
    if erased.presets:
        lines.append("Deleted your presets.")
    if erased.left:
        names = [escape_line(run_label(run, title), LABEL_LENGTH) for run in erased.left[:_LISTED]]
        if more := len(erased.left) - len(names):
            names.append(f"and {more} more")
        lines.append(say("erase_left", requests="\n".join(f"- {name}" for name in names)))
    return "\n".join(lines)


async def _erase(interaction: Interaction, _id: EraseId) -> None:
    await interaction.response.defer()
    app = interaction.client.app
    erased = await exports.erase(app, interaction.user.id)
    await interaction.edit_original_response(content=_erased_text(erased, app.catalogue.title), view=None)


class Privacy(
    commands.GroupCog, group_name="privacy", group_description="Get or delete what the bot keeps about you"
):
    """The subcommands of `/privacy`. They are also available in direct messages, so that users who have left
    every server can still export and erase their data.
    """

    @app_commands.command(name="export", description="Get what the bot keeps about you, as a file")
    async def export(self, interaction: Interaction) -> None:
        await interaction.response.defer(ephemeral=True, thinking=True)
        export = await exports.export(interaction.client.app, interaction.user.id)
        told = say("export_cut" if export.cut else "export_done")
        await tell(interaction, told, file=("my-data.jsonl", export.data))

    @app_commands.command(
        name="delete", description="Delete your prompts, inputs and outputs from the bot's database"
    )
    async def delete(self, interaction: Interaction) -> None:
        view = view_of([[button("Delete my data", EraseId(), ButtonStyle.danger)]])
        await interaction.response.send_message(say("erase_ask"), view=view, ephemeral=True)


async def setup(bot: GenerateBot) -> None:
    bot.add_handlers(RunsId, _pressed)
    bot.add_handlers(QueueId, _queue_page)
    await bot.add_cog(Runs())
    bot.add_handlers(EraseId, _erase)
    await bot.add_cog(Privacy())
