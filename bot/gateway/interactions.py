"""Read an interaction: the requester, the origin and permissions, and what was selected or typed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import discord
from discord.ui import LayoutView

from bot.deployments.inputs import AttachedFile
from bot.discord_api.channels import check_permissions, state_of
from bot.domain.errors import RefusedForNow
from bot.domain.forms import NO, YES
from bot.domain.requests import Actor, ChannelState, Member, Origin
from bot.domain.runs import DIRECT_UPLOAD_LIMIT
from bot.gateway.client import GenerateBot, Handler
from bot.ui.custom_ids import CustomId

Interaction = discord.Interaction[GenerateBot]
_TOKEN_LIFETIME = timedelta(minutes=15)


def actor_of(interaction: Interaction) -> Actor:
    """Return the user as the services know them. All data comes with the interaction, so nothing is fetched.

    Raises RefusedForNow as `member_of` does.
    """
    now = interaction.client.app.now()
    return Actor(
        person=member_of(interaction),
        origin=_origin(interaction, now),
        channel_ids=_channel_ids(interaction.channel),
        channel_state=lambda channel_id: _state_of(interaction.guild, channel_id),
        guild_id=interaction.guild_id,
        manages_messages=moderated_channel(interaction) is not None,
    )


def member_of(interaction: Interaction) -> Member:
    """Return the user with the roles and permissions that the interaction contains.

    The bot caches no members. Raises RefusedForNow until the gateway has sent the server's roles and
    channels: discord.py leaves unknown roles out, and a thread isn't age-restricted without its parent.
    """
    if not is_user_install_only(interaction) and not _is_loaded(interaction.guild, interaction.channel):
        raise RefusedForNow("starting")
    user = interaction.user
    member = user if isinstance(user, discord.Member) else None
    return Member(
        id=user.id,
        role_ids=frozenset(role.id for role in member.roles) if member else frozenset(),
        manages_server=member is not None and interaction.permissions.manage_guild,
        manages_channels=member is not None and interaction.permissions.manage_channels,
        created_at=user.created_at,
        joined_at=member.joined_at if member else None,
    )


def moderated_channel(interaction: Interaction) -> int | None:
    """Return the channel's id if the user may manage messages there, otherwise None."""
    moderates = interaction.permissions.manage_messages and not is_user_install_only(interaction)
    return interaction.channel_id if moderates else None


def _is_loaded(guild: discord.Guild | None, channel: object) -> bool:
    if guild is None:
        return True
    return not guild.unavailable and not (isinstance(channel, discord.Thread) and channel.parent is None)


def check_here(interaction: Interaction) -> None:
    """Raise RefusedError if a result couldn't be posted here.

    In user installs Discord requires no permissions of the bot.
    """
    if not is_user_install_only(interaction):
        check_permissions(interaction.channel, interaction.app_permissions)


async def check_overrides(interaction: Interaction) -> None:
    """Raise RefusedError if Discord's permissions for `/generate` exclude this user or channel.

    Discord checks these permissions only for `/generate` itself, so buttons and other commands that start
    runs or post results call this function. Administrators bypass the permissions, and direct messages have
    none. In a server without the bot, only Use External Apps applies, which Discord enforces.
    """
    guild, channel = interaction.guild, interaction.channel
    if guild is None or interaction.permissions.administrator or is_user_install_only(interaction):
        return
    channel_id = channel.parent_id if isinstance(channel, discord.Thread) else interaction.channel_id
    member = member_of(interaction)
    registered = interaction.client.registered
    await registered.check_overrides(guild, member.id, member.role_ids, channel_id or 0)


def _origin(interaction: Interaction, now: datetime) -> Origin:
    """Return the origin of a request.

    The token's lifetime is counted from `now` by our clock, which may differ from Discord's. The upload limit
    is the server's. `interaction.filesize_limit` includes the requester's Nitro, but applies only to answers
    to the interaction, so it is used only in a user install.
    """
    guild = interaction.guild
    user_install = is_user_install_only(interaction)
    limit = guild.filesize_limit if guild is not None else DIRECT_UPLOAD_LIMIT
    return Origin(
        guild_id=rules_guild_id(interaction),
        channel_id=interaction.channel_id or 0,
        application_id=interaction.application_id,
        interaction_id=interaction.id,
        interaction_token=interaction.token,
        interaction_expires_at=now + _TOKEN_LIFETIME,
        channel_age_restricted=_is_age_restricted(interaction.channel),
        upload_limit=interaction.filesize_limit if user_install else limit,
        user_install=user_install,
    )


def rules_guild_id(interaction: Interaction) -> int | None:
    """Return the id of the server whose rules apply.

    Returns None outside servers and in a server without the bot.
    """
    return None if is_user_install_only(interaction) else interaction.guild_id


