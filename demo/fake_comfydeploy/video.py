"""Make short clips in H.264, which every browser plays."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
from av.container import OutputContainer
from PIL import Image

from demo.fake_comfydeploy.painting import label, paint
from demo.fake_comfydeploy.picture_themes import Scene

FRAME_RATE = 16
SECONDS = 3
ROOM = 1.3  # how much larger the landscape is than the frame that moves over it


Frames = Callable[[float], Image.Image]  # returns the frame at a share of the time, from 0 to 1


def film_mp4(scene: Scene) -> bytes:
    wide = paint(replace(scene, width=int(scene.width * ROOM), height=int(scene.height * ROOM)))
    size = (scene.width // 2 * 2, scene.height // 2 * 2)
    return encode_mp4(lambda share: _frame(wide, size, share), size)


def encode_mp4(frame_at: Frames, size: tuple[int, int]) -> bytes:
    """Return a clip of `SECONDS` with the frames that `frame_at` returns. Width and height must be even."""
    # `faststart` reads the clip again to move its index to the front, so it has to be written to a real file.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "clip.mp4")
        with av.open(path, "w", options={"movflags": "faststart"}) as container:
            _encode(container, frame_at, size)
        return path.read_bytes()


def _encode(container: OutputContainer, frame_at: Frames, size: tuple[int, int]) -> None:
    stream = container.add_stream("libx264", rate=FRAME_RATE, options={"preset": "veryfast", "qp": "24"})
    stream.width, stream.height = size
    stream.pix_fmt = "yuv420p"
    # A fixed quantizer and a single thread make the bytes reproducible, because rate control's look-ahead
    # varies. A single thread also leaves a core to the event loop.
    stream.thread_count = 1
    frames = FRAME_RATE * SECONDS
    for at in range(frames):
        frame = av.VideoFrame.from_image(frame_at(at / frames))  # type: ignore[no-untyped-call]  # PyAV leaves it untyped
        frame.pts, frame.time_base = at, Fraction(1, FRAME_RATE)
        container.mux(stream.encode(frame))
    container.mux(stream.encode())


def _frame(wide: Image.Image, size: tuple[int, int], share: float) -> Image.Image:
    eased = (1 - math.cos(share * math.pi)) / 2
    left = (wide.width - size[0]) * eased
    top = (wide.height - size[1]) * (0.6 - 0.2 * eased)
    move = (1, 0, left, 0, 1, top)
    picture = wide.transform(size, Image.Transform.AFFINE, move, Image.Resampling.BILINEAR)
    label(picture)
    return picture
