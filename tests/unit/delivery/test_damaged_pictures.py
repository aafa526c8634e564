"""Damaged and hostile pictures of every format that is recompressed: none may raise, or take much memory."""

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
from PIL import Image, ImageCms

from bot.media.shrink import shrink
from tests.sampling import every_nth

FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "TIFF", "BMP", "GIF")
ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
Damage = Callable[[bytes, random.Random], bytes]

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL", "ignore::ResourceWarning")


def exif() -> bytes:
    tags = Image.Exif()
    tags[0x0112] = 6
    tags[0x010F] = "camera"
    tags[0x011A] = 72.0
    tags.get_ifd(0x8769)[0x9003] = "2026:01:01 00:00:00"
    return tags.tobytes()


def real(form: str, seed: int, *, animated: bool = False) -> bytes:
    """Return a picture as an encoder writes it, with EXIF and a colour profile where the format has them."""
    chance = random.Random(seed)
    width, height = chance.randint(20, 90), chance.randint(20, 90)
    mode = "RGB" if form in ("JPEG", "BMP") else chance.choice(["RGB", "RGBA"])
    frames = [
        Image.frombytes(mode, (width, height), chance.randbytes(width * height * len(mode))) for _ in range(3)
    ]
    options: dict[str, Any] = {} if form in ("BMP", "GIF") else {"exif": exif(), "icc_profile": ICC}
    if animated:
        options |= {"save_all": True, "append_images": frames[1:]}
        if form == "AVIF":
            del options["exif"]  # Pillow 13.0's encoder, which the bot doesn't use, crashes on both together
    target = io.BytesIO()
    frames[0].save(target, form, **options)
    return target.getvalue()


def cut(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data))]


def flip(data: bytes, chance: random.Random) -> bytes:
    damaged = bytearray(data)
    for _ in range(chance.choice([1, 1, 3, 30])):
        damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
    return bytes(damaged)


def overwrite(data: bytes, chance: random.Random) -> bytes:
    start, length = chance.randrange(len(data)), chance.randint(1, 40)
    filling = chance.choice([b"\xff", b"\0", chance.randbytes(1)])
    return data[:start] + filling * length + data[start + length :]


def repeat(data: bytes, chance: random.Random) -> bytes:
    """Put a piece of the file in twice, as a broken upload does."""
    start = chance.randrange(len(data))
    return data[: start + chance.randint(1, 2000)] + data[start:]


def at_metadata(data: bytes, chance: random.Random) -> bytes:
    """Damage the bytes after a marker of EXIF, a colour profile or an animation."""
    marks = b"Exif\0\0,eXIf,EXIF,II*\0,MM\0*,iCCP,ICC_PROFILE,ICCP,acsp,acTL,fcTL,fdAT,ANIM,ANMF,ALPH,VP8X"
    marks += b",ipco,iloc,ispe,colr"
    found = [mark for mark in marks.split(b",") if mark in data]
    if not found:
        return flip(data, chance)
    start = data.index(chance.choice(found))
    damaged = bytearray(data)
    for _ in range(chance.randint(1, 12)):
        damaged[min(len(data) - 1, start + chance.randrange(80))] = chance.choice([0, 1, 127, 255])
    return bytes(damaged)


def with_checksums(data: bytes) -> bytes:
    """Correct the checksums of a damaged PNG, without which its decoder stops at once."""
    mended, at = data[:8], 8
    while at + 12 <= len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        mended += png_chunk(data[at + 4 : at + 8], data[at + 8 : at + 8 + length])
        at += 12 + length
    return mended


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


DAMAGES: tuple[Damage, ...] = (cut, flip, overwrite, repeat, at_metadata)


def damaged(form: str, seed: int) -> bytes:
    chance = random.Random(f"{form}{seed}")
    animated = form in ("PNG", "WEBP", "AVIF", "GIF", "TIFF") and chance.random() < 0.3
    data = real(form, seed, animated=animated)
    for _ in range(chance.choice([1, 1, 2])):
        data = chance.choice(DAMAGES)(data, chance) or b"\0"
    return with_checksums(data) if form == "PNG" and chance.random() < 0.8 else data


@pytest.mark.parametrize("seed", every_nth(range(60), 20))
@pytest.mark.parametrize("form", FORMATS)
def test_damaged_pictures_neither_raise_nor_exceed_the_limit(form: str, seed: int) -> None:
    limit = random.Random(seed).choice([500, 2_000, 100_000])
    shrunk = shrink(damaged(form, seed), limit)
    if shrunk is not None:
        assert len(shrunk) <= limit
        with Image.open(io.BytesIO(shrunk)) as image:
            image.load()


# decompression bombs


def png(width: int, height: int, *chunks: bytes) -> bytes:
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + png_chunk(b"IEND", b"")


@cache
def zeros(size: int) -> bytes:
    """Return `size` zero bytes as zlib compresses them, to a few thousandths, without holding them."""
    packer = zlib.compressobj(1)
    parts = [packer.compress(bytes(1 << 20)) for _ in range(size >> 20)]
    return b"".join([*parts, packer.flush()])


# Where a format's header has the width and the height: a mark before them, the distance, and their form.
SIZES = {"BMP": (b"BM", 18, "<ii"), "JPEG": (b"\xff\xc0", 5, ">HH"), "AVIF": (b"ispe", 8, ">II")}


def header_of(form: str, side: int) -> bytes:
    """Return a small real file whose header claims other sides."""
    target = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(target, form)
    data = bytearray(target.getvalue())
    mark, distance, numbers = SIZES[form]
    struct.pack_into(numbers, data, data.index(mark) + distance, side, side)
    return bytes(data)


def bomb_in(kind: bytes) -> bytes:
    """Return a small PNG with 256 MiB of zeros in a chunk of this kind."""
    return png(8, 8, png_chunk(kind, b"a\0\0" + zeros(1 << 28)), png_chunk(b"IDAT", zeros(1 << 20)))


BOMBS: Mapping[str, Callable[[], bytes]] = {
    "PNG, 900 megapixels": lambda: png(30_000, 30_000, png_chunk(b"IDAT", zeros(1 << 28))),
    "PNG, just beyond": lambda: png(7_000, 7_200, png_chunk(b"IDAT", zeros(1 << 20))),
    "PNG, text": lambda: bomb_in(b"zTXt"),
    "PNG, colour profile": lambda: bomb_in(b"iCCP"),
    "BMP": lambda: header_of("BMP", 40_000),
    "JPEG": lambda: header_of("JPEG", 65_000),
    "AVIF": lambda: header_of("AVIF", 60_000),
}


PEAK = """
import resource, sys
from bot.media.shrink import shrink

made = shrink(sys.stdin.buffer.read(), 1_000)
print(made is None, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
"""


@pytest.mark.parametrize("name", every_nth(list(BOMBS), 3))
def test_a_bomb_is_not_decoded(name: str) -> None:
    done = subprocess.run(  # noqa: S603  # our own program
        [sys.executable, "-c", PEAK], input=BOMBS[name](), capture_output=True, check=True
    )
    refused, mebibytes = done.stdout.split()
    assert refused == b"True"
    assert int(mebibytes) < 200


# the process


def test_a_picture_that_takes_too_long_is_given_up() -> None:
    assert shrink(real("PNG", 1), 100_000, 0.001) is None
    assert shrink(real("PNG", 1), 100_000) is not None
