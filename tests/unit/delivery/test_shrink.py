"""Pictures above the limit are recompressed, and bombs are not decoded."""

from __future__ import annotations

import io
import random
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import pytest
from PIL import Image

from bot.media.shrink import shrink


def noise(width: int, height: int, mode: str = "RGB") -> Image.Image:
    size = width * height * len(mode)
    return Image.frombytes(mode, (width, height), random.Random(1).randbytes(size))


def saved(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    target = io.BytesIO()
    image.save(target, form, **options)
    return target.getvalue()


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *chunks: bytes, depth: int = 8, colour: int = 6) -> bytes:
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + png_chunk(b"IEND", b"")


def shrunk(data: bytes, limit: int) -> Image.Image:
    """Return the recompressed picture, which must keep the limit."""
    result = shrink(data, limit)
    assert result is not None
    assert len(result) <= limit
    made = opened(result)
    assert made.format == "WEBP"
    return made


def test_quality_falls_before_the_size_does() -> None:
    data = saved(noise(400, 300))
    assert (shrunk(data, len(data) * 2 // 3)).size == (400, 300)


def test_transparency_and_orientation_survive() -> None:
    assert (shrunk(saved(noise(100, 100, "RGBA")), 30_000)).mode == "RGBA"
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    assert (shrunk(saved(noise(200, 100), "JPEG", exif=exif), 30_000)).size == (100, 200)


@pytest.mark.parametrize(("at", "value"), [(17, 0), (43, 1)], ids=["struct.error", "TypeError"])
def test_a_picture_with_broken_exif_is_recompressed_all_the_same(at: int, value: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned, so that Pillow writes the EXIF again
    exif[0x010F] = "camera"
    exif[0x011A] = 72.0
    data = bytearray(saved(noise(60, 60), "JPEG", exif=exif))
    data[data.index(b"Exif\0\0") + at] = value
    shrunk(bytes(data), 50_000)


@pytest.mark.parametrize("mode", ["L", "LA", "P", "1", "I;16", "CMYK"])
def test_other_colour_modes_are_converted(mode: str) -> None:
    image = Image.new(mode, (100, 100), 1) if mode == "I;16" else noise(100, 100).convert(mode)
    form = "TIFF" if mode == "CMYK" else "PNG"
    assert shrink(saved(image, form), 50_000) is not None


def test_a_picture_is_decoded_by_a_process_that_knows_no_secrets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run, environments = subprocess.run, []

    def noted(*args: Any, **kwargs: Any) -> Any:
        environments.append(kwargs["env"])
        return run(*args, **kwargs)

    monkeypatch.setattr(subprocess, "run", noted)
    monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("opened here"))
    smaller = shrink(saved(Image.new("1", (1_600, 1_600))), 100_000)
    assert smaller is not None
    assert environments == [{}]
    assert smaller.startswith(b"RIFF")


TWO_FRAMES: dict[str, Any] = {"save_all": True, "append_images": [Image.new("RGB", (50, 50), "blue")]}
LEFT_ALONE = {
    "cut off": saved(noise(50, 50))[:2000],
    "empty": b"",
    "no picture": b"<svg/>",
    "a format that is not listed": saved(noise(50, 50), "GIF"),
    "a document": saved(noise(50, 50), "PDF"),
    **{f"an animated {form}": saved(noise(50, 50), form, **TWO_FRAMES) for form in ("WEBP", "PNG", "TIFF")},
}


@pytest.mark.parametrize("name", LEFT_ALONE)
def test_a_file_that_is_no_whole_still_picture_of_a_listed_format_is_left_alone(name: str) -> None:
    assert shrink(LEFT_ALONE[name], 100_000) is None


def test_a_picture_that_takes_too_long_is_given_up() -> None:
    assert shrink(saved(Image.new("1", (100, 100))), 100_000, 0.001) is None


@cache
def zeros(size: int) -> bytes:
    """Return `size` zero bytes as zlib compresses them, to a few thousandths, without holding them."""
    packer = zlib.compressobj(1)
    parts = [packer.compress(bytes(1 << 20)) for _ in range(size >> 20)]
    return b"".join([*parts, packer.flush()])


def bomb_in(kind: bytes) -> bytes:
    """Return a small PNG with 256 MiB of zeros in a chunk of this kind."""
    return png(8, 8, png_chunk(kind, b"a\0\0" + zeros(1 << 28)), png_chunk(b"IDAT", zeros(1 << 20)))


BOMBS: Mapping[str, Callable[[], bytes]] = {
    "PNG, 900 megapixels": lambda: png(30_000, 30_000, png_chunk(b"IDAT", zeros(1 << 28))),
    "PNG, just beyond": lambda: png(7_000, 7_200, png_chunk(b"IDAT", zeros(1 << 28))),
    "PNG, text": lambda: bomb_in(b"zTXt"),
    "PNG, colour profile": lambda: bomb_in(b"iCCP"),
}


PEAK = """
import resource, sys
from bot.media.shrink import shrink

made = shrink(sys.stdin.buffer.read(), 1_000)
print(made is None, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
"""


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_not_decoded(name: str) -> None:
    done = subprocess.run(  # noqa: S603  # our own program
        [sys.executable, "-c", PEAK], input=BOMBS[name](), capture_output=True, check=True
    )
    refused, mebibytes = done.stdout.split()
    assert refused == b"True"
    assert int(mebibytes) < 200
