"""Call Discord's HTTP API for the operator's commands. A call is retried only after a 429, and only once.

The bot uses discord.py, whose retries take up to a minute. A user at a terminal shouldn't wait that long.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
from discord.http import Route
from pydantic import SecretStr

_AGENT: Final = "DiscordBot (https://github.com/Rapptz/discord.py, 2) comfydeploy-discord-bot"

_PAGE = 200  # Discord's maximum
_LONGEST_WAIT = 30.0
_CALL_SECONDS = 15.0


class DiscordFault(Exception):
    """Discord did not answer (`status` None) or answered with an error; `code` is Discord's error code."""

    def __init__(self, text: str, status: int | None = None, code: int = 0) -> None:
        super().__init__(text)
        self.status = status
        self.code = code


@dataclass(slots=True)
class DiscordApi:
    """A minimal client of Discord's API. Methods raise DiscordFault.

    `date` is the Date header of the last answer.
    """

    session: aiohttp.ClientSession = field(repr=False)
    token: SecretStr
    date: str | None = None

    async def application(self) -> Mapping[str, Any]:
        """Return the application that the token belongs to."""
        body: Mapping[str, Any] = await self._call("GET", "/applications/@me")
        return body

    async def gateway(self) -> Mapping[str, Any]:
        """Return the recommended number of shards and the session starts that are left."""
        body: Mapping[str, Any] = await self._call("GET", "/gateway/bot")
        return body

    async def servers(self) -> AsyncIterator[Mapping[str, Any]]:
        """Yield every server of the bot with the bot's `permissions` there."""
        after = 0
        while True:
            page = await self._call("GET", f"/users/@me/guilds?limit={_PAGE}&after={after}")
            for server in page:
                yield server
            if len(page) < _PAGE:
                return
            after = int(page[-1]["id"])

    async def commands(self, application_id: int, scope: str) -> Sequence[Mapping[str, Any]]:
        """Return the commands registered in a scope ("global" or a server's id)."""
        body: Sequence[Mapping[str, Any]] = await self._call("GET", _commands(application_id, scope))
        return body

    async def put_commands(self, application_id: int, scope: str, commands: list[dict[str, Any]]) -> None:
        await self._call("PUT", _commands(application_id, scope), commands)

    async def _call(self, method: str, path: str, body: object = None) -> Any:
        status, answer = await self._once(method, path, body)
        if status == 429:
            await asyncio.sleep(min(float(answer.get("retry_after", 1)), _LONGEST_WAIT))
            status, answer = await self._once(method, path, body)
        if 200 <= status < 300:
            return answer
        details = answer if isinstance(answer, dict) else {}
        raise DiscordFault(
            f"{status} {details.get('message', '')}".strip(), status=status, code=int(details.get("code", 0))
        )

    async def _once(self, method: str, path: str, body: object) -> tuple[int, Any]:
        headers = {"Authorization": f"Bot {self.token.get_secret_value()}", "User-Agent": _AGENT}
        try:
            async with self.session.request(
                method, Route.BASE + path, json=body, headers=headers, allow_redirects=False
            ) as answer:
                self.date = answer.headers.get("Date")
                return answer.status, await _json(answer)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            # `from None`: aiohttp's error contains the request with its Authorization header.
            raise DiscordFault(f"no connection to discord.com: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    """Return why there was no answer, without the request that the error may contain."""
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "the name can't be resolved"
    if isinstance(error, TimeoutError):
        return f"no answer within {_CALL_SECONDS:g} seconds"
    return type(error).__name__


async def _json(answer: aiohttp.ClientResponse) -> Any:
    try:
        return await answer.json(content_type=None)
    except ValueError:  # an HTML page from the proxy in front of Discord
        return {}


def _commands(application_id: int, scope: str) -> str:
    path = "" if scope == "global" else f"/guilds/{scope}"
    return f"/applications/{application_id}{path}/commands"


@asynccontextmanager
async def discord_api(token: SecretStr) -> AsyncIterator[DiscordApi]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_CALL_SECONDS)) as session:
        yield DiscordApi(session, token)