def settings_channel_id(interaction: Interaction) -> int:
    """Return the id of the channel whose settings apply here. For a thread, it is the parent's id."""
    channel = interaction.channel
    parent_id = channel.parent_id if isinstance(channel, discord.Thread) else None
    return parent_id or interaction.channel_id or 0


def _is_age_restricted(channel: object) -> bool:
    """Return whether the channel is age-restricted; threads inherit from their parent."""
    return isinstance(channel, discord.abc.GuildChannel | discord.Thread) and bool(
        getattr(channel, "is_nsfw", lambda: False)()
    )


def _channel_ids(channel: object) -> frozenset[int]:
    """Return the ids of the channel, its parent and its category, any of which rules may name.

    In a server without the bot, a thread's parent isn't cached, so the category is left out.
    """
    parent = channel.parent if isinstance(channel, discord.Thread) else channel
    sources = ((channel, "id"), (channel, "parent_id"), (parent, "category_id"))
    ids = (getattr(source, name, None) for source, name in sources)
    return frozenset(number for number in ids if number)


def _state_of(guild: discord.Guild | None, channel_id: int) -> ChannelState:
    """Return the state of a server's channel or active thread, as this process has it from the gateway."""
    channel = guild.get_channel_or_thread(channel_id) if guild is not None else None
    if guild is None or channel is None or not isinstance(channel, discord.abc.Messageable):
        return ChannelState(exists=False)
    permissions = channel.permissions_for(guild.me)
    return state_of(channel, permissions, age_restricted=_is_age_restricted(channel))


def is_user_install_only(interaction: discord.Interaction[Any]) -> bool:
    """Return whether the bot itself is absent, so that only interactions can post in the channel.

    This is the case in direct and group messages between users, and in servers where a member uses the bot as
    a user install.
    """
    if interaction.context.private_channel:
        return True
    guild_id = interaction.guild_id
    return guild_id is not None and interaction.client.get_guild(guild_id) is None


def data_of(interaction: discord.Interaction[Any]) -> Mapping[str, Any]:
    """Return the payload of a press or a form as Discord sends it."""
    return interaction.data or {}


def selected_values(interaction: discord.Interaction[Any]) -> Sequence[str]:
    """Return the values of the select that was used."""
    return data_of(interaction).get("values") or ()


def custom_ids(components: Iterable[Any]) -> Iterator[str]:
    """Yield the custom_id of each component at every depth, or an empty string for one without it."""
    for component in components:
        yield getattr(component, "custom_id", None) or ""
        yield from custom_ids(getattr(component, "children", ()))


# Builds the page that a button stands for, for the user of the interaction.
PageBuilder = Callable[[Interaction, Any], Awaitable[LayoutView]]


async def show_page(interaction: Interaction, build: PageBuilder, first: CustomId) -> None:
    """Answer a command with the first page."""
    await interaction.response.send_message(view=await build(interaction, first), ephemeral=True)


def turning(build: PageBuilder) -> Handler[Any]:
    """Return the handler of the buttons that lead to other pages."""

    async def turn(interaction: Interaction, id: CustomId) -> None:
        await interaction.response.edit_message(view=await build(interaction, id))

    return turn


_FILE_UPLOAD, _CHECKBOX = 19, 23


def form_values(interaction: Interaction) -> dict[str, tuple[Any, ...]]:
    """Return what a form holds, by the names of its fields: texts, or uploaded files.

    A checkbox has `yes` or `no`, and an upload without files is left out.
    """
    data = data_of(interaction)
    attachments = data.get("resolved", {}).get("attachments", {})
    found: dict[str, tuple[Any, ...]] = {}
    for field in _fields(data.get("components", ())):
        value = field.get("value")
        values = tuple(map(str, [value] if value else field.get("values") or ()))
        if field["type"] == _CHECKBOX:
            found[field["custom_id"]] = (YES if value else NO,)
        elif field["type"] != _FILE_UPLOAD:
            found[field["custom_id"]] = values
        elif files := tuple(_attached_file(attachments[each]) for each in values if each in attachments):
            found[field["custom_id"]] = files
    return found


def typed_values(interaction: Interaction) -> dict[str, str | tuple[AttachedFile, ...]]:
    """Return what a form holds as the options of a command hold it: a text, or files."""
    return {
        name: "".join(values) if all(isinstance(each, str) for each in values) else values
        for name, values in form_values(interaction).items()
    }


def _attached_file(attachment: Mapping[str, Any]) -> AttachedFile:
    return AttachedFile(
        attachment["url"],
        attachment["filename"],
        attachment.get("content_type"),
        attachment["size"],
        measured=bool(attachment.get("width") and attachment.get("height")),
    )


def _fields(components: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for component in components:
        if "custom_id" in component:
            yield component
        yield from _fields(component.get("components") or [c for c in (component.get("component"),) if c])
