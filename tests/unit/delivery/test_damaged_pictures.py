"""Damaged and hostile pictures of every format that is recompressed: none may raise, or take much memory."""

from __future__ import annotations

import asyncio
import io
import random
import resource
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image, ImageCms

from bot.delivery.media import shrink
from bot.delivery.media.file_types import SNIFF_BYTES, sniff
from bot.delivery.media.shrink import shrink_image

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
    start = chance.randrange(len(data))
    length = chance.randint(1, 40)
    return (
        data[:start] + chance.choice([b"\xff", b"\0", chance.randbytes(1)]) * length + data[start + length :]
    )


def repeat(data: bytes, chance: random.Random) -> bytes:
    """Put a piece of the file in twice, as a broken upload does."""
    start = chance.randrange(len(data))
    return data[: start + chance.randint(1, 2000)] + data[start:]


def at_metadata(data: bytes, chance: random.Random) -> bytes:
    """Damage the bytes after a marker of EXIF, a colour profile or an animation."""
    marks = (b"Exif\0\0", b"eXIf", b"EXIF", b"II*\0", b"MM\0*", b"iCCP", b"ICC_PROFILE", b"ICCP", b"acsp")
    marks += (
        b"acTL",
        b"fcTL",
        b"fdAT",
        b"ANIM",
        b"ANMF",
        b"ALPH",
        b"VP8X",
        b"ipco",
        b"iloc",
        b"ispe",
        b"colr",
    )
    found = [mark for mark in marks if mark in data]
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


async def survives(data: bytes, limit: int) -> None:
    sniff(data[:SNIFF_BYTES])
    shrunk = await shrink_image(data, limit)
    if shrunk is not None:
        assert len(shrunk[0]) <= limit
        with Image.open(io.BytesIO(shrunk[0])) as image:
            image.load()


@pytest.mark.parametrize("form", FORMATS)
async def test_a_sample_of_damaged_pictures(form: str) -> None:
    for seed in range(25):
        await survives(damaged(form, seed), 2_000)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(10))
@pytest.mark.parametrize("form", FORMATS)
async def test_many_damaged_pictures(form: str, part: int) -> None:
    for seed in range(100 * part, 100 * part + 100):
        await survives(damaged(form, seed), random.Random(seed).choice([500, 2_000, 100_000]))


async def test_a_picture_with_broken_exif_is_recompressed_all_the_same() -> None:
    data = bytearray(real("JPEG", 1))
    start = data.index(b"Exif\0\0") + 6
    data[start + 10 : start + 40] = b"\xff" * 30
    assert await shrink_image(bytes(data), 50_000) is not None


# decompression bombs


def png(width: int, height: int, *chunks: bytes) -> bytes:
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + png_chunk(b"IEND", b"")


def zeros(size: int) -> bytes:
    """Return `size` zero bytes as zlib compresses them, to a thousandth, without holding them."""
    packer = zlib.compressobj(9)
    parts = [packer.compress(bytes(1 << 20)) for _ in range(size >> 20)]
    return b"".join([*parts, packer.flush()])


def header_of(form: str, size: tuple[int, int]) -> bytes:
    """Return a small real file whose header claims another size."""
    target = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(target, form)
    data = bytearray(target.getvalue())
    claim = {
        "BMP": lambda: data.__setitem__(slice(18, 26), struct.pack("<ii", *size)),
        "JPEG": lambda: data.__setitem__(
            slice(data.index(b"\xff\xc0") + 5, data.index(b"\xff\xc0") + 9), struct.pack(">HH", *size)
        ),
        "AVIF": lambda: data.__setitem__(
            slice(data.index(b"ispe") + 8, data.index(b"ispe") + 16), struct.pack(">II", *size)
        ),
    }
    claim[form]()
    return bytes(data)


def tiff_of_frames(count: int) -> bytes:
    """Return a TIFF with so many directories, all of one pixel."""
    entries = [(256, 1), (257, 1), (258, 8), (259, 1), (262, 1), (273, 8), (278, 1), (279, 1)]
    size = 2 + 12 * len(entries) + 4
    body = b""
    for number in range(count):
        following = 9 + size * (number + 1) if number < count - 1 else 0
        body += struct.pack("<H", len(entries))
        body += b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries)
        body += struct.pack("<I", following)
    return b"II*\0" + struct.pack("<I", 9) + b"\0" + body


