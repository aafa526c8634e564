"""The simplest bot that generates pictures, as a baseline: `python -m tests.bench.plain_bot`.

It answers `/generate`, queues a run, edits its progress, posts the picture, and deletes the first answer, but
survives no fault. It imports nothing from the bot.
"""

from __future__ import annotations

import asyncio
import io
import os
from dataclasses import dataclass
from typing import Any

import aiohttp
import discord
from aiohttp import web
from discord import app_commands

API = os.environ.get("COMFYDEPLOY_API_URL", "")
DEPLOYMENT = os.environ.get("COMFYDEPLOY_DEPLOYMENT_ID", "")
PUBLIC_URL = os.environ.get("PUBLIC_URL", "")
HEADERS = {"Authorization": f"Bearer {os.environ.get('COMFYDEPLOY_API_KEY', '')}"}
EDIT_SECONDS = 2.0


@dataclass(slots=True)
class Asked:
    interaction: discord.Interaction[PlainBot]
    edited: float = 0.0


class PlainBot(discord.Client):
    def __init__(self) -> None:
        super().__init__(
            intents=discord.Intents(guilds=True),
            max_messages=None,
            member_cache_flags=discord.MemberCacheFlags.none(),
        )
        self.tree = app_commands.CommandTree(self)
        self.asked: dict[str, Asked] = {}
        self.tasks: set[asyncio.Task[None]] = set()

    async def setup_hook(self) -> None:
        self.calls = aiohttp.ClientSession(headers=HEADERS)
        app = web.Application()
        app.router.add_post("/hook/{key}", self.receive)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", int(os.environ.get("WEB_PORT", "0"))).start()
        self.tree.add_command(app_commands.Command(name="generate", description="Makes", callback=generate))
        await self.tree.sync()

    async def queue(self, key: str, prompt: str) -> None:
        body = {
            "deployment_id": DEPLOYMENT,
            "inputs": {"prompt": prompt},
            "webhook": f"{PUBLIC_URL}/hook/{key}",
            "webhook_intermediate_status": True,
        }
        async with self.calls.post(f"{API}/run/deployment/queue", json=body) as answer:
            answer.raise_for_status()

    async def receive(self, request: web.Request) -> web.Response:
        event, asked = await request.json(), self.asked[request.match_info["key"]]
        now = asyncio.get_running_loop().time()
        if event["status"] == "success":
            self.spawn(self.post(asked, event))
        elif now - asked.edited > EDIT_SECONDS:
            asked.edited = now
            self.spawn(asked.interaction.edit_original_response(content=f"{event['progress']:.0%}"))
        return web.Response(status=204)

    async def post(self, asked: Asked, event: dict[str, Any]) -> None:
        image = event["outputs"][0]["data"]["images"][0]
        async with self.calls.get(image["url"]) as answer:
            file = discord.File(io.BytesIO(await answer.read()), image["filename"])
        channel = asked.interaction.channel
        if isinstance(channel, discord.TextChannel):
            await channel.send(asked.interaction.user.mention, file=file)
        await asked.interaction.delete_original_response()

    def spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


async def generate(interaction: discord.Interaction[PlainBot], prompt: str) -> None:
    await interaction.response.send_message("Working on it.")
    interaction.client.asked[str(interaction.id)] = Asked(interaction)
    if PUBLIC_URL:
        await interaction.client.queue(str(interaction.id), prompt)


if __name__ == "__main__":
    PlainBot().run(os.environ["DISCORD_TOKEN"], log_handler=None)
