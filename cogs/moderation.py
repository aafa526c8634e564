"""`/block`, `/unblock` and `/blocked`, and the forms that ask for a reason; `/pause`, `/resume`, `/reload`,
for the bot's owner.
"""

from __future__ import annotations

from collections.abc import Sequence

import discord
from discord import app_commands
from discord.app_commands import Choice, Range
from discord.ext import commands
from discord.ui import LayoutView

from bot.discord_api.channels import member_from_user
from bot.domain.errors import RefusedError, StartupError
from bot.domain.moderation import BLOCK_DURATIONS, UNTIL_UNBLOCKED
from bot.domain.text import escape_line, shorten
from bot.gateway.client import GenerateBot, tell
from bot.gateway.interactions import Interaction, actor_of, paged, typed_values
from bot.sentences import say
from bot.services import moderation
from bot.services.reloading import ReloadResult
from bot.ui.custom_ids import BlockedId, UnblockId
from bot.ui.forms import DURATION_FIELD, NOTE_FIELD, REASON_FIELD
from bot.ui.lists import block_confirmation, blocked_layout
from bot.ui.message_parts import fitting

_CHOICES = [Choice(name=say(f"duration_{name}"), value=name) for name in BLOCK_DURATIONS]


@paged
async def _page(interaction: Interaction, id: BlockedId | UnblockId) -> LayoutView:
    """Build a page, or the page before it if it has become empty."""
    app, actor, page = interaction.client.app, actor_of(interaction), id.page
    found = await moderation.blocked(app, actor, page)
    if page and not found:
        page -= 1
        found = await moderation.blocked(app, actor, page)
    return blocked_layout(found, page)


async def _unblock(interaction: Interaction, id: UnblockId) -> None:
    await moderation.unblock(interaction.client.app, actor_of(interaction), id.user_id)
    await _page(interaction, id)
    await tell(interaction, say("unblock_done", person=id.user_id))


class Blocks(commands.Cog):
    """The commands `/block`, `/unblock` and `/blocked`. A member's roles come from the interaction."""

    @app_commands.command(name="block", description="Keep somebody from generating on this server")
    @app_commands.describe(
        person="The person to block",
        reason="The reason, which the person reads",
        duration="The length of the block; without it, until somebody unblocks them",
    )
    @app_commands.choices(duration=_CHOICES)
    @app_commands.default_permissions(manage_guild=True)
    async def block(
        self,
        interaction: Interaction,
        person: discord.User,
        reason: Range[str, 1, 300],
        duration: str = UNTIL_UNBLOCKED,
    ) -> None:
        if person.bot:
            raise RefusedError("block_bot")
        app, actor, target = interaction.client.app, actor_of(interaction), member_from_user(person)
        done = await moderation.block(app, actor, target, reason=reason, duration=BLOCK_DURATIONS[duration])
        await tell(interaction, block_confirmation(*done))

    @app_commands.command(name="unblock", description="Let somebody generate here again")
    @app_commands.describe(person="The person to unblock")
    @app_commands.default_permissions(manage_guild=True)
    async def unblock(self, interaction: Interaction, person: discord.User) -> None:
        await moderation.unblock(interaction.client.app, actor_of(interaction), person.id)
        await tell(interaction, say("unblock_done", person=person.id))

    @app_commands.command(name="blocked", description="List the people who can't generate on this server")
    @app_commands.default_permissions(manage_guild=True)
    async def blocked(self, interaction: Interaction) -> None:
        await _page(interaction, BlockedId(0))


def _typed(interaction: Interaction, field: str) -> str:
    return str(typed_values(interaction).get(field, "")).strip()


async def reject_sent(interaction: Interaction, key: str) -> None:
    """Reject a request. The messenger changes the card."""
    reason = _typed(interaction, REASON_FIELD)
    await moderation.reject(interaction.client.app, actor_of(interaction), key, reason)


