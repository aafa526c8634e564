"""The routes below `/files`, where downloads can fail in several ways."""

from __future__ import annotations

import asyncio

from aiohttp import web

from demo.fake_comfydeploy.faults import Body
from demo.fake_comfydeploy.files import StoredFile
from demo.fake_comfydeploy.world import World

PRIVATE_ADDRESS = "http://169.254.169.254/latest/meta-data/"
CHUNK = 64 * 1024


def denied(message: str) -> web.Response:
    text = f'<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>{message}</Message></Error>'
    return web.Response(status=403, text=text, content_type="application/xml")


class Serving:
    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/files/{path:.+}", self.serve)]

    async def serve(self, request: web.Request) -> web.StreamResponse:
        response = await self._response(request)
        # simcord waits for all timers of a command, also for that of an idle connection.
        response.force_close()
        return response

    async def _response(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"]
        if refusal := self._world.bucket.refusal(path, dict(request.query)):
            return denied(refusal)
        stored = self._world.bucket.get(path)
        if stored is None:
            return web.Response(status=404, text="NoSuchKey", content_type="application/xml")
        fault = self._fault(path)
        if fault is None or not path.startswith("outputs/"):
            return web.Response(body=stored.content, content_type=stored.content_type)
        try:
            return await _misbehave(request, stored, fault)
        except ConnectionResetError:
            # The client closed the connection before the end.
            return web.Response()

    def _fault(self, path: str) -> Body | None:
        run = self._world.runs.get(path.split("/")[2]) if path.count("/") >= 2 else None
        return (run.faults if run else self._world.plan.everywhere).body


async def _misbehave(request: web.Request, stored: StoredFile, fault: Body) -> web.StreamResponse:
    match fault:
        case "expired":
            return denied("Request has expired")
        case "private-redirect":
            return web.Response(status=302, headers={"Location": PRIVATE_ADDRESS})
        case "wrong-type":
            return web.Response(text="<!doctype html><title>Sign in</title>", content_type="text/html")
        case "slow":
            return await _slow(request, stored)
        case "endless":
            return await _endless(request, stored)
        case "cut-off":
            return await _cut_off(request, stored)
        case "damaged":
            return web.Response(body=_damaged(stored.content), content_type=stored.content_type)


def _damaged(content: bytes) -> bytes:
    """Keep the beginning, which identifies the file's type, and invert the rest."""
    return content[:200] + bytes(byte ^ 0xFF for byte in content[200:])


async def _slow(request: web.Request, stored: StoredFile) -> web.StreamResponse:
    """Send one byte per second, with a correct Content-Length. Only a limit on the total time stops this."""
    response = web.StreamResponse(headers={"Content-Type": stored.content_type})
    response.content_length = len(stored.content)
    await response.prepare(request)
    for byte in stored.content:
        await response.write(bytes([byte]))
        await asyncio.sleep(1)
    return response


async def _endless(request: web.Request, stored: StoredFile) -> web.StreamResponse:
    """Send an endless body without a Content-Length, so the client must count the bytes while reading."""
    response = web.StreamResponse(headers={"Content-Type": stored.content_type})
    await response.prepare(request)
    await response.write(stored.content)
    while request.transport is not None:
        await response.write(bytes(CHUNK))
        # In the simulation's network no writer has to wait, so that this would never end.
        await asyncio.sleep(0.001)
    return response


async def _cut_off(request: web.Request, stored: StoredFile) -> web.StreamResponse:
    """Declare twice the real Content-Length, then hang up."""
    response = web.StreamResponse(headers={"Content-Type": stored.content_type})
    response.content_length = len(stored.content) * 2
    await response.prepare(request)
    await response.write(stored.content)
    if request.transport is not None:
        request.transport.close()
    return response
