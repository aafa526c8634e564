"""A picture checker to run beside the bot. docs/picture-check.md explains it and the protocol.

It needs aiohttp and Pillow. The operator installs the model, NudeNet, and PyAV for videos. It imports nothing
of the bot, and is configured by these variables:

PICTURE_CHECK_SECRET      the same as the bot's, at least 16 characters
PICTURE_CHECK_HOST        the address to listen on, by default 0.0.0.0
PICTURE_CHECK_PORT        the port, by default 8090
PICTURE_CHECK_MAX_PIXELS  the largest picture to decode, by default 36000000
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import importlib
import io
import logging
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final, TypeVar

from aiohttp import web
from PIL import Image, ImageOps, ImageSequence

log = logging.getLogger("picture_check")
F = TypeVar("F")
# Returns scores by the model's own labels. Called in several threads.
Model = Callable[[Image.Image], Mapping[str, float]]

# NudeNet's labels. Covered breasts, bellies, armpits, feet and faces are left out: they are in most pictures
# of dressed people.
MEANINGS: Final[Mapping[str, str]] = {
    "FEMALE_GENITALIA_EXPOSED": "explicit",
    "MALE_GENITALIA_EXPOSED": "explicit",
    "ANUS_EXPOSED": "explicit",
    "FEMALE_BREAST_EXPOSED": "nudity",
    "BUTTOCKS_EXPOSED": "nudity",
    "FEMALE_GENITALIA_COVERED": "suggestive",
    "ANUS_COVERED": "suggestive",
    "BUTTOCKS_COVERED": "suggestive",
}
LABELS: Final = ("explicit", "nudity", "suggestive")
MAX_PIXELS: Final = 36_000_000
MAX_FRAMES: Final = 10
_MAX_BYTES: Final = 100 * 1024 * 1024
# How old, or how far in the future, a signature may be, in seconds.
_MAX_AGE: Final = 60
# The bot gives up after 10 seconds.
_SECONDS: Final = 8.0
_AT_ONCE: Final = 8
_THREADS: Final = 2
# NudeNet makes a picture square before it scales it to 320 pixels, so a long strip would take gigabytes.
_SIDE: Final = 960
_FORMATS: Final = ("PNG", "JPEG", "WEBP", "GIF", "AVIF", "BMP", "TIFF")
_BACKGROUND: Final = (49, 51, 56)  # that of Discord's dark theme


class CantTell(Exception):
    """A file that can't be looked at. The bot counts it as unknown."""


def look(
    picture: bytes,
    content_type: str,
    model: Model,
    max_pixels: int = MAX_PIXELS,
    seconds: float = _SECONDS,
) -> dict[str, float]:
    """Return the scores of a picture, animation or video by label. Raises CantTell."""
    read = _video if content_type.startswith("video/") else _picture
    try:
        frames = read(picture, max_pixels, time.monotonic() + seconds)
    except CantTell:
        raise
    except Exception as error:  # the libraries raise all kinds of errors on broken files
        raise CantTell(f"the file is damaged or of an unknown kind ({type(error).__name__})") from error
    if not frames:
        raise CantTell("the file has no pictures")
    scores = dict.fromkeys(LABELS, 0.0)
    for frame in frames:
        for name, score in model(frame).items():
            if label := MEANINGS.get(name):
                scores[label] = max(scores[label], min(1.0, float(score)))
    return scores


def _picture(picture: bytes, max_pixels: int, deadline: float) -> list[Image.Image]:
    with Image.open(io.BytesIO(picture), formats=_FORMATS) as image:
        # A JPEG is decoded smaller, which saves most of the time.
        image.draft("RGB", (_SIDE, _SIDE))
        return _spread(ImageSequence.Iterator(image), partial(_small, max_pixels=max_pixels), deadline)


def _video(video: bytes, max_pixels: int, deadline: float) -> list[Image.Image]:
    try:
        av = importlib.import_module("av")
    except ImportError:
        raise CantTell("videos need PyAV: pip install av") from None

    def small(frame: Any) -> Image.Image:
        return _small(frame.to_image(), max_pixels)

    with av.open(io.BytesIO(video)) as container:
        stream = container.streams.video[0]
        _require(stream.codec_context.width * stream.codec_context.height, max_pixels)
        return _spread(container.decode(stream), small, deadline)


def _require(pixels: int, most: int) -> None:
    if pixels > most:
        raise CantTell(f"the picture has {pixels} pixels, and the limit is {most}")