async def block_sent(interaction: Interaction, key: str) -> None:
    app, actor, reason = interaction.client.app, actor_of(interaction), _typed(interaction, REASON_FIELD)
    duration = BLOCK_DURATIONS[_typed(interaction, DURATION_FIELD) or UNTIL_UNBLOCKED]
    done = await moderation.block_requester(app, actor, key, reason=reason, duration=duration)
    await tell(interaction, block_confirmation(*done))


async def report_sent(interaction: Interaction, key: str) -> None:
    interaction.client.check_rate(interaction.user.id)
    reason, note = _typed(interaction, REASON_FIELD), _typed(interaction, NOTE_FIELD)
    accepted = await moderation.report(interaction.client.app, actor_of(interaction), key, reason, note)
    await tell(interaction, say("report_noted" if accepted else "report_looked_at"))


_REASON = 300


class Owner(commands.Cog):
    """The commands, shown to administrators, and to others only in direct messages."""

    @app_commands.command(
        name="pause", description="For the bot's owner: accept and start nothing, on every server"
    )
    @app_commands.describe(reason="The reason, shown to everybody who requests something")
    @app_commands.default_permissions(administrator=True)
    async def pause(self, interaction: Interaction, reason: Range[str, 1, _REASON]) -> None:
        await _require_owner(interaction)
        # Every refused requester sees the reason, so it is stored in the form that may be shown.
        shown = escape_line(reason, _REASON)
        await moderation.pause(interaction.client.app, interaction.user.id, shown)
        await tell(interaction, say("pause_done", reason=shown))

    @app_commands.command(name="resume", description="For the bot's owner: accept requests again")
    @app_commands.default_permissions(administrator=True)
    async def resume(self, interaction: Interaction) -> None:
        await _require_owner(interaction)
        await moderation.resume(interaction.client.app, interaction.user.id)
        await tell(interaction, "I accept requests again, and start those that waited.")

    @app_commands.command(name="reload", description="For the bot's owner: read deployments.toml again")
    @app_commands.default_permissions(administrator=True)
    async def reload(self, interaction: Interaction) -> None:
        await _require_owner(interaction)
        # ComfyDeploy is asked about each deployment, which takes longer than Discord waits.
        await interaction.response.defer(ephemeral=True, thinking=True)
        try:
            text = _reloaded(await interaction.client.reloader.reload())
        except StartupError as error:
            heading = "Nothing has changed, because the file has mistakes. Please correct:"
            text = _with_list([heading], error.mistakes)
        await tell(interaction, text)


async def _require_owner(interaction: Interaction) -> None:
    """Raise RefusedError unless the user owns the application or is an admin or developer of its team."""
    if not await interaction.client.is_owner(interaction.user):
        raise RefusedError("owner_only")


_NAMES, _LINE, _LINES, _MESSAGE_LENGTH = 600, 300, 5, 1900


def _reloaded(found: ReloadResult) -> str:
    """Return the result of a reload, within a message's 2,000 characters."""
    lines = ["I have read the deployments again."]
    for word, names in found.names.items():
        lines.append(f"{word.capitalize()}: {shorten(', '.join(f'`{name}`' for name in names), _NAMES)}")
    if not found.names:
        lines.append("Nothing has changed.")
    if not found.synced:
        lines.append("Discord didn't answer. Its commands are still the old ones; I'll try again soon.")
    if found.warnings:
        lines.append("Please look at these warnings:")
    return _with_list(lines, found.warnings)


def _with_list(lines: Sequence[str], sentences: Sequence[str]) -> str:
    """Append as many sentences as fit, escaped, and say how many were left out."""
    listed = [f"- {escape_line(each, _LINE)}" for each in sentences]
    kept, left = fitting([*lines, *listed[:_LINES]], _MESSAGE_LENGTH - 100)  # with room for the last line
    count = len(left) + len(listed[_LINES:])
    more = [f"And {count} more, which `python -m bot check` lists."] if count else []
    return "\n".join([*kept, *more])


async def setup(bot: GenerateBot) -> None:
    bot.add_handlers(BlockedId, _page)
    bot.add_handlers(UnblockId, _unblock)
    await bot.add_cog(Blocks())
    await bot.add_cog(Owner())
