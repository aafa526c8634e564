"""Add and change servers, channels and people, and send the gateway's events about it."""

from __future__ import annotations

from typing import Any

import discord

from tests.fakediscord import payloads
from tests.fakediscord.core import Core
from tests.fakediscord.errors import Json
from tests.fakediscord.world import MEMBER, Channel, Guild, Kind, Message, User

_GUILDS = discord.Intents.guilds.flag


class WorldChanges(Core):
    def add_user(self, name: str, guild: Guild | None = None, *, permissions: int = MEMBER) -> User:
        user = User(self.world.snowflake(), name)
        self.world.users[user.id] = user
        if guild is not None:
            self.join(guild, user, permissions=permissions)
        return user

    def join(self, guild: Guild, user: User, *, permissions: int = MEMBER) -> None:
        guild.members[user.id] = permissions

    def add_guild(self, name: str, *, shard: int = 0, shards: int = 1) -> Guild:
        """Add a server whose id belongs to `shard` of `shards`."""
        base = self.world.snowflake() >> 22
        # No user has such an id, because roles have the ids of their servers and members.
        guild_id = (base + (shard - base) % shards) << 22 | 1 << 21 | len(self.world.guilds) + 1
        guild = Guild(guild_id, name)
        self.world.guilds[guild.id] = guild
        self._tell(guild, "GUILD_CREATE", payloads.gateway_guild(self.world, guild, self.bot))
        return guild

    def _tell(self, guild: Guild, event: str, body: Json) -> None:
        self.gateway.dispatch(event, body, guild_id=guild.id, intents=_GUILDS)
        self.world.changed()

    def add_text(self, guild: Guild, name: str, *, nsfw: bool = False) -> Channel:
        return self._add(Kind.TEXT, name, guild, nsfw=nsfw)

    def add_thread(self, parent: Channel, name: str) -> Channel:
        return self._add(Kind.THREAD, name, parent.guild, parent=parent)

    def dm(self, user: User) -> Channel:
        for channel in self.world.channels.values():
            if channel.kind is Kind.DM and channel.recipient is user:
                return channel
        return self._add(Kind.DM, "", None, recipient=user)

    def add_group(self, name: str, *members: User) -> Channel:
        """Add a group DM, in which only user installs of the app work."""
        return self._add(Kind.GROUP, name, None, members=members)

    def _add(self, kind: Kind, name: str, guild: Guild | None, **more: Any) -> Channel:
        channel = Channel(self.world.snowflake(), kind, name, guild, **more)
        self.world.channels[channel.id] = channel
        if guild is not None:
            self._announce(channel, "CREATE")
        self.world.changed()
        return channel

    def _announce(self, channel: Channel, what: str) -> None:
        assert channel.guild is not None
        body = payloads.channel(channel, self.bot)
        self._tell(channel.guild, f"{'THREAD' if channel.is_thread else 'CHANNEL'}_{what}", body)

    def set_thread(self, thread: Channel, *, archived: bool, locked: bool) -> None:
        thread.archived, thread.locked = archived, locked
        self._announce(thread, "UPDATE")

    def delete_channel(self, channel: Channel) -> None:
        """Delete a channel and its threads."""
        channel.deleted = True
        for child in [c for c in self.world.channels.values() if c.parent is channel and not c.deleted]:
            self.delete_channel(child)
        now = self.world.clock.now()
        for message in channel.messages.values():
            message.deleted_at = now
        channel.messages.clear()
        self._announce(channel, "DELETE")

    def delete_message(self, message: Message) -> None:
        message.deleted_at = self.world.clock.now()
        message.channel.messages.pop(message.id, None)
        self.world.changed()

    def withdraw(self, channel: Channel, *permissions: str) -> None:
        """Take permissions from the bot by name, as in `withdraw(channel, "send_messages")`."""
        self._set_bot_permissions(channel, permissions, granted=False)

    def grant(self, channel: Channel, *permissions: str) -> None:
        self._set_bot_permissions(channel, permissions, granted=True)

    def _set_bot_permissions(self, channel: Channel, names: tuple[str, ...], *, granted: bool) -> None:
        bits = discord.Permissions(self.world.bot_permissions(channel))
        bits.update(**dict.fromkeys(names, granted))
        channel.bot_permissions = bits.value
        self._announce(channel, "UPDATE")

    def set_member_permissions(self, guild: Guild, user: User, permissions: int) -> None:
        """Change the permissions of a member's role."""
        guild.members[user.id] = permissions
        body = {"guild_id": str(guild.id), "role": payloads.role_of(guild, user)}
        self._tell(guild, "GUILD_ROLE_UPDATE", body)

    def take_role(self, guild: Guild, user: User) -> None:
        """Remove a member's role from them, with its permissions; the role still exists."""
        guild.without_role.add(user.id)
        guild.members[user.id] = MEMBER
        self.world.changed()

    def leave(self, guild: Guild, user: User) -> None:
        """Remove a member, and delete their role."""
        guild.members.pop(user.id, None)
        self._tell(guild, "GUILD_ROLE_DELETE", {"guild_id": str(guild.id), "role_id": str(user.id)})

    def hide(self, channel: Channel, user: User) -> None:
        """Hide a channel from a person by an overwrite."""
        channel.member_permissions[user.id] = 0
        self._announce(channel, "UPDATE")

    def invite_bot(self, guild: Guild) -> None:
        """Add the bot to a server from which it was removed."""
        guild.bot_present = True
        # Without this field, discord.py reports a new server instead of one that is available again.
        body = payloads.gateway_guild(self.world, guild, self.bot)
        del body["unavailable"]
        self._tell(guild, "GUILD_CREATE", body)

    def remove_bot(self, guild: Guild) -> None:
        guild.bot_present = False
        self._tell(guild, "GUILD_DELETE", {"id": str(guild.id)})

    def post(self, author: User, channel: Channel, content: str) -> Message:
        """Post a person's message. The bot has no intent for messages, so it gets no event."""
        now = self.world.clock.now()
        message = Message(self.world.snowflake(), channel, author, {"content": content}, created_at=now)
        channel.messages[message.id] = message
        self.request_log.messages.append(message)
        self.world.changed()
        return message