def _spread(frames: Iterable[F], convert: Callable[[F], Image.Image], deadline: float) -> list[Image.Image]:
    """Return up to `MAX_FRAMES` evenly spread frames. How many there are is only known at the end, because a
    file may lie about it.
    """
    kept, step = list[Image.Image](), 1
    for number, frame in enumerate(frames):
        if time.monotonic() > deadline:
            raise CantTell("the file takes too long to decode")
        if number % step == 0:
            kept.append(convert(frame))
        if len(kept) == 2 * MAX_FRAMES:
            kept, step = kept[::2], step * 2
    if len(kept) <= MAX_FRAMES:
        return kept
    return [kept[number * (len(kept) - 1) // (MAX_FRAMES - 1)] for number in range(MAX_FRAMES)]


def _small(image: Image.Image, max_pixels: int) -> Image.Image:
    """Return a copy of a picture as people see it: upright, on a background, and not larger than needed."""
    _require(image.width * image.height, max_pixels)
    small = image.convert("RGBA" if image.has_transparency_data else "RGB")
    small.thumbnail((_SIDE, _SIDE))
    if small.mode == "RGBA":
        under = Image.new("RGBA", small.size, _BACKGROUND)
        small = Image.alpha_composite(under, small).convert("RGB")
    try:
        orientation = image.getexif().get(0x0112, 1)
    except Exception:  # pictures with broken EXIF data are shown, too
        return small
    small.getexif()[0x0112] = orientation
    return ImageOps.exif_transpose(small)


class Service:
    """Checks the pictures that are sent with a valid signature. Serve its `app`."""

    def __init__(
        self,
        secret: str,
        model: Model,
        *,
        max_pixels: int = MAX_PIXELS,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._secret = secret.encode()
        self._look = partial(look, model=model, max_pixels=max_pixels)
        self._now = now
        self._busy = 0
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="pictures")

    def app(self) -> web.Application:
        app = web.Application(client_max_size=_MAX_BYTES)
        app.router.add_post("/check", self._check)
        app.router.add_get("/healthz", self._healthz)
        return app

    async def _healthz(self, _: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def _check(self, request: web.Request) -> web.Response:
        if self._busy >= _AT_ONCE:
            return _refused(503, f"{_AT_ONCE} pictures are being checked")
        timestamp, signature = (
            request.headers.get(f"X-Bot-{name}", "") for name in ("Timestamp", "Signature")
        )
        is_number = timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 16
        if not is_number or abs(self._now() - int(timestamp)) > _MAX_AGE:
            return _refused(403, "the timestamp is missing, or not of the last minute; compare the clocks")
        self._busy += 1
        try:
            async with asyncio.timeout(_SECONDS):
                picture = await request.read()
            mac = hmac.new(self._secret, timestamp.encode() + b"." + picture, hashlib.sha256)
            if not hmac.compare_digest(mac.hexdigest().encode(), signature.encode(errors="replace")):
                return _refused(403, "the signature is wrong; compare PICTURE_CHECK_SECRET")
            # aiohttp doesn't cancel this when the client hangs up, so a picture counts until it is done.
            scores = await asyncio.get_running_loop().run_in_executor(
                self._threads, self._look, picture, request.content_type
            )
            return web.json_response({"labels": scores})
        except CantTell as error:
            return _refused(422, str(error))
        except TimeoutError:
            return _refused(408, "the picture didn't arrive in time")
        finally:
            self._busy -= 1


def _refused(status: int, reason: str) -> web.Response:
    log.info("answered %d: %s", status, reason)
    return web.json_response({"error": reason}, status=status)


def nudenet() -> Model:
    """Load NudeNet's model. Raises ImportError if it isn't installed."""
    numpy = importlib.import_module("numpy")
    detector = importlib.import_module("nudenet").NudeDetector()

    def detect(picture: Image.Image) -> dict[str, float]:
        scores: dict[str, float] = {}
        # In OpenCV's order of colours, as NudeNet reads files.
        for found in detector.detect(numpy.ascontiguousarray(numpy.asarray(picture)[:, :, ::-1])):
            scores[found["class"]] = max(found["score"], scores.get(found["class"], 0.0))
        return scores

    return detect


def main(environment: Mapping[str, str]) -> int:
    """Serve until a signal ends the process. Return 2 if it isn't configured."""
    logging.basicConfig(level="INFO", format="%(levelname)-8s %(message)s")
    secret = environment.get("PICTURE_CHECK_SECRET", "")
    if len(secret) < 16:
        log.error("PICTURE_CHECK_SECRET must be set, as for the bot, to at least 16 characters")
        return 2
    try:
        port = int(environment.get("PICTURE_CHECK_PORT") or 8090)
        max_pixels = int(environment.get("PICTURE_CHECK_MAX_PIXELS") or MAX_PIXELS)
    except ValueError:
        log.error("PICTURE_CHECK_PORT and PICTURE_CHECK_MAX_PIXELS must be whole numbers")  # noqa: TRY400
        return 2
    try:
        model = nudenet()
    except ImportError as error:
        log.error("there is no model (%s): pip install nudenet", error)  # noqa: TRY400
        return 2
    app = Service(secret, model, max_pixels=max_pixels).app()
    host = environment.get("PICTURE_CHECK_HOST") or "0.0.0.0"  # noqa: S104  # the bot is in another container
    web.run_app(app, host=host, port=port, access_log=None)
    return 0


if __name__ == "__main__":
    sys.exit(main(os.environ))
