"""Files: what runs have made, in a bucket, and pictures that people post."""

from __future__ import annotations

import io
import random
import wave
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from PIL import Image

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
    """Return a PNG of noise, which lossless compression can't make smaller."""
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
