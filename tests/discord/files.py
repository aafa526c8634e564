"""Files that a run has made, in a bucket and in the channel."""

from __future__ import annotations

import io
import random
import wave
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web
from PIL import Image

from tests.harness import Harness
from tests.serving import serving
from tests.web.service import run_under_way

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
    """Noise, which no compression without loss makes smaller."""
    file = io.BytesIO()
    noise = random.Random(1).randbytes(width * height * 3)
    Image.frombytes("RGB", (width, height), noise).save(file, "PNG", compress_level=0)
    return file.getvalue()


@asynccontextmanager
async def bucket(files: Files) -> AsyncIterator[str]:
    async def serve(request: web.Request) -> web.Response:
        body, content_type = files[request.match_info["path"]]
        return web.Response(body=body, content_type=content_type)

    async with serving(serve) as address:
        yield address


@asynccontextmanager
async def finished_with(folder: Path, files: Files) -> AsyncIterator[Harness]:
    """A run that has made these files; they are in the channel."""
    async with bucket(files) as base, run_under_way(folder) as caller:
        items = [{"url": f"{base}/{name}", "filename": name, "type": "output"} for name in files]
        output = {"id": "o", "data": {"files": items}, "node_meta": {"node_id": "9"}}
        assert (await caller.call(caller.event("success", outputs=[output])))[0] == 204
        await caller.bot.play()
        yield caller.bot


def png() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(file, "PNG")
    return file.getvalue()
