"""Generate the outputs of a workflow. Heavy work runs in threads."""

from __future__ import annotations

import asyncio
import base64
import math
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import aiohttp
from PIL import Image

from demo.fake_comfydeploy.deployments import MOTIONS, Makes
from demo.fake_comfydeploy.painting import paint_png
from demo.fake_comfydeploy.picture_themes import LONGEST, SHORTEST, Scene, choose_theme
from demo.fake_comfydeploy.runs import Run
from demo.fake_comfydeploy.transforms import animate_mp4, enlarge_png
from demo.fake_comfydeploy.video import FRAME_RATE, film_mp4

DOWNLOAD_TIMEOUT = aiohttp.ClientTimeout(total=10)
MOST_PICTURES = 16
# Bad inputs, failed downloads, and Pillow's errors for a broken start image or a decompression bomb.
CHOKES = (
    ValueError,
    TypeError,
    OverflowError,
    OSError,
    SyntaxError,
    Image.DecompressionBombError,
    aiohttp.ClientError,
)
Product = dict[str, list[Any]]  # `data` of an output; an item's `content` is still to be uploaded
Made = tuple[dict[str, str], str | None, Product]  # node_meta, output_id and data


class ExecutionError(Exception):
    """Raised if a node fails. Only the run's log has the node and the reason; webhooks and the run don't."""


# Returns the file at a URL that doesn't exist on the network, or None for a URL to download from.
OpenLink = Callable[[str], Awaitable[bytes | None]]


class Generator:
    def __init__(
        self, session: aiohttp.ClientSession, open_link: OpenLink, picture_scale: float = 1.0
    ) -> None:
        self._session = session
        self._open_link = open_link
        self._scale = picture_scale

    async def make(self, run: Run) -> list[Made]:
        """Return outputs as (node_meta, output_id, data). Raises ExecutionError if a node fails."""
        try:
            return await self._make(run)
        except CHOKES as error:
            raise ExecutionError(str(error)) from error

    async def _make(self, run: Run) -> list[Made]:
        node = {"node_id": str(199 + len(run.deployment.nodes)), "node_class": run.deployment.nodes[-1]}
        match run.deployment.makes:
            case Makes.PICTURE:
                return [_preview(), (node, "main", await self._pictures(run, 1))]
            case Makes.PICTURES:
                count = max(1, min(int(run.inputs.get("batch", 4)), MOST_PICTURES))
                return [(node, "main", await self._pictures(run, count))]
            case Makes.VIDEO:
                return [(node, None, await self._video(run))]
            case Makes.LARGER:
                return [(node, "main", await self._larger(run))]
            case Makes.ANIMATED:
                return [(node, None, await self._animated(run))]
            case Makes.TEXT:
                return [(node, None, {"text": [caption(scene_of(run.inputs))]})]
            case Makes.NOTHING:
                raise ExecutionError("mat1 and mat2 shapes cannot be multiplied (77x2048 and 768x320)")

    async def _pictures(self, run: Run, count: int) -> Product:
        scene, start = self._scaled(scene_of(run.inputs)), await self._start_image(run.inputs.get("image"))
        items = []
        for at in range(count):
            content = await asyncio.to_thread(paint_png, replace(scene, seed=scene.seed + at), start)
            items.append({"content": content, "filename": f"ComfyUI_{at + 1:05}_.png", "output_id": "main"})
        return {"images": items}

    async def _video(self, run: Run) -> Product:
        scene = self._scaled(replace(scene_of(run.inputs), width=512, height=512))
        return _clip(await asyncio.to_thread(film_mp4, scene))

    async def _larger(self, run: Run) -> Product:
        source = await self._source(run)
        content = await asyncio.to_thread(enlarge_png, source, int(run.inputs.get("scale", 2)))
        return {"images": [{"content": content, "filename": "Upscaled_00001_.png", "output_id": "main"}]}

    async def _animated(self, run: Run) -> Product:
        source, motion = await self._source(run), str(run.inputs.get("motion", MOTIONS[0]))
        return _clip(await asyncio.to_thread(animate_mp4, source, motion))

    async def _source(self, run: Run) -> bytes:
        source = await self._start_image(run.inputs.get("image"))
        if source is None:
            raise ExecutionError("LoadImage: no image was given")
        return source

    def _scaled(self, scene: Scene) -> Scene:
        sides = (max(SHORTEST, round(side * self._scale)) for side in (scene.width, scene.height))
        return replace(scene, width=next(sides), height=next(sides))

    async def _start_image(self, url: Any) -> bytes | None:
        """Return the start image from a link or a data URL, or None without one.

        If it can't be fetched, this raises one of `CHOKES`, and the run fails.
        """
        if not url:
            return None
        if str(url).startswith("data:"):
            return base64.b64decode(str(url).partition(",")[2])
        if (local := await self._open_link(str(url))) is not None:
            return local
        async with self._session.get(str(url), timeout=DOWNLOAD_TIMEOUT) as reply:
            reply.raise_for_status()
            return await reply.read()


def _clip(content: bytes) -> Product:
    item = {
        "content": content,
        "filename": "AnimateDiff_00001.mp4",
        "format": "video/h264-mp4",
        "frame_rate": float(FRAME_RATE),
    }
    return {"gifs": [item]}


def _preview() -> tuple[dict[str, str], None, Product]:
    """Return the output of a preview node: an item that was never uploaded and has no URL."""
    item = {"type": "temp", "filename": "ComfyUI_temp_qwxlz_00001_.png", "subfolder": ""}
    return {"node_id": "31", "node_class": "PreviewImage"}, None, {"images": [item]}


def scene_of(inputs: dict[str, Any]) -> Scene:
    """Return the scene that the inputs describe. Raises ValueError or TypeError for unusable inputs."""
    grown = 1.25 if inputs.get("hires") else 1.0
    sides = [math.floor(min(float(inputs.get(key, 768)) * grown, LONGEST)) for key in ("width", "height")]
    return Scene(
        prompt=str(inputs.get("prompt", "a quiet valley at dawn")),
        seed=int(inputs.get("seed", 0)),
        width=sides[0],
        height=sides[1],
        style=str(inputs.get("style", "photo")),
        guidance=float(inputs.get("guidance", 7.5)),
    )


def caption(scene: Scene) -> str:
    theme, rng = choose_theme(scene), scene.random("caption")
    mood = rng.choice(("calm", "wide", "dreamlike", "silent", "glowing"))
    seen = rng.choice(theme.words[:4])
    light = "under a sky full of stars" if theme.stars else "in soft, low light"
    return f"A {mood} landscape with a hint of {seen}, {light}, after the words “{scene.prompt}”."
