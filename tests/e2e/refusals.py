"""Check the answers of a bot whose database is unavailable: a sentence for people, a status for webhooks."""

from __future__ import annotations

import json

import aiohttp

from tests.e2e.bot_process import BotProcess
from tests.fakediscord.interactions import Interaction

REFUSAL = "I can't reach my database right now"


async def refused(home: BotProcess) -> Interaction:
    asking = await home.ask()
    await asking.wait_answer()
    assert asking.original is not None
    assert asking.original.ephemeral
    assert REFUSAL in asking.text
    return asking


async def webhook(home: BotProcess, status: str) -> int:
    """Send ComfyDeploy's next event about the only run, and return the answer's status."""
    url = home.comfydeploy.call_log.queue_calls[0].webhook
    (run_id,) = home.comfydeploy.call_log.queue_calls[0].run_ids
    event = {
        "event_type": "run.updated",
        "status": status,
        "run_id": run_id,
        "progress": 0.5,
        "live_status": None,
        "outputs": [],
    }
    async with (
        aiohttp.ClientSession() as session,
        session.post(str(url), data=json.dumps(event)) as answer,
    ):
        return answer.status
