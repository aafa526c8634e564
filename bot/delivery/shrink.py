"""Recompress a picture until it fits."""

from __future__ import annotations

import asyncio
import io
import logging
import math
from typing import Final

from PIL import Image, ImageOps

log = logging.getLogger(__name__)

_FORMATS: Final = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "AVIF")
# A decoded pixel takes four bytes, twice while it is scaled: about 400 MB at most.
_MAX_PIXELS: Final = 50_000_000
_MAX_SIDE: Final = 16_383  # WebP's own limit
_MIN_SIDE: Final = 64
_QUALITIES: Final = (92, 82, 70)
_SCALED_QUALITY: Final = 82


async def shrink_image(data: bytes, limit: int) -> tuple[bytes, str] | None:
    """Return the picture as WebP in at most `limit` bytes, and its extension; works in a thread.

    Quality is reduced first, then the size. Returns None for a file that isn't a still picture, is too large
    to decode safely, or can't be made to fit; the caller links to it instead.
    """
    return await asyncio.to_thread(_shrink, data, limit)


def _shrink(data: bytes, limit: int) -> tuple[bytes, str] | None:
    # Pillow raises any error on broken files: `struct.error` for EXIF, RuntimeError for AVIF.
    try:
        image = _open(data)
        return None if image is None else _fit(image, limit)
    except Exception as error:
        log.info("picture can't be recompressed: %s: %s", type(error).__name__, error)
        return None


def _open(data: bytes) -> Image.Image | None:
    image = Image.open(io.BytesIO(data), formats=_FORMATS)  # reads the header only
    if getattr(image, "is_animated", False) or image.width * image.height > _MAX_PIXELS:
        return None
    upright = ImageOps.exif_transpose(image)
    mode = "RGBA" if upright.has_transparency_data else "RGB"
    return upright if upright.mode == mode else upright.convert(mode)


def _fit(image: Image.Image, limit: int) -> tuple[bytes, str] | None:
    longest = max(image.size)
    if longest > _MAX_SIDE:
        image = _scaled(image, _MAX_SIDE / longest)
    for quality in _QUALITIES:
        encoded = _encode(image, quality)
        if len(encoded) <= limit:
            return encoded, "webp"
    while min(image.size) > _MIN_SIDE:
        # Size is proportional to area; a little smaller, so that two rounds nearly always suffice.
        image = _scaled(image, min(0.9, math.sqrt(limit / len(encoded)) * 0.95))
        encoded = _encode(image, _SCALED_QUALITY)
        if len(encoded) <= limit:
            return encoded, "webp"
    return None


def _scaled(image: Image.Image, factor: float) -> Image.Image:
    size = (max(1, int(image.width * factor)), max(1, int(image.height * factor)))
    return image.resize(size, Image.Resampling.LANCZOS)


def _encode(image: Image.Image, quality: int) -> bytes:
    target = io.BytesIO()
    image.save(target, "WEBP", quality=quality, method=4)
    return target.getvalue()
