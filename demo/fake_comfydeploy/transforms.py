"""Enlarge and animate a run's input picture. The functions are slow; call them in a thread."""

from __future__ import annotations

import io
import math

from PIL import Image, ImageFilter

from demo.fake_comfydeploy.deployments import MOTIONS
from demo.fake_comfydeploy.painting import as_png, cover_label, is_labelled, label
from demo.fake_comfydeploy.video import encode_mp4

LONGEST = 4096
_CLIP = 512  # the longest side of a clip
_CLOSER = 0.3  # the share of the picture that the camera moves through


def enlarge_png(picture: bytes, scale: int) -> bytes:
    """Return the picture, sharpened and enlarged by `scale`, or by less if a side would exceed `LONGEST`."""
    source = _opened(picture)
    scale = min(scale, max(1, LONGEST // max(source.size)))
    size = (source.width * scale, source.height * scale)
    larger = source.resize(size, Image.Resampling.LANCZOS)
    sharper = larger.filter(ImageFilter.UnsharpMask(radius=2, percent=120))
    return as_png(sharper, labelled=is_labelled(source))


def animate_mp4(picture: bytes, motion: str) -> bytes:
    """Return a clip in which a camera moves over the picture. Raises ValueError for an unknown motion."""
    if motion not in MOTIONS:
        raise ValueError(f"no motion {motion!r}")
    source = _opened(picture)
    if is_labelled(source):
        cover_label(source)  # each frame gets its own label, which doesn't move
    share = _CLIP / max(source.size)
    size = (max(2, round(source.width * share) // 2 * 2), max(2, round(source.height * share) // 2 * 2))

    def frame_at(time: float) -> Image.Image:
        eased = (1 - math.cos(time * math.pi)) / 2
        frame = source.resize(size, Image.Resampling.BILINEAR, box=_window(source.size, motion, eased))
        label(frame)
        return frame

    return encode_mp4(frame_at, size)


def _window(size: tuple[int, int], motion: str, eased: float) -> tuple[float, float, float, float]:
    """Return the part of the picture that the camera sees."""
    width, height = size
    closer = _CLOSER * {"zoom in": eased, "zoom out": 1 - eased}.get(motion, 1)
    left = closer * width * (eased if motion == "pan" else 0.5)
    top = closer * height / 2
    return left, top, left + width * (1 - closer), top + height * (1 - closer)


def _opened(picture: bytes) -> Image.Image:
    return Image.open(io.BytesIO(picture)).convert("RGB")
