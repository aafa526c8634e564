"""A red start picture, and whether it shines through a result."""

from __future__ import annotations

import io

from PIL import Image


def red_square() -> bytes:
    target = io.BytesIO()
    Image.new("RGB", (256, 256), "red").save(target, "PNG")
    return target.getvalue()


def is_red(picture: bytes) -> bool:
    """Return whether the start picture shines through, with which the fake workflow blends its own."""
    with Image.open(io.BytesIO(picture)) as image:
        red, green, blue = image.convert("RGB").resize((1, 1)).getpixel((0, 0))
    return red > green + 40 and red > blue + 40