def bombs() -> Iterator[Any]:
    yield pytest.param(
        lambda: png(30_000, 30_000, png_chunk(b"IDAT", zeros(1 << 28))), id="PNG, 900 megapixels"
    )
    yield pytest.param(lambda: png(7_000, 7_200, png_chunk(b"IDAT", zeros(1 << 20))), id="PNG, just beyond")
    yield pytest.param(
        lambda: png(8, 8, png_chunk(b"zTXt", b"a\0\0" + zeros(1 << 28)), png_chunk(b"IDAT", zeros(1 << 20))),
        id="PNG, 256 MiB of text",
    )
    yield pytest.param(
        lambda: png(8, 8, png_chunk(b"iCCP", b"a\0\0" + zeros(1 << 28)), png_chunk(b"IDAT", zeros(1 << 20))),
        id="PNG, 256 MiB of colour profile",
    )
    yield pytest.param(lambda: header_of("BMP", (40_000, 40_000)), id="BMP")
    yield pytest.param(lambda: header_of("JPEG", (65_000, 65_000)), id="JPEG")
    yield pytest.param(lambda: header_of("AVIF", (60_000, 60_000)), id="AVIF")
    yield pytest.param(lambda: tiff_of_frames(2_000), id="TIFF, 2,000 pictures")


@pytest.mark.parametrize("bomb", [*bombs()])
async def test_a_bomb_is_not_decoded(bomb: Callable[[], bytes]) -> None:
    data = bomb()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert await shrink_image(data, 1_000) is None
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 150 * 1024, f"{grown // 1024} MiB more"


LARGEST = """
import asyncio, io, random, resource
from PIL import Image
from bot.delivery.media.shrink import shrink_image

tags = Image.Exif()
tags[0x0112] = 6
target = io.BytesIO()
small = Image.frombytes("RGBA", (100, 100), random.Random(1).randbytes(40_000))
small.resize((8_000, 4_450), Image.Resampling.NEAREST).save(target, {form!r}, **{options})
data = target.getvalue()
del small, target
resource.setrlimit(resource.RLIMIT_AS, ({space} << 20, {space} << 20))
print(asyncio.run(shrink_image(data, 300_000, 300)) is not None)
"""


@pytest.mark.slow
@pytest.mark.parametrize("form", ["PNG", "WEBP", "TIFF"])
def test_the_largest_picture_is_recompressed_within_its_memory(form: str) -> None:
    fast = {"PNG": "'compress_level': 1", "TIFF": "'compression': 'tiff_lzw'", "WEBP": "'method': 0"}
    program = LARGEST.format(form=form, options=f"{{'exif': tags, {fast[form]}}}", space=1200)
    done = subprocess.run(  # noqa: S603  # our own program
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines()[-1:] == ["True"], done


# the thread


async def test_the_loop_goes_on_while_a_picture_is_recompressed() -> None:
    image = Image.frombytes("RGB", (1200, 1200), random.Random(1).randbytes(1200 * 1200 * 3))
    target = io.BytesIO()
    image.save(target, "BMP")
    turns = 0
    working = asyncio.create_task(shrink_image(target.getvalue(), 10_000))
    while not working.done():
        turns += 1
        await asyncio.sleep(0)
    assert turns > 100
    assert await working is not None


async def test_a_picture_that_takes_too_long_is_given_up_and_the_next_waits_for_its_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    held, encoding = threading.Event(), threading.Event()
    save = Image.Image.save

    def slow(image: Image.Image, *args: Any, **kwargs: Any) -> None:
        encoding.set()
        assert held.wait(60)
        save(image, *args, **kwargs)

    data = real("PNG", 1)
    with monkeypatch.context() as patched:
        patched.setattr(Image.Image, "save", slow)
        # The thread's own check of the deadline would keep a busy machine from reaching the encoder.
        patched.setattr(shrink, "time", SimpleNamespace(monotonic=lambda: 0.0))
        assert await shrink_image(data, 100_000, 0.05) is None
        assert await asyncio.to_thread(encoding.wait, 60)
        assert await shrink_image(data, 100_000, 0.05) is None
    held.set()
    assert await shrink_image(data, 100_000) is not None
    assert not [thread for thread in threading.enumerate() if thread.name == "shrink" and not thread.daemon]


async def test_between_two_steps_the_deadline_is_tested() -> None:
    ended = time.monotonic() - 1
    assert shrink._shrink(real("PNG", 1), 100_000, ended) is None
