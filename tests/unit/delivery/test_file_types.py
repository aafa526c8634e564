from __future__ import annotations

import io
from contextlib import nullcontext

import av
import pytest
from PIL import Image

from bot.domain.errors import MediaUnavailable
from bot.media.download import SNIFF_BYTES, sniff, suffix_for


def picture(form: str) -> bytes:
    target = io.BytesIO()
    Image.new("RGB", (32, 32), "red").save(target, form)
    return target.getvalue()


def recording(form: str, codec: str, frame: av.VideoFrame | av.AudioFrame) -> bytes:
    """Return a frame in a container."""
    target = io.BytesIO()
    with av.open(target, "w", format=form) as container:
        stream = container.add_stream(codec, rate=48_000 if isinstance(frame, av.AudioFrame) else 10)
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return target.getvalue()


FRAME = av.VideoFrame(640, 480, "yuv420p")
SOUND = av.AudioFrame(format="s16", layout="stereo", samples=9600)
SOUND.sample_rate = 48_000


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (picture("PNG"), ("image/png", "png")),
        (picture("JPEG"), ("image/jpeg", "jpg")),
        (picture("GIF"), ("image/gif", "gif")),
        (picture("WEBP"), ("image/webp", "webp")),
        (picture("AVIF"), ("image/avif", "avif")),
        (recording("mp4", "mpeg4", FRAME), ("video/mp4", "mp4")),
        (recording("mov", "mpeg4", FRAME), ("video/quicktime", "mov")),
        (recording("webm", "libvpx", FRAME), ("video/webm", "webm")),
        (recording("mp3", "libmp3lame", SOUND), ("audio/mpeg", "mp3")),
        (recording("wav", "pcm_s16le", SOUND), ("audio/x-wav", "wav")),
        (recording("flac", "flac", SOUND), ("audio/x-flac", "flac")),
        (recording("ogg", "libopus", SOUND), ("audio/ogg", "ogg")),
        (recording("ipod", "aac", SOUND), ("audio/mp4", "m4a")),
        (b"glTF\x02\0\0\0" + bytes(40), ("model/gltf-binary", "glb")),
        (b"v/1\x01" + bytes(40), ("image/x-exr", "exr")),
        (b"<html><script>", ("text/plain", "txt")),
        ("größer".encode(), ("text/plain", "txt")),
        (("a" + "ü" * SNIFF_BYTES).encode(), ("text/plain", "txt")),
        (b"text and \0", ("application/octet-stream", "bin")),
        (b"caf\xe9", ("application/octet-stream", "bin")),
    ],
)
def test_files_are_known_by_their_bytes(data: bytes, expected: tuple[str, str]) -> None:
    assert sniff(data[:SNIFF_BYTES]) == expected


@pytest.mark.parametrize(
    ("data", "name", "wrong"),
    [
        (b"<html>Sign in</html>", "cat.png", True),
        (b'{"error": "expired"}', "cat.mp4", True),
        (b"a caption", "caption.txt", False),
        (b"<svg/>", "cat.svg", False),
        (b"MZ\x90\0" + bytes(100), "cat.bin", True),
        (b"\x7fELF" + bytes(100), "", True),
        (picture("PNG"), "cat.mp4", False),
    ],
)
def test_pages_and_programs_in_place_of_media_are_noticed(data: bytes, name: str, wrong: bool) -> None:
    with pytest.raises(MediaUnavailable) if wrong else nullcontext():
        suffix_for(name, sniff(data)[1])


@pytest.mark.parametrize(
    ("name", "extension", "suffix"),
    [
        ("cat.exe", "png", "png"),
        ("", "mp4", "mp4"),
        ("Größe 2 (neu).JPEG", "jpg", "jpeg"),
        ("mesh.PLY", "bin", "ply"),
        ("page.html", "txt", "txt"),
        ("table.csv", "txt", "csv"),
    ],
)
def test_a_file_keeps_only_a_suffix_that_fits_its_type(name: str, extension: str, suffix: str) -> None:
    assert suffix_for(name, extension) == suffix
