"""The routes of messages in channels, with their permissions, nonces and history."""

from __future__ import annotations

import discord

from tests.fakediscord import payloads
from tests.fakediscord.calls import Call, Endpoint, Reply
from tests.fakediscord.errors import ApiError, invalid
from tests.fakediscord.messages import Messages
from tests.fakediscord.world import EPHEMERAL, UPLOAD_LIMIT, Channel, Kind, Message, User, World

_LIST = "/channels/{channel_id}/messages"
_ONE = f"{_LIST}/{{message_id}}"


class MessageRoutes:
    def __init__(self, world: World, messages: Messages, bot: User) -> None:
        self._world = world
        self._messages = messages
        self._bot = bot

    def endpoints(self) -> list[Endpoint]:
        return [
            Endpoint("POST", _LIST, self.create),
            Endpoint("GET", _LIST, self.history),
            Endpoint("GET", _ONE, self.fetch),
            Endpoint("PATCH", _ONE, self.edit),
            Endpoint("DELETE", _ONE, self.delete),
        ]

    def create(self, call: Call) -> Reply:
        place = self._open(call)
        body = dict(call.body)
        self._may_post(place, files=bool(call.files))
        if body.get("enforce_nonce") and body.get("nonce") is not None:
            earlier = self._messages.repeated(body["nonce"])
            if earlier is not None:
                return self._reply(earlier, with_nonce=True)
        # Only the answer to an interaction can be ephemeral; Discord ignores the flag here.
        body["flags"] = int(body.get("flags") or 0) & ~EPHEMERAL
        message = self._messages.create(place, self._bot, body, call.files, limit=UPLOAD_LIMIT)
        place.archived = False
        return self._reply(message, with_nonce=True)

    def history(self, call: Call) -> Reply:
        place = self._open(call)
        limit = int(call.query.get("limit", "50"))
        if not 1 <= limit <= 100:
            raise invalid("limit", "int value should be between 1 and 100.")
        if not self._has(place, "read_message_history"):
            return Reply(body=[])
        # The bot only asks for the messages after one. Discord returns each page's newest first.
        after = int(call.query["after"])
        found = sorted((m.id, m) for m in place.messages.values() if not m.ephemeral and m.id > after)
        return Reply(body=[payloads.message(m, self._messages.sign) for _, m in found[:limit][::-1]])

    def fetch(self, call: Call) -> Reply:
        place = self._open(call)
        if not self._has(place, "read_message_history"):
            raise ApiError(50001)
        return self._reply(self._message(place, call))

    def edit(self, call: Call) -> Reply:
        place = self._open(call)
        message = self._message(place, call)
        if message.author is not self._bot:
            raise ApiError(50005)
        if place.archived:
            raise ApiError(50083)
        if call.files:
            self._need(place, "attach_files")
        self._messages.edit(message, call.body, call.files, limit=UPLOAD_LIMIT)
        return self._reply(message)

    def delete(self, call: Call) -> Reply:
        place = self._open(call)
        message = self._message(place, call)
        if place.archived:
            raise ApiError(50083)
        if message.author is not self._bot:
            self._need(place, "manage_messages")
        self._messages.delete(message)
        return Reply(204)

    def _open(self, call: Call) -> Channel:
        place = self._world.channels.get(call.id("channel_id"))
        if place is None or place.deleted:
            raise ApiError(10003)
        if not self._has(place, "view_channel"):
            raise ApiError(50001)
        return place

    def _message(self, place: Channel, call: Call) -> Message:
        message = place.messages.get(call.id("message_id"))
        if message is None or message.ephemeral:
            raise ApiError(10008)
        return message

    def _may_post(self, place: Channel, *, files: bool) -> None:
        if place.kind is Kind.DM and place.recipient is not None and not place.recipient.accepts_dms:
            raise ApiError(50007)
        if place.locked and not self._has(place, "manage_threads"):
            raise ApiError(50083 if place.archived else 160005)
        self._need(place, "send_messages_in_threads" if place.is_thread else "send_messages")
        if files:
            self._need(place, "attach_files")

    def _has(self, place: Channel, permission: str) -> bool:
        bits = self._world.bot_permissions(place)
        granted = discord.Permissions(bits)
        return bool(granted.administrator or getattr(granted, permission))

    def _need(self, place: Channel, permission: str) -> None:
        if not self._has(place, permission):
            raise ApiError(50013)

    def _reply(self, message: Message, *, with_nonce: bool = False) -> Reply:
        return Reply(body=payloads.message(message, self._messages.sign, with_nonce=with_nonce))
