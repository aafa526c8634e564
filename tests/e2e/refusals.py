"""Check the answers of a bot whose database is unavailable: a sentence for people, a status for webhooks."""

from __future__ import annotations

import aiohttp

from tests.e2e.bot_process import BotProcess
from tests.fakediscord.interactions import Interaction

REFUSAL = "I can't reach my database right now"


async def refused(home: BotProcess) -> Interaction:
    asking = await home.ask()
    await home.discord.wait_until(lambda: asking.shown)
    assert REFUSAL in asking.text
    return asking


async def webhook(home: BotProcess, status: str) -> int:
    """Send ComfyDeploy's next event about the only run, and return the answer's status."""
    call = home.comfydeploy.call_log.queue_calls[0]
    event = {"event_type": "run.updated", "status": status, "run_id": call.run_ids[0], "progress": 0.5}
    async with (
        aiohttp.ClientSession() as session,
        session.post(str(call.webhook), json=event | {"live_status": None, "outputs": []}) as answer,
    ):
        return answer.status
