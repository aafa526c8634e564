"""The fake ComfyDeploy's parts that need no socket, pictures and clips among them."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

import av
import pytest
from PIL import Image, ImageChops

from demo.fake_comfydeploy.call_log import CallLog, QueueCall
from demo.fake_comfydeploy.deployments import STYLES, slow
from demo.fake_comfydeploy.faults import FaultPlan, Faults
from demo.fake_comfydeploy.files import Bucket
from demo.fake_comfydeploy.painting import as_png, paint, paint_png
from demo.fake_comfydeploy.picture_themes import Scene
from demo.fake_comfydeploy.runs import Run, RunBook
from demo.fake_comfydeploy.transforms import animate_mp4, enlarge_png
from demo.fake_comfydeploy.video import FRAME_RATE, SECONDS, film_mp4
from demo.fake_comfydeploy.wire import webhook_time

NOON = datetime(2026, 11, 24, 12, 0, 33, 439000, tzinfo=UTC)
PATH = "outputs/runs/1/ComfyUI 00002 ü.png"


class Clock:
    def __init__(self) -> None:
        self.time = NOON

    def __call__(self) -> datetime:
        return self.time


def query(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query))


def run(status: str = "success") -> Run:
    return Run(
        deployment=slow(),
        inputs={},
        webhook=None,
        intermediate=False,
        gpu=None,
        created_at=NOON,
        plan=FaultPlan(),
        status=status,
    )


def test_a_whole_second_loses_its_seconds_in_webhooks() -> None:
    assert webhook_time(NOON.replace(microsecond=0)) == "2026-11-24T12:00Z"


def test_a_signed_url_opens_for_an_hour() -> None:
    clock = Clock()
    bucket = Bucket(clock, private=True)
    signed = query(bucket.link(PATH))
    assert bucket.refusal(PATH, signed) is None
    clock.time += timedelta(hours=1, seconds=1)
    assert bucket.refusal(PATH, signed) == "Request has expired"


def test_a_changed_or_missing_signature_is_refused() -> None:
    bucket = Bucket(Clock(), private=True)
    signed = query(bucket.link(PATH))
    assert bucket.link(PATH).partition("?")[0].endswith("/ComfyUI%2000002%20%C3%BC.png")
    assert bucket.refusal("outputs/runs/2/other.png", signed) == "Access Denied"
    assert bucket.refusal(PATH, signed | {"X-Amz-Expires": "999999"}) == "Access Denied"
    assert bucket.refusal(PATH, {}) == "Access Denied"


def test_the_bucket_forgets_the_oldest_files_beyond_its_limit() -> None:
    bucket = Bucket(Clock(), limit=10)
    for name in ("a", "b", "c"):
        bucket.put(name, b"1234", "image/png")
    assert [bucket.get(name) is None for name in ("a", "b", "c")] == [True, False, False]


def test_ended_runs_beyond_the_limit_are_forgotten_and_running_ones_kept() -> None:
    book = RunBook(limit=2)
    runs = [run("running"), run(), run(), run("running")]
    for each in runs:
        book.add(each)
    assert [book.get(each.id) is not None for each in runs] == [True, False, False, True]


def test_the_books_stay_bounded() -> None:
    call_log = CallLog(limit=3)
    for at in range(5):
        call_log.queue_calls.append(QueueCall(at=at, body={"webhook": f"http://bot/key-{at}"}))
    assert [len(call_log.calls_for(f"key-{at}")) for at in range(5)] == [0, 0, 1, 1, 1]


def test_faults_set_for_the_next_calls_come_first_and_once() -> None:
    plan = FaultPlan()
    plan.queue_up([Faults(queue_drop=True)])
    assert plan.take() == Faults(queue_drop=True)
    assert plan.take() is None


SMALL = Scene(prompt="a red fox in a quiet valley", seed=7, width=320, height=256)


def test_the_same_scene_gives_the_same_bytes_and_every_input_changes_them() -> None:
    picture = paint_png(SMALL)
    assert paint_png(replace(SMALL)) == picture
    changes = [{"seed": 8}, {"prompt": "a blue fox"}, {"guidance": 12.0}]
    changes += [{"style": style} for style in STYLES[1:]]
    for change in changes:
        assert paint_png(replace(SMALL, **change)) != picture, change


@pytest.mark.parametrize("size", [(64, 64), (768, 320), (301, 1024)])
def test_the_picture_has_the_size_that_was_asked_for(size: tuple[int, int]) -> None:
    picture = Image.open(io.BytesIO(paint_png(replace(SMALL, width=size[0], height=size[1]))))
    assert (picture.size, picture.format) == (size, "PNG")


@pytest.mark.parametrize("side", [0, -5, 5000])
def test_a_size_out_of_range_is_refused(side: int) -> None:
    with pytest.raises(ValueError, match="range"):
        replace(SMALL, width=side)


@pytest.mark.parametrize("scale", [1, 2])
def test_a_clip_of_a_labelled_picture_has_one_label(scale: int) -> None:
    scene = replace(SMALL, width=640, height=480)
    bare = enlarge_png(as_png(paint(scene), labelled=False), scale)
    shown, expected = (last_frame(clip) for clip in map(zoomed, (enlarge_png(paint_png(scene), scale), bare)))
    # Compression and the covered place differ a little, a white letter by much more.
    assert max(high for _, high in ImageChops.difference(shown, expected).getextrema()) < 110


def zoomed(picture: bytes) -> bytes:
    return animate_mp4(picture, "zoom out")


def last_frame(clip: bytes) -> Image.Image:
    with av.open(io.BytesIO(clip), "r") as container:
        return [*container.decode(container.streams.video[0])][-1].to_image()


def test_the_clip_is_h264_that_every_player_takes() -> None:
    clip = film_mp4(replace(SMALL, width=128, height=96))
    with av.open(io.BytesIO(clip), "r") as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert len(list(container.decode(stream))) == FRAME_RATE * SECONDS
    assert clip.index(b"moov") < clip.index(b"mdat")
