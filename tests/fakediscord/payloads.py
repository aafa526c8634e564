"""Build Discord's JSON, with the fields that clients read. Ids and permissions are strings."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import UTC, datetime

from simcord.components import walk_components as walk

from tests.fakediscord.errors import Json
from tests.fakediscord.world import Attachment, Channel, Guild, Kind, Message, User, World

SignUrl = Callable[[Channel, Attachment], str]
ALL_PERMISSIONS = (1 << 53) - 1


def timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def user(person: User) -> Json:
    return {
        "id": str(person.id),
        "username": person.name,
        "global_name": None if person.bot else person.name.title(),
        "discriminator": "0",
        "avatar": None,
        "bot": person.bot,
    }


def member(world: World, guild: Guild, person: User, *, channel: Channel | None = None) -> Json:
    """Return a member; with `channel`, also the `permissions` there, as in an interaction."""
    has_role = (person.id in guild.members and person.id not in guild.without_role) or person.bot
    body: Json = {
        "user": user(person),
        "roles": [str(person.id)] if has_role else [],
        "joined_at": "2024-01-01T00:00:00+00:00",
        "flags": 0,
    }
    if channel is not None:
        body["permissions"] = str(world.member_permissions(channel, person))
    return body


def channel(place: Channel, bot: User) -> Json:
    body: Json = {"id": str(place.id), "type": int(place.kind), "flags": 0, "last_message_id": None}
    if place.kind is Kind.DM:
        recipients = [user(place.recipient)] if place.recipient else []
        return body | {"recipients": recipients}
    if place.kind is Kind.GROUP:
        return body | {"name": place.name, "icon": None, "recipients": [user(each) for each in place.members]}
    assert place.guild is not None
    body |= {
        "guild_id": str(place.guild.id),
        "name": place.name,
        "nsfw": place.nsfw,
        "rate_limit_per_user": 0,
        "parent_id": str(place.parent.id) if place.parent else None,
    }
    if place.is_thread:
        return body | _thread(place, bot)
    return body | {
        "position": 0,
        "topic": None,
        "permission_overwrites": _overwrites(place, bot),
    }


def _overwrites(place: Channel, bot: User) -> list[Json]:
    given = dict(place.member_permissions)
    if place.bot_permissions is not None:
        given[bot.id] = place.bot_permissions
    return [
        {"id": str(person), "type": 1, "allow": str(bits), "deny": str(ALL_PERMISSIONS & ~bits)}
        for person, bits in given.items()
    ]


def _thread(place: Channel, bot: User) -> Json:
    return {
        "owner_id": str(bot.id),
        "message_count": len(place.messages),
        "member_count": 1,
        "total_message_sent": len(place.messages),
        "thread_metadata": {
            "archived": place.archived,
            "locked": place.locked,
            "auto_archive_duration": 1440,
            "archive_timestamp": "2024-01-01T00:00:00+00:00",
            "create_timestamp": "2024-01-01T00:00:00+00:00",
        },
    }


def _role(role_id: int, name: str, permissions: int, *, managed: bool = False) -> Json:
    return {
        "id": str(role_id),
        "name": name,
        "permissions": str(permissions),
        "position": 0 if name == "@everyone" else 1,
        "managed": managed,
    }


def role_of(guild: Guild, person: User) -> Json:
    """Return a member's role, which has their permissions."""
    return _role(person.id, person.name, guild.members[person.id])


def guild(world: World, server: Guild, bot: User) -> Json:
    """Return a guild, with roles for @everyone without permissions, for the bot and for each member."""
    roles = [_role(server.id, "@everyone", 0), _role(bot.id, bot.name, server.bot_permissions, managed=True)]
    return {
        "id": str(server.id),
        "name": server.name,
        "owner_id": "1",
        "features": [],
        "preferred_locale": "en-US",
        "system_channel_id": str(server.system_channel) if server.system_channel is not None else None,
        "roles": roles + [role_of(server, world.users[person]) for person in server.members],
    }


def gateway_guild(world: World, server: Guild, bot: User) -> Json:
    """Return the data of a GUILD_CREATE: the guild with channels, active threads and the bot's member."""
    places = [c for c in world.channels.values() if c.guild is server and not c.deleted]
    return guild(world, server, bot) | {
        "joined_at": "2024-01-01T00:00:00+00:00",
        "unavailable": False,
        "member_count": len(server.members) + 1,
        "members": [member(world, server, bot)],
        "channels": [channel(c, bot) for c in places if not c.is_thread],
        "threads": [channel(c, bot) for c in places if c.is_thread and not c.archived],
    }


def attachment(place: Channel, file: Attachment, sign: SignUrl, *, ephemeral: bool = False) -> Json:
    url = sign(place, file)
    body: Json = {
        "id": str(file.id),
        "filename": file.filename,
        "size": file.size,
        "url": url,
        "proxy_url": url,
        "content_type": file.content_type,
        "flags": 1 << 3 if file.filename.startswith("SPOILER_") else 0,
    }
    optional = {"width": file.width, "height": file.height, "description": file.description}
    body |= {key: value for key, value in optional.items() if value is not None}
    return body | {"ephemeral": True} if ephemeral else body


def _components(note: Message, sign: SignUrl) -> list[Json]:
    """Return the components as Discord does, with ids, and with URLs instead of file names."""
    urls = {f"attachment://{a.filename}": (a, sign(note.channel, a)) for a in note.attachments}
    shown: list[Json] = copy.deepcopy(note.body.get("components") or [])
    for number, component in enumerate(walk(shown), start=1):
        component.setdefault("id", number)
        items = [component, *(component.get("items") or [])]
        for item in items[1:]:
            item.setdefault("description", None)
        for media in (item[key] for item in items for key in ("media", "file") if item.get(key)):
            if media["url"] in urls:
                file, url = urls[media["url"]]
                media |= {"url": url, "proxy_url": url, "attachment_id": str(file.id)}
                media |= {"width": file.width, "height": file.height, "content_type": file.content_type}
            media.setdefault("id", str(note.id))
            media.setdefault("proxy_url", media["url"])
    return shown


def message(note: Message, sign: SignUrl) -> Json:
    """Return a message without its nonce, which Discord includes only in the response to its creation."""
    place = note.channel
    body: Json = {
        "id": str(note.id),
        "channel_id": str(place.id),
        "type": 20 if note.interaction is not None else 0,
        "author": user(note.author),
        "content": note.content,
        "embeds": [],
        "components": _components(note, sign),
        "attachments": [attachment(place, a, sign, ephemeral=note.ephemeral) for a in note.attachments],
        "flags": note.flags,
        "timestamp": timestamp(note.created_at),
        "edited_timestamp": timestamp(note.edited_at) if note.edited_at else None,
        "tts": False,
        "pinned": False,
        "mention_everyone": False,
        "mentions": [],
        "mention_roles": [],
    }
    if note.interaction is not None:
        body["interaction_metadata"] = note.interaction.metadata()
    return body
