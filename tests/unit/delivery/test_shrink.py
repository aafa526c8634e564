from __future__ import annotations

import io
import random
import struct
import subprocess
import zlib
from typing import Any

import pytest
from PIL import Image

from bot.delivery.media.shrink import shrink_image
from tests.sampling import every_nth


def noise(width: int, height: int, mode: str = "RGB") -> Image.Image:
    size = width * height * len(mode)
    return Image.frombytes(mode, (width, height), random.Random(1).randbytes(size))


def saved(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    target = io.BytesIO()
    image.save(target, form, **options)
    return target.getvalue()


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def png(width: int, height: int, rows: bytes) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def black_png(width: int, height: int) -> bytes:
    """One bit a pixel: a few kilobytes however large."""
    return png(width, height, bytes((width // 8 + 1) * height))


async def test_quality_falls_before_the_size_does() -> None:
    data = saved(noise(400, 300))
    result = await shrink_image(data, len(data) * 2 // 3)
    assert result is not None
    smaller, extension = result
    assert len(smaller) <= len(data) * 2 // 3
    assert (extension, opened(smaller).format, opened(smaller).size) == ("webp", "WEBP", (400, 300))


async def test_the_size_falls_where_quality_is_not_enough() -> None:
    result = await shrink_image(saved(noise(800, 600)), 20_000)
    assert result is not None
    width, height = opened(result[0]).size
    assert len(result[0]) <= 20_000
    assert width < 800
    assert abs(width / height - 800 / 600) < 0.05


async def test_transparency_and_orientation_survive() -> None:
    see_through = await shrink_image(saved(noise(100, 100, "RGBA")), 30_000)
    assert see_through is not None
    assert opened(see_through[0]).mode == "RGBA"
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    turned = await shrink_image(saved(noise(200, 100), "JPEG", exif=exif), 30_000)
    assert turned is not None
    assert opened(turned[0]).size == (100, 200)


@pytest.mark.parametrize("mode", ["L", "LA", "P", "1", "I;16", "CMYK"])
async def test_other_colour_modes_are_converted(mode: str) -> None:
    image = Image.new(mode, (100, 100), 1) if mode == "I;16" else noise(100, 100).convert(mode)
    form = "TIFF" if mode == "CMYK" else "PNG"
    assert await shrink_image(saved(image, form), 50_000) is not None


async def test_an_animation_is_left_alone() -> None:
    frames = [noise(50, 50), Image.new("RGB", (50, 50), "blue")]
    for form in ("WEBP", "PNG"):
        data = saved(frames[0], form, save_all=True, append_images=frames[1:])
        assert opened(data).n_frames == 2
        assert await shrink_image(data, 1000) is None


async def test_a_picture_within_the_pixel_limit_is_taken() -> None:
    assert await shrink_image(black_png(2_000, 2_000), 100_000) is not None


async def test_a_large_picture_is_decoded_by_a_process_that_knows_no_secrets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run, environments = subprocess.run, []

    def noted(*args: Any, **kwargs: Any) -> Any:
        environments.append(kwargs["env"])
        return run(*args, **kwargs)

    monkeypatch.setattr(subprocess, "run", noted)
    monkeypatch.setattr(Image.Image, "load", lambda _: pytest.fail("decoded here"))
    smaller = await shrink_image(black_png(2_000, 2_000), 100_000)
    assert smaller is not None
    assert environments == [{}]
    assert smaller[0].startswith(b"RIFF")


async def test_a_limit_that_no_picture_fits_is_given_up() -> None:
    assert await shrink_image(saved(noise(100, 100)), 20) is None


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(png(30_000, 30_000, bytes(1000)), id="bomb beyond the library's limit"),
        pytest.param(black_png(8_000, 8_000), id="bomb beyond ours"),
        pytest.param(png(100, 100, bytes(100)), id="cut off"),
        pytest.param(b"", id="empty"),
        pytest.param(b"<svg/>", id="no picture"),
        pytest.param(saved(noise(50, 50), "GIF"), id="a format that is not listed"),
        pytest.param(saved(noise(50, 50), "PDF"), id="a document"),
    ],
)
async def test_what_is_hostile_or_no_picture_is_not_touched(data: bytes) -> None:
    assert await shrink_image(data, 100_000) is None


def broken_exif(at: int, value: int) -> bytes:
    """Return a JPEG with one byte of its EXIF changed, counted from the EXIF's start."""
    exif = Image.Exif()
    exif[0x0112] = 6  # turned, so that Pillow writes the EXIF again
    exif[0x010F] = "camera"
    exif[0x011A] = 72.0
    data = bytearray(saved(noise(60, 60), "JPEG", exif=exif))
    data[data.index(b"Exif\0\0") + at] = value
    return bytes(data)


@pytest.mark.parametrize("form", ["AVIF", "WEBP", "PNG", "TIFF", "JPEG"])
async def test_a_damaged_picture_never_raises(form: str) -> None:
    data = saved(noise(60, 60), form)
    for at in range(0, len(data), max(1, len(data) // 60)):
        for damaged in (data[:at], data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]):
            await shrink_image(damaged, 500)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("value", every_nth(range(0, 256, 3), 6))
async def test_broken_exif_never_raises(value: int) -> None:
    for at in range(6, 60):
        await shrink_image(broken_exif(at, value), 100_000)
