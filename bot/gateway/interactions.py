"""Read an interaction: the requester, the origin and permissions, and what was selected or typed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import aiohttp
import discord
from discord.app_commands import Choice
from discord.ui import LayoutView

from bot.deployments.inputs import AttachedFile, OptionValue
from bot.deployments.schema import CHOICES
from bot.discord_api.channels import is_age_restricted, member_from_user, state_of
from bot.domain.errors import RefusedForNow
from bot.domain.forms import NO, YES
from bot.domain.policy import check_channel
from bot.domain.requests import Actor, ChannelState, Origin
from bot.domain.runs import DIRECT_UPLOAD_LIMIT
from bot.domain.text import folded, shorten
from bot.gateway.client import GenerateBot, Handler

Interaction = discord.Interaction[GenerateBot]
_TOKEN_LIFETIME = timedelta(minutes=15)
_NAME_LENGTH = 100  # of a choice, which is Discord's limit


def actor_of(interaction: Interaction) -> Actor:
    """Return the user, with the roles and permissions that the interaction contains.

    Raises RefusedForNow until the gateway has sent the server's roles and channels: discord.py leaves unknown
    roles out, and a thread isn't age-restricted without its parent.
    """
    channel, guild, user = interaction.channel, interaction.guild, interaction.user
    # Only interactions can post in direct and group messages between users, and in a server without the bot.
    guild_id = interaction.guild_id
    is_absent = guild_id is not None and interaction.client.get_guild(guild_id) is None
    user_install = interaction.context.private_channel or is_absent
    # In a server without the bot, a thread's parent isn't cached, so the category is left out.
    parent = channel.parent if isinstance(channel, discord.Thread) else channel
    is_loaded = guild is None or not (guild.unavailable or (channel is not None and parent is None))
    if not is_loaded and not user_install:
        raise RefusedForNow("starting")
    may = interaction.permissions if isinstance(user, discord.Member) else discord.Permissions.none()
    person = replace(
        member_from_user(user), manages_server=may.manage_guild, manages_channels=may.manage_channels
    )
    sources = ((channel, "id"), (channel, "parent_id"), (parent, "category_id"))
    # `interaction.filesize_limit` includes the requester's Nitro, but applies only to answers to the
    # interaction.
    limit = guild.filesize_limit if guild is not None else DIRECT_UPLOAD_LIMIT
    origin = Origin(
        guild_id=None if user_install else guild_id,
        channel_id=interaction.channel_id or 0,
        interaction_id=interaction.id,
        interaction_token=interaction.token,
        # By our clock, which may differ from Discord's.
        interaction_expires_at=interaction.client.app.now() + _TOKEN_LIFETIME,
        channel_age_restricted=is_age_restricted(channel),
        upload_limit=interaction.filesize_limit if user_install else limit,
        user_install=user_install,
    )
    return Actor(
        person=person,
        origin=origin,
        channel_ids=frozenset(filter(None, (getattr(source, name, None) for source, name in sources))),
        channel_state=partial(_state_of, guild),
        guild_id=guild_id,
        manages_messages=interaction.permissions.manage_messages and not user_install,
    )


async def check_start(interaction: Interaction, *, is_generate: bool = False) -> Actor:
    """Return the user. Raises RefusedError if no result can be posted here, or if they may not request one.

    Discord itself checks who may use `/generate`, and computes the `app_permissions` for this channel.
    Posting reopens an archived thread. A locked thread stays closed unless the bot can manage threads. In
    user installs Discord requires no permissions.
    """
    actor, channel = actor_of(interaction), interaction.channel
    is_direct = isinstance(channel, discord.DMChannel | discord.GroupChannel)
    if not (is_direct or actor.origin.user_install):
        check_channel(state_of(channel, interaction.app_permissions))
    if not is_generate:
        await check_overrides(interaction, actor)
    return actor


async def check_overrides(interaction: Interaction, actor: Actor) -> None:
    """Raise RefusedError if Discord's permissions for `/generate` exclude this user or channel.

    Discord checks these permissions only for `/generate` itself, so buttons and other commands that start
    runs or post results call this function. Administrators bypass the permissions, and direct messages have
    none. In a server without the bot, only Use External Apps applies, which Discord enforces.
    """
    guild_id, person = actor.origin.guild_id, actor.person
    if guild_id is None or interaction.permissions.administrator:
        return
    channel_id = settings_channel_id(interaction)
    await interaction.client.registered.check_overrides(guild_id, person.id, person.role_ids, channel_id)


def settings_channel_id(interaction: Interaction) -> int:
    """Return the id of the channel whose settings apply here. For a thread, it is the parent's id."""
    channel = interaction.channel
    parent_id = channel.parent_id if isinstance(channel, discord.Thread) else None
    return parent_id or interaction.channel_id or 0


