"""Outputs of a message: the deadline, links in place of files, shared download slots."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from aiohttp import web

from bot.domain.errors import BackendError, BackendUnreachable, MediaUnavailable
from bot.domain.files import INLINE_TEXT, PreparedOutputs
from bot.domain.runs import Output, Run, RunState, RunUpdate
from bot.domain.text import CONTENT_TEXT
from bot.effects import Effects
from bot.media.download import MediaFetcher
from bot.media.outputs import MAX_FILES, OutputPreparer
from tests.unit.delivery.sites import PNG, Site, announcing, outside_only
from tests.unit.factories import made_run

LIMIT = 10_000


class Storage:
    """Serves `/good…` at once, `/held…` when `open` is set, `/gone…` as a 404, `/broken…` as a 500.

    A link with a query always works.
    """

    def __init__(self, site: Site) -> None:
        self.site = site
        self.open = asyncio.Event()
        self.asked: list[str] = []
        self.changed = asyncio.Condition()
        site.handler = self.serve

    async def serve(self, request: web.Request) -> web.StreamResponse:
        async with self.changed:
            self.asked.append(request.path)
            self.changed.notify_all()
        if request.path.startswith("/held"):
            await self.open.wait()
        status = {"/gone": 404, "/broken": 500}.get(request.path.partition("-")[0], 200)
        return web.Response(status=200 if request.query else status, body=PNG)

    async def until_asked(self, path: str) -> None:
        async with asyncio.timeout(60), self.changed:
            await self.changed.wait_for(lambda: path in self.asked)

    def run(self, *paths: str, **changes: object) -> Run:
        outputs = tuple(Output("images", self.site.url(f"/{path}"), f"{path}.png") for path in paths)
        return made_run(**{"outputs": outputs, **changes})


@pytest.fixture
def storage(outside: Site) -> Storage:
    return Storage(outside)


Prepare = Callable[..., Awaitable[PreparedOutputs]]


@asynccontextmanager
async def preparer(renewed: Sequence[Output] | BackendError = ()) -> AsyncIterator[Prepare]:
    """Yield `OutputPreparer.prepare` with a limit, by default not for the last try."""

    async def get_run(run_id: str) -> RunUpdate:
        if isinstance(renewed, BackendError):
            raise renewed
        return RunUpdate(run_id=run_id, state=RunState.SUCCEEDED, outputs=tuple(renewed))

    backend: Any = SimpleNamespace(get_run=get_run)
    async with MediaFetcher(allows=outside_only) as fetcher:
        outputs = OutputPreparer(fetcher, backend, Effects().executor("pictures", 1))
        usual = {"limit": LIMIT, "files": ExitStack(), "last_try": False}

        async def prepare(run: Run, *, copy: bool = False, **options: Any) -> PreparedOutputs:
            if copy:
                copied = replace(run, upload_limit=LIMIT)
                return await outputs.prepare_copy(copied, ExitStack(), options["deadline"])
            return await outputs.prepare(run, **{"deadline": later(60), **usual, **options})

        yield prepare


def later(seconds: float) -> float:
    return asyncio.get_running_loop().time() + seconds


async def test_when_the_time_is_over_the_rest_is_linked_to(storage: Storage) -> None:
    run = storage.run("good-1", "held-2", "good-3", "gone-4", run_id="7")
    async with preparer(renewed=BackendUnreachable()) as prepare:
        prepared = await prepare(run, deadline=later(0.3))
        with pytest.raises(MediaUnavailable):
            await prepare(storage.run("held-1"), copy=True, deadline=later(0))
    assert [file.filename for file in prepared.files] == [f"flux-{run.key}-{number}.png" for number in (1, 3)]
    for remark, name in zip(prepared.remarks, ("held-2", "gone-4"), strict=True):
        assert name in remark
        assert storage.site.url(f"/{name}") in remark


async def test_what_is_too_large_is_linked_and_not_read(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, longest = storage.run("good-1"), storage.site.url("/").ljust(CONTENT_TEXT, "a")
    async with preparer() as prepare:
        assert len((await prepare(run, limit=len(PNG))).files) == 1
        assert (await prepare(run, limit=0)).files == ()
        assert storage.asked == ["/good-1"]
        linked = await prepare(replace(run, outputs=(Output("images", longest, "a.png"),)), limit=0)
        assert linked.remarks == ("I couldn't attach a.png, and its link doesn't fit into a message.",)
        many = (*run.outputs * (MAX_FILES + 1), Output("text", text="a caption"))
        *links, more = (await prepare(replace(run, outputs=many), limit=0)).remarks
        assert (len(links), more[:2]) == (MAX_FILES, "1 ")
        # Only a picture could be made to fit, if there is time.
        monkeypatch.setattr("bot.media.outputs.shrink", Mock(side_effect=TimeoutError))
        assert "too large" in (await prepare(run, limit=10)).remarks[0]
        storage.site.handler = announcing(LIMIT + 1, PNG)
        video = replace(run, outputs=(Output("files", storage.site.url(), "a.mp4"),))
        assert "too large" in (await prepare(video, deadline=later(5))).remarks[0]


async def test_texts_beyond_their_share_of_a_message_are_one_file() -> None:
    run = made_run(outputs=(Output("text", text="x" * INLINE_TEXT),))
    async with preparer() as prepare:
        for count, files, texts in ((1, 0, 1), (2, 1, 0)):
            prepared = await prepare(replace(run, count=count))
            assert (len(prepared.files), len(prepared.texts)) == (files, texts)
        posted = [file.filename for file in prepared.files]
        assert (await prepare(replace(run, count=2), posted=posted)).files == ()


@pytest.mark.parametrize(
    ("paths", "caption", "renewed", "files", "is_gone"),
    [
        (("good-1", "gone-2", "gone-3"), "a caption", (), 1, False),
        (("good-1", "gone-2", "gone-3"), "", ("gone-2",), 2, False),
        (("broken-1",), "", ("broken-1",), 1, False),
        (("gone-1",), "", (), 0, True),
        (("gone-1",), "a caption", (), 0, False),
    ],
    ids=range(5),
)
async def test_the_last_try_renews_what_it_can_and_a_result_is_gone_if_nothing_is_left(
    storage: Storage,
    *,
    paths: tuple[str, ...],
    caption: str,
    renewed: tuple[str, ...],
    files: int,
    is_gone: bool,
) -> None:
    run, texts = storage.run(*paths, run_id="7"), (Output("text", text=caption),) * bool(caption)
    fresh = [Output("images", storage.site.url(f"/{path}?new"), f"{path}.png") for path in renewed]
    async with preparer(renewed=fresh) as prepare:
        prepared = await prepare(replace(run, outputs=(*run.outputs, *texts)), last_try=True)
    assert (len(prepared.files), len(prepared.remarks)) == (files, len(paths) - files)
    assert (prepared.texts, prepared.is_gone) == (tuple(each.text for each in texts), is_gone)
    assert storage.asked.count("/good-1") == ("good-1" in paths)


async def test_a_held_file_of_the_same_name_is_never_fetched_in_place_of_another(storage: Storage) -> None:
    held, shown = (Output("images", f"{storage.site.url(f'/gone-{n}')}?a=1", "a.png") for n in (1, 2))
    verdicts = {"1": ["held", "explicit"]}
    run = made_run(outputs=(held, shown), run_id="7", to_check=True, verdicts=verdicts)
    for paths in ("/gone-1", "/gone-2"), ("/good-1", "/good-2"):
        links = [f"{storage.site.url(path)}?a=2" for path in paths]
        renewed = [replace(each, url=url) for each, url in zip(run.outputs, links, strict=True)]
        async with preparer(renewed=renewed) as prepare:
            await prepare(run, last_try=True)
    assert set(storage.asked) == {"/gone-2"}


async def test_a_forbidden_address_is_never_linked(storage: Storage) -> None:
    urls = ("https://minio:s3cret@storage.example/a.png", "http://169.254.169.254/a.png", "ftp://a.example/a")
    run = storage.run(outputs=tuple(Output("images", url, "a.png") for url in urls))
    async with preparer() as prepare:
        for limit, seconds in ((0, 60), (LIMIT, 60), (LIMIT, 0)):
            prepared = await prepare(run, limit=limit, deadline=later(seconds))
            assert set(prepared.remarks) == {"a.png is at an address I'm not allowed to open."}


async def test_slow_downloads_of_one_server_leave_slots_to_others(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.media.download._DOWNLOADS", 5)
    held = storage.run(*(f"held-{number}" for number in range(5)), guild_id=1)
    good = storage.run("good-1", guild_id=2, key="abcdefghij234568")
    async with preparer() as prepare, asyncio.TaskGroup() as group:
        group.create_task(prepare(held))
        for number in range(4):
            await storage.until_asked(f"/held-{number}")
        async with asyncio.timeout(60):
            assert len((await prepare(good)).files) == 1
        assert "/held-4" not in storage.asked
        storage.open.set()
