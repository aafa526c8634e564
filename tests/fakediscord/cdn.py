"""Serve attachments at signed URLs that expire, as cdn.discordapp.com does."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable

from aiohttp import web

from tests.fakediscord.core import Core
from tests.fakediscord.world import Attachment


def handler(core: Core) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def serve(request: web.Request) -> web.StreamResponse:
        file = _find(core, int(request.match_info["channel"]), int(request.match_info["file"]))
        if file is None or file.data is None or not _signed(core, request):
            return web.Response(status=404, text="This content is no longer available.")
        return web.Response(body=file.data, content_type=file.content_type)

    return serve


def _find(core: Core, channel_id: int, file_id: int) -> Attachment | None:
    if file_id in core.user_files:
        return core.user_files[file_id]
    channel = core.world.channels.get(channel_id)
    notes = channel.messages.values() if channel else ()
    return next((a for m in notes for a in m.attachments if a.id == file_id), None)


def _signed(core: Core, request: web.Request) -> bool:
    expires, issued = request.query.get("ex", ""), request.query.get("is", "")
    path = request.path.removeprefix("/cdn")
    if not hmac.compare_digest(core.link_mac(path, expires, issued), request.query.get("hm", "")):
        return False
    return int(expires, 16) > core.world.clock.now()
