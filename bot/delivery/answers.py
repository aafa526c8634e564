"""Ask Discord how the interaction of a request was answered."""

from __future__ import annotations

import json
import logging

import aiohttp
import discord
from discord.http import Route

from bot.discord_errors import is_outage
from bot.domain.errors import RequestUnknown
from bot.domain.requests import Answer, AnswerState
from bot.domain.runs import Run
from bot.strings import say

# discord.py has no public call for the answer of an interaction that another process received.
_PATH = "/webhooks/{webhook_id}/{webhook_token}/messages/@original"
log = logging.getLogger(__name__)
# 10008: unknown message; 10015: unknown webhook, which is what an interaction without an answer looks like.
_UNANSWERED = frozenset({10008, 10015})


class AnswerReader:
    """Reads how interactions were answered. It needs only their tokens, not a gateway connection."""

    def __init__(self, client: discord.Client) -> None:
        self._client = client

    async def read(self, run: Run, token: str) -> Answer:
        """Return the answer as the requester of a batch sees it. `run` is the first run of the batch."""
        route = Route("GET", _PATH, webhook_id=run.application_id, webhook_token=token)
        try:
            message = await self._client.http.request(route)
        except discord.HTTPException as error:
            return Answer(_state(error))
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            log.warning("can't ask Discord about an answer: %s: %s", type(error).__name__, error)
            return Answer(AnswerState.UNKNOWN)
        if run.key in json.dumps(message["components"]):
            return Answer(AnswerState.SHOWN, int(message["id"]))
        may_start = message["content"] == say(RequestUnknown.code)
        return Answer(AnswerState.SHOWN if may_start else AnswerState.OTHER)


def _state(error: discord.HTTPException) -> AnswerState:
    if is_outage(error):
        log.warning("can't ask Discord about an answer: %s", error)
        return AnswerState.UNKNOWN
    # With any other code, the token has expired or the channel was deleted.
    return AnswerState.MISSING if error.code in _UNANSWERED else AnswerState.EXPIRED
