from __future__ import annotations

import io
import random
import struct
import subprocess
import zlib
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


def black_png(width: int, height: int) -> bytes:
    """Return a PNG with one bit a pixel: a few kilobytes however large."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    rows = zlib.compress(bytes((width // 8 + 1) * height))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


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


@pytest.mark.parametrize("form", ["WEBP", "PNG", "TIFF"])
def test_an_animation_is_left_alone(form: str) -> None:
    data = saved(noise(50, 50), form, save_all=True, append_images=[Image.new("RGB", (50, 50), "blue")])
    assert opened(data).n_frames == 2
    assert shrink(data, 100_000) is None


def test_a_picture_is_decoded_by_a_process_that_knows_no_secrets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run, environments = subprocess.run, []

    def noted(*args: Any, **kwargs: Any) -> Any:
        environments.append(kwargs["env"])
        return run(*args, **kwargs)

    monkeypatch.setattr(subprocess, "run", noted)
    monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("opened here"))
    smaller = shrink(black_png(1_600, 1_600), 100_000)
    assert smaller is not None
    assert environments == [{}]
    assert smaller.startswith(b"RIFF")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(black_png(100, 100)[:60], id="cut off"),
        pytest.param(b"", id="empty"),
        pytest.param(b"<svg/>", id="no picture"),
        pytest.param(saved(noise(50, 50), "GIF"), id="a format that is not listed"),
        pytest.param(saved(noise(50, 50), "PDF"), id="a document"),
    ],
)
def test_a_file_that_is_no_whole_picture_of_a_listed_format_is_left_alone(data: bytes) -> None:
    assert shrink(data, 100_000) is None
