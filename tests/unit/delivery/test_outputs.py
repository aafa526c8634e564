"""Outputs of a message: the deadline, links in place of files, shared download slots."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web

from bot.domain.runs import Output, Run, RunReport, RunState
from bot.media.download import MediaFetcher
from bot.media.outputs import OutputPreparer
from bot.outside import Outside
from bot.ui.message_parts import PreparedOutputs
from tests.unit.delivery.sites import PNG, Site, outside_only
from tests.unit.factories import made_run

LIMIT = 10_000


class Storage:
    """Serves `/good…` at once, `/held…` when `open` is set, `/gone…` as a 404, `/broken…` as a 500."""

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
        return web.Response(status=status, body=PNG)

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
async def preparer(folder: Path, renewed: Sequence[Output] = ()) -> AsyncIterator[Prepare]:
    """Yield `OutputPreparer.prepare` with this folder and a limit, by default not for the last try."""

    async def get_run(run_id: str) -> RunReport:
        return RunReport(run_id=run_id, state=RunState.SUCCEEDED, outputs=tuple(renewed))

    backend: Any = SimpleNamespace(get_run=get_run)
    async with MediaFetcher(allows=outside_only) as fetcher:
        outputs = OutputPreparer(fetcher, backend, Outside().executor("pictures", 1))
        usual = {"limit": LIMIT, "folder": folder, "last_try": False}

        async def prepare(run: Run, **options: Any) -> PreparedOutputs:
            return await outputs.prepare(run, **{"deadline": later(60), **usual, **options})

        yield prepare


def later(seconds: float) -> float:
    return asyncio.get_running_loop().time() + seconds


async def test_when_the_time_is_over_the_rest_is_linked_to(storage: Storage, tmp_path: Path) -> None:
    run = storage.run("good-1", "held-2", "good-3")
    async with preparer(tmp_path) as prepare:
        prepared = await prepare(run, deadline=later(0.3))
    assert [file.filename for file in prepared.files] == [f"flux-{run.key}-{number}.png" for number in (1, 3)]
    (remark,) = prepared.remarks
    assert "held-2" in remark
    assert storage.site.url("/held-2") in remark


async def test_each_of_several_files_of_the_same_name_gets_its_own_new_link(
    storage: Storage, tmp_path: Path
) -> None:
    gone = tuple(Output("images", storage.site.url(f"/gone-{n}"), "a.png") for n in (1, 2))
    renewed = [replace(each, url=storage.site.url(f"/good-{n}")) for n, each in enumerate(gone, 1)]
    async with preparer(tmp_path, renewed=renewed) as prepare:
        await prepare(made_run(outputs=gone, run_id="7"))
    assert {"/good-1", "/good-2"} < {*storage.asked}


async def test_an_answer_with_fewer_outputs_only_renews_links(storage: Storage, tmp_path: Path) -> None:
    run = storage.run("good-1", "gone-2", "gone-3", run_id="7")
    run = replace(run, outputs=(*run.outputs, Output("text", text="a caption")))
    again = replace(run.outputs[1], url=storage.site.url("/good-again"))
    for renewed, files in (((), 1), ((again,), 2)):
        async with preparer(tmp_path, renewed=renewed) as prepare:
            prepared = await prepare(run, last_try=True)
        assert (len(prepared.files), len(prepared.remarks)) == (files, 3 - files)
        assert prepared.texts == ("a caption",)
    assert storage.asked.count("/good-1") == 2


async def test_a_held_file_of_the_same_name_is_never_fetched_in_place_of_another(
    storage: Storage, tmp_path: Path
) -> None:
    held, shown = (Output("images", f"{storage.site.url(f'/gone-{n}')}?a=1", "a.png") for n in (1, 2))
    verdicts = {"1": ["held", "explicit"]}
    run = made_run(outputs=(held, shown), run_id="7", to_check=True, verdicts=verdicts)
    for paths in ("/gone-1", "/gone-2"), ("/good-1", "/good-2"):
        links = [f"{storage.site.url(path)}?a=2" for path in paths]
        renewed = [replace(each, url=url) for each, url in zip(run.outputs, links, strict=True)]
        async with preparer(tmp_path, renewed=renewed) as prepare:
            await prepare(run, last_try=True)
    assert set(storage.asked) == {"/gone-2"}


async def test_a_forbidden_address_is_never_linked(storage: Storage, tmp_path: Path) -> None:
    urls = ("https://minio:s3cret@storage.example/a.png", "http://169.254.169.254/a.png", "ftp://a.example/a")
    run = storage.run(outputs=tuple(Output("images", url, "a.png") for url in urls))
    async with preparer(tmp_path) as prepare:
        for limit, seconds in ((0, 60), (LIMIT, 60), (LIMIT, 0)):
            prepared = await prepare(run, limit=limit, deadline=later(seconds))
            assert set(prepared.remarks) == {"a.png is at an address I'm not allowed to open."}


async def test_slow_downloads_of_one_server_leave_slots_to_others(
    storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.media.outputs._DOWNLOADS", 5)
    held = storage.run(*(f"held-{number}" for number in range(5)), guild_id=1)
    good = storage.run("good-1", guild_id=2, key="abcdefghij234568")
    async with preparer(tmp_path) as prepare, asyncio.TaskGroup() as group:
        group.create_task(prepare(held))
        for number in range(4):
            await storage.until_asked(f"/held-{number}")
        async with asyncio.timeout(60):
            assert len((await prepare(good)).files) == 1
        assert "/held-4" not in storage.asked
        storage.open.set()
