"""The routes of messages in channels, with their permissions, nonces and history."""

from __future__ import annotations

import discord

from tests.fakediscord import payloads
from tests.fakediscord.calls import Call, Routes
from tests.fakediscord.errors import ApiError, invalid
from tests.fakediscord.world import EPHEMERAL, UPLOAD_LIMIT, Channel, Kind, Message

_LIST = "/channels/{channel_id}/messages"
_ONE = f"{_LIST}/{{message_id}}"
routes = Routes()


@routes("POST", _LIST)
def create(call: Call) -> object:
    place, body = _open(call), dict(call.body)
    if place.kind is Kind.DM and place.recipient is not None and not place.recipient.accepts_dms:
        raise ApiError(50007)
    if place.locked and not _has(call, place, "manage_threads"):
        raise ApiError(50083 if place.archived else 160005)
    _need(call, place, "send_messages_in_threads" if place.is_thread else "send_messages")
    if call.files:
        _need(call, place, "attach_files")
    messages = call.discord.messages_service
    message = messages.repeated(body.get("nonce")) if body.get("enforce_nonce") else None
    if message is None:
        # Only the answer to an interaction can be ephemeral; Discord ignores the flag here.
        body["flags"] = int(body.get("flags") or 0) & ~EPHEMERAL
        message = messages.create(place, call.discord.bot, body, call.files, limit=UPLOAD_LIMIT)
        place.archived = False
    return payloads.message(message, call.discord.sign) | {"nonce": message.nonce}


@routes("GET", _LIST)
def history(call: Call) -> object:
    place = _open(call)
    limit = int(call.query.get("limit", "50"))
    if not 1 <= limit <= 100:
        raise invalid("limit", "int value should be between 1 and 100.")
    if not _has(call, place, "read_message_history"):
        return []
    # The bot only asks for the messages after one. Discord returns each page's newest first.
    after = int(call.query["after"])
    found = sorted((m.id, m) for m in place.messages.values() if not m.ephemeral and m.id > after)
    return [payloads.message(m, call.discord.sign) for _, m in found[:limit][::-1]]


@routes("GET", _ONE)
def fetch(call: Call) -> object:
    place = _open(call)
    if not _has(call, place, "read_message_history"):
        raise ApiError(50001)
    return payloads.message(_message(place, call), call.discord.sign)


@routes("PATCH", _ONE)
def edit(call: Call) -> object:
    place = _open(call)
    message = _message(place, call)
    if message.author is not call.discord.bot:
        raise ApiError(50005)
    if place.archived:
        raise ApiError(50083)
    if call.files:
        _need(call, place, "attach_files")
    call.discord.messages_service.edit(message, call.body, call.files, limit=UPLOAD_LIMIT)
    return payloads.message(message, call.discord.sign)


@routes("DELETE", _ONE)
def delete(call: Call) -> object:
    place = _open(call)
    message = _message(place, call)
    if place.archived:
        raise ApiError(50083)
    if message.author is not call.discord.bot:
        _need(call, place, "manage_messages")
    call.discord.delete_message(message)
    return None


def _open(call: Call) -> Channel:
    place = call.discord.world.channels.get(call.id("channel_id"))
    if place is None or place.deleted:
        raise ApiError(10003)
    if not _has(call, place, "view_channel"):
        raise ApiError(50001)
    return place


def _message(place: Channel, call: Call) -> Message:
    message = place.messages.get(call.id("message_id"))
    if message is None or message.ephemeral:
        raise ApiError(10008)
    return message


def _has(call: Call, place: Channel, permission: str) -> bool:
    granted = discord.Permissions(call.discord.world.bot_permissions(place))
    return bool(granted.administrator or getattr(granted, permission))


def _need(call: Call, place: Channel, permission: str) -> None:
    if not _has(call, place, permission):
        raise ApiError(50013)
