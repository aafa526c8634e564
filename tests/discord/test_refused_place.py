"""A place that Discord has refused isn't tried again, although the files can't be fetched."""

from __future__ import annotations

from itertools import count

import aiohttp
import pytest
from aiohttp import web

from demo.fake_comfydeploy.faults import Faults
from tests.discord.files import png
from tests.discord.rendered import requests_to, text_of
from tests.harness import Harness
from tests.serving import serving


async def end_with(bot: Harness, url: str) -> None:
    """Tell the bot, as ComfyDeploy does, that the only run has ended with the file at this address."""
    (call,) = bot.calls
    items = [{"url": url, "filename": "fox.png", "type": "output"}]
    output = {"id": "o", "data": {"files": items}, "node_meta": {"node_id": "9"}}
    event = {"event_type": "run.updated", "run_id": call.run_ids[0], "status": "success", "outputs": [output]}
    assert call.webhook is not None
    async with aiohttp.ClientSession() as session, session.post(call.webhook, json=event) as reply:
        assert reply.status == 204


@pytest.mark.parametrize("served", [0, 1, 2, 3], ids=lambda served: f"{served} downloads succeed")
async def test_a_closed_channel_is_tried_once_if_files_can_not_be_fetched(bot: Harness, served: int) -> None:
    asked_for = count(1)

    async def serve(_request: web.Request) -> web.Response:
        fails = next(asked_for) > served
        answer = web.Response(status=503) if fails else web.Response(body=png(), content_type="image/png")
        # The offline Discord waits for every task, and that of an idle connection would last.
        answer.force_close()
        return answer

    posts = f"/channels/{bot.channel.id}/messages"
    async with serving(serve) as address:
        await bot.ask(faults=Faults(hold_at="queued", webhook_drop=True))
        bot.env.inject_error("POST", posts, status=403, code=50013, times=None)
        bot.env.inject_error("PATCH", "/webhooks/*", status=404, code=10015, times=None)
        await end_with(bot, f"{address}/fox.png")
        await bot.later(minutes=11, times=3)
    message, _ = bot.alice.user.dm_channel.history()
    assert len(message.attachments) == (served > 2)
    assert f"[try it yourself]({address}/fox.png)" in text_of(bot, message) or served > 2
    assert len(requests_to(bot, "POST", posts)) == 1
