"""Which files of a request are read, and what follows from their content."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bot.deployments.merge import Merged, Stored, merge
from bot.domain.errors import InputErrors, MediaUnavailable
from bot.services.generation import check_files
from tests.unit.deployments.flux import FLUX, drawn, file, take
from tests.unit.factories import app_with

CONTENT = {
    "png": b"\x89PNG\r\n\x1a\n",
    "txt": b"text",
    "mp4": b"\0\0\0\x18ftypmp42" + bytes(12),
    "bin": b"\xff\xfe\xfd",
}


class Reader:
    """Returns the beginning of a file by the end of its address, and remembers what it was asked for."""

    def __init__(self) -> None:
        self.read: list[str] = []

    async def head(self, url: str) -> bytes:
        self.read.append(url.rpartition("/")[2])
        if url.endswith("hangs"):
            await asyncio.Event().wait()
        if url.endswith("away"):
            raise MediaUnavailable("away")
        return CONTENT[url.rpartition(".")[2]]


@pytest.fixture(autouse=True)
def _short_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.services.generation._FILE_SECONDS", 0.01)


async def options_refused(inputs: Merged) -> list[Any]:
    try:
        await check_files(app_with(fetcher=Reader()), FLUX, inputs)
    except InputErrors as error:
        return [each.params["option"] for each in error.errors]
    return []


async def test_every_file_of_a_request_is_read_once_and_every_mistake_is_named() -> None:
    reader = Reader()
    given = take(image=file("a.png"), image1=file("b.png"), video=file("c.mp4", "video/mp4"))
    await check_files(app_with(fetcher=reader), FLUX, given)
    assert sorted(reader.read) == ["a.png", "b.png", "c.mp4"]
    text, clip = file("d.txt"), file("d.txt", "video/mp4")
    wrong = take(image=text, image1=file("b.png"), image2=text, video=clip, file=text)
    assert await options_refused(wrong) == ["image", "image2", "video"]


@pytest.mark.parametrize("name", ["away", "hangs"])
async def test_a_file_that_can_not_be_read_counts_as_what_discord_calls_it(name: str) -> None:
    assert await options_refused(take(image=file(name, "image/png"))) == []
    assert await options_refused(take(image=file(name, None))) == ["image"]


async def test_a_link_from_an_earlier_request_is_read_too() -> None:
    for name, refused in (("a.png", []), ("a.txt", ["image"]), ("hangs", [])):
        earlier = {"prompt": "a red fox", "image": f"https://cdn.example/{name}"}
        assert await options_refused(merge(FLUX, {}, [Stored(earlier)], draw_seed=drawn)) == refused
