"""The checker of `deploy/picture_check.py` over sockets, with a model that the tests inject."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import io
import time
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from threading import Event
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestServer
from PIL import Image
from pydantic import SecretStr

from bot.domain.picture_check import Label
from bot.effects import Effects
from bot.media.picture_check import PictureChecker
from bot.metrics import Metrics
from demo.fake_comfydeploy.picture_themes import Scene
from demo.fake_comfydeploy.video import encode_mp4, film_mp4
from deploy.picture_check import LABELS, MAX_FRAMES, MEANINGS, CantTell, Service, look, main
from tests.unit.factories import SETTINGS

SECRET = "a-secret-of-the-checker"
NOW = 1_800_000_000
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


@dataclass
class Model:
    """A model that finds in red pictures what it is told to, and remembers what it has seen."""

    finds: Mapping[str, float] = field(default_factory=lambda: {"ANUS_EXPOSED": 0.9, "FACE_MALE": 1.0})
    seen: list[Image.Image] = field(default_factory=list)
    released: Event | None = None

    def __call__(self, picture: Image.Image) -> Mapping[str, float]:
        self.seen.append(picture)
        if self.released is not None:
            self.released.wait(60)
        red, green, blue = picture.resize((1, 1)).getpixel((0, 0))  # type: ignore[misc]  # a pixel of RGB
        return self.finds if red > 150 and green + blue < 150 else {}


def signature_of(picture: bytes, secret: str = SECRET, timestamp: str = str(NOW)) -> str:
    return hmac.new(secret.encode(), f"{timestamp}.".encode() + picture, hashlib.sha256).hexdigest()


@dataclass
class Place:
    """A running checker."""

    model: Model
    url: str

    async def send(
        self,
        picture: bytes,
        content_type: str = "image/png",
        *,
        secret: str = SECRET,
        timestamp: str = str(NOW),
        **headers: str,
    ) -> tuple[int, Any]:
        """Return the status and JSON of the answer to a picture."""
        given = {"Content-Type": content_type, "X-Bot-Signature": signature_of(picture, secret, timestamp)}
        given |= {"X-Bot-Timestamp": timestamp.encode().decode("latin-1"), **headers}
        async with aiohttp.ClientSession() as session:
            call = session.post(f"{self.url}check", data=io.BytesIO(picture), headers=given)
            async with call as answer:
                return answer.status, await answer.json()


@asynccontextmanager
async def checker(model: Model | None = None, **settings: Any) -> AsyncIterator[Place]:
    model = model or Model()
    service = Service(SECRET, model, **{"now": lambda: NOW, **settings})
    async with TestServer(service.app()) as server:
        yield Place(model, str(server.make_url("/")))


def painted(
    colour: tuple[int, ...], size: tuple[int, int] = (64, 64), kind: str = "PNG", **more: Any
) -> bytes:
    file = io.BytesIO()
    Image.new("RGBA" if len(colour) == 4 else "RGB", size, colour).save(file, kind, **more)
    return file.getvalue()


def animated(kind: str, colours: list[tuple[int, int, int]]) -> bytes:
    first, *others = (Image.new("RGB", (32, 32), colour) for colour in colours)
    file = io.BytesIO()
    first.save(file, kind, save_all=True, append_images=others, duration=40, lossless=True)
    return file.getvalue()


NOTHING = dict.fromkeys(LABELS, 0.0)


async def test_every_kind_of_picture_gets_scores_for_the_three_labels() -> None:
    async with checker() as place:
        assert await place.send(painted(GREEN)) == (200, {"labels": NOTHING})
        for kind in ("PNG", "JPEG", "WEBP", "GIF", "AVIF"):
            told = await place.send(painted(RED, kind=kind), f"image/{kind.lower()}")
            assert told == (200, {"labels": {**NOTHING, "explicit": 0.9}}), kind
        place.model.finds = {"BUTTOCKS_EXPOSED": 0.3, "FEMALE_BREAST_EXPOSED": 0.6, "BUTTOCKS_COVERED": 1.2}
        expected = {"explicit": 0.0, "nudity": 0.6, "suggestive": 1.0}
        assert await place.send(painted(RED)) == (200, {"labels": expected})


def test_the_labels_are_the_bots() -> None:
    assert set(LABELS) == set(MEANINGS.values()) == set(Label)


async def test_the_model_sees_what_people_see() -> None:
    upside_down = Image.Exif()
    upside_down[0x0112] = 6
    async with checker() as place:
        await place.send(painted((255, 0, 0, 0)))
        await place.send(painted(RED, (4000, 2000)))
        await place.send(painted(RED, (400, 200), "JPEG", exif=upside_down), "image/jpeg")
        await place.send(painted(RED, (30_000, 10)))
        clear, large, turned, strip = place.model.seen
    assert clear.getpixel((0, 0)) == (49, 51, 56)
    assert large.size == (960, 480)
    assert turned.size == (200, 400)
    assert max(strip.size) == 960
    assert {each.mode for each in (clear, large, turned, strip)} == {"RGB"}


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
async def test_up_to_ten_frames_of_an_animation_are_looked_at(kind: str) -> None:
    # Different shades, because encoders join equal frames.
    shades = [(0, 255 - number, 0) for number in range(100)]
    async with checker() as place:
        for count in (2, 10, 11, 19, 20, 21, 100):
            place.model.seen.clear()
            red_at_the_start = [RED, *shades[1:count]]
            _, answer = await place.send(animated(kind, red_at_the_start), f"image/{kind.lower()}")
            assert answer["labels"]["explicit"] == 0.9
            assert len(place.model.seen) == min(count, MAX_FRAMES)
        halves = [GREEN, *shades[:50], *((255 - number, 0, 0) for number in range(50))]
        _, answer = await place.send(animated(kind, halves), f"image/{kind.lower()}")
        assert answer["labels"]["explicit"] == 0.9


async def test_frames_all_over_a_video_are_looked_at() -> None:
    async with checker() as place:
        video = film_mp4(Scene(prompt="a harbour", seed=1, width=64, height=64))
        assert await place.send(video, "video/mp4") == (200, {"labels": NOTHING})
        assert len(place.model.seen) == MAX_FRAMES
        red_at_the_end = encode_mp4(
            lambda share: Image.new("RGB", (64, 64), RED if share > 0.8 else BLUE), (64, 64)
        )
        _, answer = await place.send(red_at_the_end, "video/mp4")
        assert answer["labels"]["explicit"] == 0.9


DAMAGED = {
    "image/png": (b"", b"<!doctype html>", painted(RED)[:60]),
    "image/jpeg": (painted(RED, kind="JPEG")[:300],),
    "image/gif": (b"GIF89a" + bytes(50),),
    "image/x-eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n",),
    "video/mp4": (b"", bytes(1000)),
    "video/webm": (painted(RED)[:60],),
}


async def test_a_damaged_file_is_no_clean_one() -> None:
    async with checker() as place:
        for content_type, files in DAMAGED.items():
            for file in files:
                status, answer = await place.send(file, content_type)
                assert (status, set(answer)) == (422, {"error"}), (content_type, file[:20])


async def test_the_limit_of_pixels_holds_for_pictures_animations_and_videos() -> None:
    async with checker(max_pixels=1000) as place:
        for file, content_type in (
            (painted(RED), "image/png"),
            (animated("GIF", [RED, GREEN]), "image/gif"),
            (film_mp4(Scene(prompt="a harbour", seed=1, width=64, height=64)), "video/mp4"),
        ):
            status, answer = await place.send(file, content_type)
            assert status == 422
            assert "pixels, and the limit is 1000" in answer["error"]
        assert place.model.seen == []
        assert (await place.send(painted(RED, (30, 30))))[0] == 200


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_an_animation_that_takes_too_long_to_decode_is_no_clean_one(kind: str) -> None:
    with pytest.raises(CantTell, match="too long"):
        look(animated(kind, [GREEN, BLUE]), f"image/{kind.lower()}", Model(), seconds=-1)


WRONG = (
    *({"timestamp": sent} for sent in ("", "now", "-1", "²", "9" * 400, "1e9")),
    *({"timestamp": str(NOW + seconds)} for seconds in (-61, 61)),
    {"secret": "another secret"},
    # A valid signature is one of this time and this picture.
    *({"X-Bot-Signature": signature} for signature in ("", "0" * 64, "é", signature_of(painted(GREEN)))),
    {"timestamp": str(NOW + 1), "X-Bot-Signature": signature_of(painted(RED))},
)


async def test_a_wrong_time_or_signature_is_refused_and_the_picture_not_decoded() -> None:
    async with checker() as place:
        for given in WRONG:
            assert (await place.send(painted(RED), **given))[0] == 403, given
        assert place.model.seen == []
        signed = {"X-Bot-Signature": signature_of(painted(RED))}
        assert (await place.send(painted(RED), **signed))[0] == 200


async def test_only_some_pictures_are_checked_at_once_and_health_is_told_meanwhile() -> None:
    released = Event()
    async with checker(Model(released=released)) as place, aiohttp.ClientSession() as session:
        checks = [asyncio.create_task(place.send(painted(RED))) for _ in range(12)]
        done, waiting = await asyncio.wait(checks, return_when=asyncio.FIRST_COMPLETED)
        while len(done) < 4:
            more, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            done |= more
        assert {check.result()[0] for check in done} == {503}
        async with session.get(f"{place.url}healthz") as answer:
            assert (answer.status, await answer.text()) == (200, "ok")
        released.set()
        found = await asyncio.gather(*checks)
        assert sorted(status for status, _ in found) == [200] * 8 + [503] * 4
        assert (await place.send(painted(RED)))[0] == 200


async def test_the_bot_and_the_checker_understand_each_other() -> None:
    found, deadline = [], asyncio.get_running_loop().time() + 60
    async with checker(now=time.time) as place:
        given = {"picture_check_url": f"{place.url}check", "picture_check_secret": SecretStr(SECRET)}
        with ThreadPoolExecutor(1) as files:
            settings, metrics = SETTINGS.model_copy(update=given), Metrics(time.monotonic)
            bot = PictureChecker(settings, {}, Effects(), files, metrics)
            video = encode_mp4(lambda _: Image.new("RGB", (64, 64), RED), (64, 64))
            large = painted(RED) + bytes(5_000_000)
            for picture in (large, painted(GREEN), b"no picture", video):
                content_type = "video/mp4" if picture is video else "image/png"
                found.append(await bot.check(io.BytesIO(picture), content_type, server=1, deadline=deadline))
            await bot.close()
    assert found == [{Label.EXPLICIT}, frozenset(), None, {Label.EXPLICIT}]


def test_a_checker_whose_settings_are_wrong_does_not_start() -> None:
    for environment in (
        {},
        {"PICTURE_CHECK_SECRET": "short"},
        {"PICTURE_CHECK_SECRET": SECRET, "PICTURE_CHECK_PORT": "x"},
    ):
        assert main(environment) == 2
