"""Recompress a picture until it fits the upload limit."""

from __future__ import annotations

import io
import logging
import math
import subprocess
import sys
from typing import TYPE_CHECKING, Final

if __name__ == "__main__" or TYPE_CHECKING:
    # The bot doesn't need Pillow, only the process that it starts.
    from PIL import Image, ImageOps

log = logging.getLogger(__name__)

_FORMATS: Final = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "AVIF")
# Decoding takes up to 22 bytes per pixel for WebP, and 14 for other formats: 800 MB at most, as measured. An
# 8K picture has 33 million pixels.
_MAX_PIXELS: Final = 36_000_000
# WebP's encoder needs about the same memory per pixel, so scale larger pictures down first.
_MAX_ENCODED_PIXELS: Final = 4096 * 4096
_MAX_SIDE: Final = 16_383  # WebP's own limit
_MIN_SIDE: Final = 64
_QUALITIES: Final = (92, 82, 70)
_SCALED_QUALITY: Final = 82
# About as long as one slow core takes to decode, scale and encode the largest picture a few times over.
SECONDS: Final = 60.0


def shrink(data: bytes, limit: int, seconds: float = SECONDS) -> bytes | None:
    """Return the picture as WebP in at most `limit` bytes. Called in a thread, which waits for a process.

    Returns None if the file isn't a still picture, is too large to decode safely, takes too long, or can't be
    made to fit. The process gets no secrets and is killed at the deadline. It is needed because Pillow holds
    the interpreter's lock while it copies and converts, and because the file may be hostile.
    """
    try:
        done = subprocess.run(  # noqa: S603  # runs this file
            [sys.executable, "-I", __file__, str(limit)],
            input=data,
            capture_output=True,
            env={},
            timeout=max(0.0, seconds),
            check=False,
        )
    except subprocess.TimeoutExpired:
        log.warning("did not recompress a picture within %.0f s", seconds)
        return None
    if done.returncode:
        log.info("can't recompress a picture: %s", done.stderr.decode(errors="replace")[-200:].strip())
    return done.stdout if done.stdout and not done.returncode else None


def main() -> None:
    """Recompress the picture on stdin to the byte limit in the first argument, and write it to stdout."""
    # Only the header is read here.
    image: Image.Image = Image.open(io.BytesIO(sys.stdin.buffer.read()), formats=_FORMATS)
    if getattr(image, "is_animated", False) or image.width * image.height > _MAX_PIXELS:
        return
    fitted = _fit(_decoded(image), int(sys.argv[1]))
    if fitted is not None:
        sys.stdout.buffer.write(fitted)


def _decoded(image: Image.Image) -> Image.Image:
    """Return the decoded picture, upright and not too large for the encoder."""
    image.load()
    try:
        # In place, because a copy would take as much memory again.
        ImageOps.exif_transpose(image, in_place=True)
    except Exception as error:  # Pillow raises all kinds of errors on broken files
        sys.stderr.write(f"can't read the EXIF data: {error}\n")
    mode = "RGBA" if image.has_transparency_data else "RGB"
    if image.mode != mode:
        image = image.convert(mode)
    # Scaled here because the caller would keep the decoded picture in memory until it returns.
    factor = min(
        1.0, _MAX_SIDE / max(image.size), math.sqrt(_MAX_ENCODED_PIXELS / (image.width * image.height))
    )
    return image if factor == 1 else _scaled(image, factor)


def _fit(image: Image.Image, limit: int) -> bytes | None:
    for quality in _QUALITIES:
        encoded = _encode(image, quality)
        if len(encoded) <= limit:
            return encoded
    while min(image.size) > _MIN_SIDE:
        # The file's size is roughly proportional to the area. Aim lower, so that two rounds usually suffice.
        image = _scaled(image, min(0.9, math.sqrt(limit / len(encoded)) * 0.95))
        encoded = _encode(image, _SCALED_QUALITY)
        if len(encoded) <= limit:
            return encoded
    return None


def _scaled(image: Image.Image, factor: float) -> Image.Image:
    size = (max(1, int(image.width * factor)), max(1, int(image.height * factor)))
    return image.resize(size, Image.Resampling.LANCZOS)


def _encode(image: Image.Image, quality: int) -> bytes:
    target = io.BytesIO()
    image.save(target, "WEBP", quality=quality, method=4)
    return target.getvalue()


if __name__ == "__main__":
    main()
