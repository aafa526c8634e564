"""The fake ComfyDeploy's pictures and clips."""

from __future__ import annotations

import io
from dataclasses import replace

import av
import pytest
from PIL import Image, ImageChops

from demo.fake_comfydeploy.deployments import STYLES
from demo.fake_comfydeploy.painting import label, paint, paint_png
from demo.fake_comfydeploy.picture_themes import THEMES, Scene, choose_theme
from demo.fake_comfydeploy.video import FRAME_RATE, SECONDS, film_mp4

SMALL = Scene(prompt="a red fox in a quiet valley", seed=7, width=320, height=256)


def test_the_same_scene_gives_the_same_bytes() -> None:
    assert paint_png(SMALL) == paint_png(replace(SMALL))


@pytest.mark.parametrize(
    "other",
    [
        replace(SMALL, seed=8),
        replace(SMALL, prompt="a blue fox in a quiet valley"),
        replace(SMALL, guidance=12.0),
        *(replace(SMALL, style=style) for style in STYLES[1:]),
    ],
)
def test_every_input_changes_the_picture(other: Scene) -> None:
    assert paint_png(other) != paint_png(SMALL)


@pytest.mark.parametrize("size", [(64, 64), (768, 320), (301, 1024)])
def test_the_picture_has_the_size_that_was_asked_for(size: tuple[int, int]) -> None:
    picture = Image.open(io.BytesIO(paint_png(replace(SMALL, width=size[0], height=size[1]))))
    assert (picture.size, picture.format) == (size, "PNG")


@pytest.mark.parametrize("side", [0, -5, 5000])
def test_a_size_out_of_range_is_refused(side: int) -> None:
    with pytest.raises(ValueError, match="range"):
        replace(SMALL, width=side)


def test_the_label_is_in_the_lower_right_corner() -> None:
    plain = paint(SMALL)
    labelled = plain.copy()
    label(labelled)
    box = ImageChops.difference(plain, labelled).getbbox()
    assert box is not None
    assert box[0] > plain.width / 2
    assert box[1] > plain.height * 0.9


def test_a_start_image_shines_through() -> None:
    red = io.BytesIO()
    Image.new("RGB", (50, 80), "red").save(red, "PNG")
    plain, mixed = paint(SMALL), paint(SMALL, red.getvalue())
    middle = (SMALL.width // 2, SMALL.height - 60)
    before, after = plain.getpixel(middle), mixed.getpixel(middle)
    assert isinstance(before, tuple)
    assert isinstance(after, tuple)
    assert after[0] > before[0]


def test_each_theme_is_chosen_by_its_own_words() -> None:
    assert [choose_theme(replace(SMALL, prompt=theme.words[0])) for theme in THEMES] == list(THEMES)


def test_a_colour_word_bends_the_sky() -> None:
    plain, red = (choose_theme(replace(SMALL, prompt=p)) for p in ("sea", "red sea"))
    assert red.sky[0][0] > plain.sky[0][0]


def test_the_clip_is_h264_that_every_player_takes() -> None:
    clip = film_mp4(replace(SMALL, width=128, height=96))
    with av.open(io.BytesIO(clip), "r") as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert len(list(container.decode(stream))) == FRAME_RATE * SECONDS
    assert clip.index(b"moov") < clip.index(b"mdat")


def test_the_same_scene_gives_the_same_clip() -> None:
    scene = replace(SMALL, width=96, height=96)
    assert film_mp4(scene) == film_mp4(scene)