def _state_of(guild: discord.Guild | None, channel_id: int) -> ChannelState:
    channel = guild.get_channel_or_thread(channel_id) if guild is not None else None
    if guild is None or channel is None or not isinstance(channel, discord.abc.Messageable):
        return ChannelState(exists=False)
    return state_of(channel, channel.permissions_for(guild.me))


def suggestions(offered: Iterable[tuple[str, OptionValue]], typed: object) -> list[Choice[Any]]:
    """Return up to 25 choices whose name or value contains what was typed, first those that begin with it."""
    text = folded(str(typed))
    found = [each for each in offered if text in folded(each[0]) or text in folded(str(each[1]))]
    found.sort(key=lambda each: not folded(each[0]).startswith(text))
    return [Choice(name=shorten(name, _NAME_LENGTH), value=value) for name, value in found[:CHOICES]]


def selected_values(interaction: discord.Interaction[Any]) -> Sequence[str]:
    data: Mapping[str, Any] = interaction.data or {}
    return data.get("values") or ()


def paged(build: Callable[[Interaction, Any], Awaitable[LayoutView]]) -> Handler[Any]:
    """Return a handler that shows a page, which `build` makes from the id of the button that leads to it.

    A command is answered with an ephemeral message, and a press or form of that message edits it.
    """

    async def show(interaction: Interaction, id: Any) -> None:
        view = await build(interaction, id)
        if interaction.type is discord.InteractionType.application_command:
            await interaction.response.send_message(view=view, ephemeral=True)
        elif interaction.response.is_done():
            await interaction.edit_original_response(view=view)
        else:
            await interaction.response.edit_message(view=view)

    return show


async def close_form(interaction: Interaction) -> None:
    """Close a form before its values are checked: Discord waits three seconds, and then shows no refusal."""
    with suppress(discord.HTTPException, aiohttp.ClientError, OSError):
        await interaction.response.defer()


_FILE_UPLOAD, _CHECKBOX = 19, 23


def form_values(interaction: Interaction) -> dict[str, tuple[Any, ...]]:
    """Return what a form holds, by the names of its fields: texts, or uploaded files.

    A checkbox has `yes` or `no`, and an upload without files is left out.
    """
    data: Mapping[str, Any] = interaction.data or {}
    attachments = data.get("resolved", {}).get("attachments", {})
    found: dict[str, tuple[Any, ...]] = {}
    for field in filter(None, (label.get("component") for label in data.get("components", ()))):
        name, value = field["custom_id"], field.get("value")
        values = tuple(map(str, [value] if value else field.get("values") or ()))
        if field["type"] == _CHECKBOX:
            found[name] = (YES if value else NO,)
        elif field["type"] != _FILE_UPLOAD:
            found[name] = values
        elif files := [attachments[each] for each in values if each in attachments]:
            found[name] = tuple(AttachedFile(*map(each.get, AttachedFile.__slots__)) for each in files)
    return found


def typed_values(interaction: Interaction) -> dict[str, str | tuple[AttachedFile, ...]]:
    """Return what a form holds as the options of a command hold it: a text, or files."""
    return {
        name: "".join(values) if all(isinstance(each, str) for each in values) else values
        for name, values in form_values(interaction).items()
    }
