"""Routes, and their requests with a body of JSON or of multipart with `payload_json` and `files[n]`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import BodyPartReader, web

from tests.fakediscord.errors import ApiError
from tests.fakediscord.world import Attachment, Guild

if TYPE_CHECKING:
    from tests.fakediscord.world_changes import WorldChanges

# After so many messages, only the sizes of files are kept, to limit the memory of long runs.
_WITH_FILES = 500


@dataclass(frozen=True, slots=True)
class Call:
    """A request. `body` is an object, or a list for a bulk overwrite."""

    discord: WorldChanges
    params: Mapping[str, str]
    query: Mapping[str, str]
    body: Any
    files: Mapping[int, Attachment]

    def id(self, name: str) -> int:
        return int(self.params[name])

    @property
    def guild(self) -> Guild:
        guild = self.discord.world.guilds.get(self.id("guild_id"))
        if guild is None or not guild.bot_present:
            raise ApiError(10004)
        return guild


# A handler returns the body of the answer, or None for a 204.
Handler = Callable[[Call], object]


@dataclass(frozen=True, slots=True)
class Endpoint:
    method: str
    path: str
    handler: Handler

    @property
    def route(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def of_interaction(self) -> bool:
        """Return whether a token in the path replaces the bot's; the global rate limit doesn't apply then."""
        return self.path.startswith(("/interactions/", "/webhooks/"))


class Routes(list[Endpoint]):
    """A module's endpoints, for `@routes("GET", "/users/@me")`."""

    def __call__(self, method: str, path: str) -> Callable[[Handler], Handler]:
        def add(handler: Handler) -> Handler:
            self.append(Endpoint(method, path, handler))
            return handler

        return add


async def read_call(request: web.Request, discord: WorldChanges) -> Call:
    text = ""
    files: dict[int, Attachment] = {}
    if request.content_type.startswith("multipart/"):
        async for part in await request.multipart():
            assert isinstance(part, BodyPartReader)
            if part.name == "payload_json":
                text = await part.text()
            elif match := re.fullmatch(r"files\[(\d+)\]", part.name or ""):
                name = re.sub(r"[^\w.\-]", "_", part.filename or "unknown")
                file = files[int(match[1])] = discord.world.file(name, bytes(await part.read()))
                if len(discord.request_log.messages) > _WITH_FILES:
                    file.data = None
    elif request.can_read_body:
        text = await request.text()
    body = json.loads(text) if text else {}
    return Call(discord, request.match_info, request.query, body, files)
