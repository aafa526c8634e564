"""Read the current state of channels and members from Discord, and build invite links.

A channel's state names the permissions that the bot lacks there.
"""

from __future__ import annotations

import logging
from urllib.parse import urlencode

import discord

from bot.discord_api.calls import responding
from bot.domain.requests import ChannelState, Member
from bot.domain.runs import Run

log = logging.getLogger(__name__)
# Discord waits three seconds for the answer to a press.
ANSWER_SECONDS = 1.0


async def channel_state(client: discord.Client, run: Run, *, seconds: float = 10) -> ChannelState | None:
    """Return the state of the channel in which a run's result will be shown. Raises DiscordAway.

    Returns None for direct messages and for channels that only the interaction reaches, because Discord
    reveals nothing about them. A process with the server's shard uses its cache; any other makes three calls,
    or four for a thread.
    """
    if run.guild_id is None:
        return None
    try:
        async with responding(seconds):
            guild = client.get_guild(run.guild_id)
            # Just after a start the gateway has announced the server, but not yet sent its channels.
            if guild is not None and not guild.unavailable:
                return await _state(guild, run.channel_id, guild.me)
            guild = await client.fetch_guild(run.guild_id, with_counts=False)
            me = await guild.fetch_member(client.user.id if client.user is not None else 0)
            return await _state(guild, run.channel_id, me)
    except (discord.Forbidden, discord.NotFound, discord.InvalidData) as error:
        log.info("can't reach channel %s: %s", run.channel_id, error)
        return ChannelState(exists=False)


async def requester_now(client: discord.Client, run: Run) -> Member:
    """Return the current state of a run's requester; a user who left has no roles. Raises DiscordAway."""
    user_id, guild_id = run.requester_id, run.guild_id or 0
    try:
        async with responding(ANSWER_SECONDS):
            guild = client.get_guild(guild_id) or await client.fetch_guild(guild_id)
            return member_from_user(await guild.fetch_member(user_id))
    except (discord.Forbidden, discord.NotFound):
        return Member(id=user_id, created_at=discord.utils.snowflake_time(user_id))


def member_from_user(user: discord.User | discord.Member) -> Member:
    """Convert a user or member from discord.py. A user who isn't in the server has no roles."""
    if not isinstance(user, discord.Member):
        return Member(id=user.id, created_at=user.created_at)
    return Member(
        id=user.id,
        role_ids=frozenset(role.id for role in user.roles),
        manages_server=user.guild_permissions.manage_guild,
        owns_server=user.id == user.guild.owner_id,
        created_at=user.created_at,
        joined_at=user.joined_at,
    )


async def _state(guild: discord.Guild, channel_id: int, me: discord.Member) -> ChannelState:
    channel = guild.get_channel_or_thread(channel_id) or await guild.fetch_channel(channel_id)
    if isinstance(channel, discord.Thread):
        # A thread that isn't cached doesn't know its parent.
        parent = channel.parent or await guild.fetch_channel(channel.parent_id)
        # The parent's own method would remove more permissions from members who may write only in threads, so
        # it is bypassed. mypy doesn't know that a parent is never a thread.
        permissions = discord.abc.GuildChannel.permissions_for(parent, me)  # type: ignore[arg-type]
    else:
        parent, permissions = channel, channel.permissions_for(me)
    return state_of(channel, permissions, parent)


_AUTHORIZE = "https://discord.com/oauth2/authorize"


def invite_url(application_id: int) -> str:
    query = {"client_id": application_id, "scope": "bot applications.commands", "integration_type": 0}
    permissions = discord.Permissions(**dict.fromkeys(NEEDED_PERMISSIONS, True))
    return f"{_AUTHORIZE}?{urlencode({**query, 'permissions': permissions.value})}"


def install_url(application_id: int) -> str:
    """Return a link that adds the commands to a user's account, which needs no permissions."""
    query = {"client_id": application_id, "scope": "applications.commands", "integration_type": 1}
    return f"{_AUTHORIZE}?{urlencode(query)}"


# All permissions to request in the invite: discord.py's names, and those that server admins see in Discord.
NEEDED_PERMISSIONS = {
    "view_channel": "View Channel",
    "send_messages": "Send Messages",
    "embed_links": "Embed Links",
    "attach_files": "Attach Files",
    "read_message_history": "Read Message History",
    "send_messages_in_threads": "Send Messages in Threads",
}


def state_of(channel: object, permissions: discord.Permissions, parent: object = None) -> ChannelState:
    """Return a channel's state. `parent` is that of a thread which isn't cached."""
    return ChannelState(
        locked=isinstance(channel, discord.Thread) and channel.locked and not permissions.manage_threads,
        missing=tuple(lacks(channel, permissions)),
        age_restricted=is_age_restricted(parent or channel),
    )


def is_age_restricted(channel: object) -> bool:
    """Return whether a channel, or the cached parent of a thread, is age-restricted."""
    return bool(getattr(channel, "is_nsfw", lambda: False)())


def lacks(channel: object, permissions: discord.Permissions) -> list[str]:
    """Return the missing permissions for posting a result, by Discord's names."""
    needless = "send_messages" if isinstance(channel, discord.Thread) else "send_messages_in_threads"
    needed = [each for each in NEEDED_PERMISSIONS.items() if each[0] != needless]
    return [name for flag, name in needed if not getattr(permissions, flag)]
