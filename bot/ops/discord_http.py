"""Discord's HTTP API for the operator's commands: one quick try, no gateway. The bot itself uses discord.py,
whose retries go on for a minute where somebody waits for a line on a terminal."""

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

_PAGE = 200  # of the bot's own servers, Discord's most
_LONGEST_WAIT = 30.0


class DiscordFault(Exception):
    """No answer, or one that is no 2xx: `status` is None where there was none, `code` is Discord's own."""

    def __init__(self, text: str, status: int | None = None, code: int = 0) -> None:
        super().__init__(text)
        self.status = status
        self.code = code


@dataclass(slots=True)
class DiscordApi:
    """Raises DiscordFault. `date` is the Date header of the last answer."""

    session: aiohttp.ClientSession = field(repr=False)
    token: SecretStr
    date: str | None = None

    async def application(self) -> Mapping[str, Any]:
        """Who the token belongs to."""
        found: Mapping[str, Any] = await self._call("GET", "/applications/@me")
        return found

    async def gateway(self) -> Mapping[str, Any]:
        """How many shards Discord recommends, and how many sessions are left today."""
        found: Mapping[str, Any] = await self._call("GET", "/gateway/bot")
        return found

    async def servers(self) -> AsyncIterator[Mapping[str, Any]]:
        """Every server that the bot is on, with the bot's `permissions` there."""
        after = 0
        while True:
            page = await self._call("GET", f"/users/@me/guilds?limit={_PAGE}&after={after}")
            for server in page:
                yield server
            if len(page) < _PAGE:
                return
            after = int(page[-1]["id"])

    async def commands(self, application_id: int, place: str) -> Sequence[Mapping[str, Any]]:
        """What is registered in a place (see `bot.gateway.sync`)."""
        found: Sequence[Mapping[str, Any]] = await self._call("GET", _commands(application_id, place))
        return found

    async def put_commands(self, application_id: int, place: str, wanted: list[dict[str, Any]]) -> None:
        await self._call("PUT", _commands(application_id, place), wanted)

    async def _call(self, method: str, path: str, body: object = None) -> Any:
        status, found = await self._once(method, path, body)
        if status == 429:
            await asyncio.sleep(min(float(found.get("retry_after", 1)), _LONGEST_WAIT))
            status, found = await self._once(method, path, body)
        if 200 <= status < 300:
            return found
        told = found if isinstance(found, dict) else {}
        raise DiscordFault(
            f"{status} {told.get('message', '')}".strip(), status=status, code=int(told.get("code", 0))
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
            # `from None`: aiohttp's own error holds the request with its headers.
            raise DiscordFault(f"no answer ({type(error).__name__})") from None


async def _json(answer: aiohttp.ClientResponse) -> Any:
    try:
        return await answer.json(content_type=None)
    except ValueError:  # a page of the proxies before Discord
        return {}


def _commands(application_id: int, place: str) -> str:
    where = "" if place == "global" else f"/guilds/{place}"
    return f"/applications/{application_id}{where}/commands"


@asynccontextmanager
async def discord_api(token: SecretStr, seconds: float = 15) -> AsyncIterator[DiscordApi]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=seconds)) as session:
        yield DiscordApi(session, token)
