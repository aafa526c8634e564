"""Files: what runs have made, in a bucket, and pictures that people post."""

from __future__ import annotations

import io
import random
import wave
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import web
from PIL import Image

from demo.fake_comfydeploy.faults import Faults
from demo.fake_comfydeploy.runs import Output
from tests.harness import Harness
from tests.serving import serving

Files = Mapping[str, tuple[bytes, str]]


def song() -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(8000)
        writer.writeframes(bytes(16000))
    return file.getvalue()


def picture(width: int, height: int) -> bytes:
    """Return a PNG of noise, which no compression without loss makes smaller."""
    file = io.BytesIO()
    noise = random.Random(1).randbytes(width * height * 3)
    Image.frombytes("RGB", (width, height), noise).save(file, "PNG", compress_level=0)
    return file.getvalue()


def closing(answer: web.Response) -> web.Response:
    """Return an answer that ends its connection.

    The offline Discord waits for every task, and that of an idle connection would end only after 15 seconds.
    """
    answer.force_close()
    return answer


@asynccontextmanager
async def bucket(files: Files) -> AsyncIterator[str]:
    async def serve(request: web.Request) -> web.Response:
        body, content_type = files[request.match_info["path"]]
        return closing(web.Response(body=body, content_type=content_type))

    async with serving(serve) as address:
        yield address


async def finish_with(bot: Harness, files: Files, **options: Any) -> None:
    """Send a request and let its run end with these files; the delivery is left to the caller."""
    await bot.ask(faults=Faults(hold_at="queued", webhook_drop=True), **options)
    await end_with(bot, files)


async def end_with(bot: Harness, files: Files, status: str = "success") -> None:
    """Tell the bot, as ComfyDeploy does, that the only run has ended with these files."""
    made = bot.comfydeploy.world.bucket
    for name, (content, content_type) in files.items():
        made.put(name, content, content_type)
    await end_with_links(bot, {name: made.plain_link(name) for name in files}, status)


async def end_with_links(bot: Harness, links: Mapping[str, str], status: str = "success") -> None:
    """Tell the bot that the only run has ended with the files at these addresses, by name."""
    (call,) = bot.calls
    items = [{"url": url, "filename": name, "type": "output"} for name, url in links.items()]
    output = {"id": "o", "data": {"files": items}, "node_meta": {"node_id": "9"}}
    if status != "success":
        # The bot asks how a run ended that didn't succeed.
        (run,), now = bot.comfydeploy.runs, bot.comfydeploy.world.now()
        in_bucket = [{"url": name, "filename": name, "type": "output"} for name in links]
        made = Output(data={"files": in_bucket}, node_meta={"node_id": "9"}, created_at=now)
        run.status, run.outputs = status, [made]
    await _report(call, status=status, outputs=[output])


async def report_progress(call: Any) -> None:
    """Tell the bot, as ComfyDeploy does, what the run of a queue call is doing."""
    await _report(call, status="running", live_status="Sampling")


async def _report(call: Any, **event: Any) -> None:
    body = {"event_type": "run.updated", "run_id": call.run_ids[0], **event}
    async with aiohttp.ClientSession() as session, session.post(call.webhook, json=body) as reply:
        assert reply.status == 204


def pictures(count: int) -> Files:
    """Return small pictures with numbers for names."""
    return {f"{number}.png": (picture(8, 8), "image/png") for number in range(count)}


def png() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(file, "PNG")
    return file.getvalue()


async def post_pictures(bot: Harness, *names: str) -> Any:
    """Let Bob post pictures in the channel."""
    return await bot.bob.send(bot.channel, "look", attachments=[(name, png()) for name in names])
