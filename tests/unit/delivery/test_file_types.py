from __future__ import annotations

import io

import av
import pytest
from PIL import Image

from bot.media.file_types import SNIFF_BYTES, is_wrong_type, sniff, suffix_for


def picture(form: str) -> bytes:
    target = io.BytesIO()
    Image.new("RGB", (32, 32), "red").save(target, form)
    return target.getvalue()


def video(form: str, codec: str) -> bytes:
    target = io.BytesIO()
    with av.open(target, "w", format=form) as container:
        stream = container.add_stream(codec, rate=10)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for packet in stream.encode(av.VideoFrame.from_image(Image.new("RGB", (64, 64), "red"))):
            container.mux(packet)
        container.mux(stream.encode())
    return target.getvalue()


def sound(form: str, codec: str) -> bytes:
    target = io.BytesIO()
    with av.open(target, "w", format=form) as container:
        stream = container.add_stream(codec, rate=48000)
        frame = av.AudioFrame(format="s16", layout="stereo", samples=9600)
        frame.sample_rate = 48000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return target.getvalue()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (picture("PNG"), ("image/png", "png")),
        (picture("JPEG"), ("image/jpeg", "jpg")),
        (picture("GIF"), ("image/gif", "gif")),
        (picture("WEBP"), ("image/webp", "webp")),
        (picture("AVIF"), ("image/avif", "avif")),
        (video("mp4", "mpeg4"), ("video/mp4", "mp4")),
        (video("mov", "mpeg4"), ("video/quicktime", "mov")),
        (video("webm", "libvpx"), ("video/webm", "webm")),
        (sound("mp3", "libmp3lame"), ("audio/mpeg", "mp3")),
        (sound("wav", "pcm_s16le"), ("audio/wav", "wav")),
        (sound("flac", "flac"), ("audio/flac", "flac")),
        (sound("ogg", "libopus"), ("audio/ogg", "ogg")),
        (sound("ipod", "aac"), ("audio/mp4", "m4a")),
        (b"glTF\x02\0\0\0" + bytes(40), ("model/gltf-binary", "glb")),
        (b"v/1\x01" + bytes(40), ("image/x-exr", "exr")),
        (b"<html><script>", ("text/plain", "txt")),
        ("größer".encode(), ("text/plain", "txt")),
        (("ü" * SNIFF_BYTES).encode()[: SNIFF_BYTES - 1], ("text/plain", "txt")),
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
    assert is_wrong_type(sniff(data)[1], name) is wrong


@pytest.mark.parametrize(
    ("name", "extension", "suffix"),
    [
        ("cat.exe", "png", "png"),
        (".hidden", "png", "png"),
        ("", "png", "png"),
        (None, "mp4", "mp4"),
        ("cat\u202egnp.exe", "png", "png"),
        ("Größe 2 (neu).JPEG", "jpg", "jpeg"),
        ("mesh.PLY", "bin", "ply"),
        ("page.html", "txt", "txt"),
        ("table.csv", "txt", "csv"),
    ],
)
def test_a_file_keeps_only_a_suffix_that_fits_its_type(name: str | None, extension: str, suffix: str) -> None:
    assert suffix_for(name, extension) == suffix
