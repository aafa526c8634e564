"""The fake Discord's HTTP server, with authorisation, rate limits, faults and a log of all requests."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from types import TracebackType
from typing import Self

from aiohttp import web

from tests.fakediscord import http_commands, http_interactions, http_messages, http_world
from tests.fakediscord.actions import Actions
from tests.fakediscord.calls import Endpoint, read_call
from tests.fakediscord.errors import ApiError
from tests.fakediscord.faults import Effect, Fault
from tests.fakediscord.ratelimits import refusal
from tests.fakediscord.request_log import RequestRecord
from tests.fakediscord.world import Attachment

_BODY_LIMIT = 16 * 1024 * 1024
_ENDPOINTS = (
    *http_world.routes,
    *http_commands.routes,
    *http_interactions.routes,
    *http_messages.routes,
)


class _Dropped(Exception):
    """Raised after a connection was aborted, so that no answer is sent."""


class FakeDiscord(Actions):
    """A fake Discord for `async with FakeDiscord() as discord:`. The package's docstring has an example."""

    _runner: web.AppRunner | None = None
    date_ahead = 0.0
    """Seconds by which the Date header is off."""

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
        if self.request_log.crashes and error is None:
            raise ExceptionGroup("errors in the fake Discord", self.request_log.crashes)

    async def start(self, port: int = 0) -> None:
        app = web.Application(client_max_size=_BODY_LIMIT)
        for endpoint in _ENDPOINTS:
            app.router.add_route(endpoint.method, f"/api/v10{endpoint.path}", self._handler(endpoint))
        app.router.add_get("/gateway", self.gateway.handle)
        app.router.add_get("/gateway/", self.gateway.handle)
        app.router.add_get("/cdn/attachments/{channel}/{file}/{name}", self._file)
        app.router.add_route("*", "/{path:.*}", self._unknown)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        bound = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{bound}"

    async def stop(self) -> None:
        self.gateway.drop(resumable=False)
        if self._runner is not None:
            await self._runner.cleanup()

    def _handler(self, endpoint: Endpoint) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            fault = self.faults.draw(endpoint.route, dict(request.match_info))
            try:
                answer = await self._answer(request, endpoint, fault)
            except (_Dropped, ConnectionError):
                self._record(request, endpoint, 0)
                return web.Response()
            except Exception as error:
                self.request_log.crashes.append(error)
                raise
            self._record(request, endpoint, answer.status)
            if self.date_ahead:
                answer.headers["Date"] = formatdate(time.time() + self.date_ahead, usegmt=True)
            return answer

        return handle

    async def _answer(self, request: web.Request, endpoint: Endpoint, fault: Fault | None) -> web.Response:
        early = await _suffer(request, fault) if fault is not None and not fault.after else None
        if early is not None:
            return early
        headers, refused = self.limits.take(
            endpoint.route, request.match_info, interaction=endpoint.of_interaction
        )
        try:
            self._authorise(request, endpoint)
            call = await read_call(request, self)
            if refused is not None:
                response = _respond(429, refused, headers)
            else:
                response = _respond(200, endpoint.handler(call), headers)
        except ApiError as error:
            response = _respond(error.status, error.body(), headers)
        late = await _suffer(request, fault) if fault is not None and fault.after else None
        return late or response

    def _authorise(self, request: web.Request, endpoint: Endpoint) -> None:
        if not endpoint.of_interaction and request.headers.get("Authorization") != f"Bot {self.token}":
            raise ApiError(0)

    def _record(self, request: web.Request, endpoint: Endpoint, status: int) -> None:
        entry = RequestRecord(endpoint.method, endpoint.path, request.path, status)
        self.request_log.requests.append(entry)
        self.world.changed()

    async def _file(self, request: web.Request) -> web.Response:
        """Serve an attachment at a signed URL that expires, as cdn.discordapp.com does."""
        file = self._attachment(int(request.match_info["channel"]), int(request.match_info["file"]))
        expires, issued = request.query.get("ex", ""), request.query.get("is", "")
        mac = self.link_mac(request.path.removeprefix("/cdn"), expires, issued)
        signed = mac == request.query.get("hm") and int(expires, 16) > self.world.clock.now()
        if file is None or file.data is None or not signed:
            return web.Response(status=404, text="This content is no longer available.")
        return web.Response(body=file.data, content_type=file.content_type)

    def _attachment(self, channel_id: int, file_id: int) -> Attachment | None:
        if file_id in self.user_files:
            return self.user_files[file_id]
        channel = self.world.channels.get(channel_id)
        notes = channel.messages.values() if channel else ()
        return next((a for m in notes for a in m.attachments if a.id == file_id), None)

    async def _unknown(self, request: web.Request) -> web.Response:
        """Answer 404 for a route that the fake lacks, and log it."""
        self.request_log.unknown_routes[f"{request.method} {request.path}"] += 1
        return _respond(404, {"message": "404: Not Found", "code": 0}, {})


async def _suffer(request: web.Request, fault: Fault) -> web.Response | None:
    """Return a fault's answer, if it has one. Raises _Dropped."""
    match fault.effect:
        case Effect.DELAY:
            await asyncio.sleep(fault.seconds)
        case Effect.STATUS:
            return _broken(fault.status)
        case Effect.ERROR:
            error = ApiError(fault.code)
            return _respond(error.status, error.body(), {})
        case Effect.RATE_LIMIT:
            headers, body = refusal(fault.seconds)
            return _respond(429, body, headers)
        case Effect.DROP:
            if request.transport is not None:
                request.transport.abort()
            raise _Dropped
    return None


def _respond(status: int, body: object, headers: dict[str, str]) -> web.Response:
    if body is None:
        return web.Response(status=204, headers=headers)
    # discord.py compares the content type as a whole: a charset behind it would make the body text.
    data = json.dumps(body, separators=(",", ":")).encode()
    return web.Response(status=status, headers=headers, body=data, content_type="application/json")


def _broken(status: int) -> web.Response:
    """Return the HTML with which the proxies before Discord answer."""
    return web.Response(status=status, text=f"<html><title>{status}</title></html>", content_type="text/html")
