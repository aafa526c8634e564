"""How long a delivery downloads, what goes out without a file, and how downloads share their slots."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from bot.delivery.media.download import MediaFetcher
from bot.delivery.media.download_slots import DownloadSlots
from bot.delivery.media.outputs import OutputPreparer
from bot.delivery.media.time_budget import MediaBudget
from bot.domain.errors import MediaUnavailable
from bot.domain.runs import Output, Run
from tests.unit.delivery.sites import PNG, Site, outside_only
from tests.unit.factories import made_run

LIMIT = 10_000


class Storage:
    """Serves `/good…` at once, `/held…` when `open` is set, `/gone…` never, `/broken…` as a 500."""

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
        if request.path.startswith("/gone"):
            return web.Response(status=404)
        if request.path.startswith("/broken"):
            return web.Response(status=500)
        return web.Response(body=PNG)

    async def until_asked(self, path: str) -> None:
        async with asyncio.timeout(60), self.changed:
            await self.changed.wait_for(lambda: path in self.asked)

    def run(self, *paths: str, **changes: object) -> Run:
        outputs = tuple(Output("images", self.site.url(f"/{path}"), f"{path}.png") for path in paths)
        return made_run(**{"outputs": outputs, **changes})


@pytest.fixture
def storage(outside: Site) -> Storage:
    return Storage(outside)


@asynccontextmanager
async def preparer(
    slots: DownloadSlots | None = None, renewed: Sequence[Output] | None = None
) -> AsyncIterator[OutputPreparer]:
    async def renew(run: Run) -> Sequence[Output]:
        return run.outputs if renewed is None else renewed

    async with MediaFetcher(allows=outside_only) as fetcher:
        yield OutputPreparer(fetcher, renew, slots)


def noting(answer: bool) -> tuple[asyncio.Event, Callable[[], Awaitable[bool]]]:
    slow = asyncio.Event()

    async def on_slow() -> bool:
        slow.set()
        return answer

    return slow, on_slow


async def test_when_the_time_is_over_the_rest_is_linked_to(storage: Storage, tmp_path: Path) -> None:
    run = storage.run("good-1", "held-2", "good-3")
    async with preparer() as prepares:
        prepared = await prepares.prepare(run, LIMIT, tmp_path, last_try=False, budget=MediaBudget(0.3))
    assert [file.filename for file in prepared.files] == [
        f"flux-{run.key}-1.png",
        f"flux-{run.key}-3.png",
    ]
    (remark,) = prepared.remarks
    assert "held-2" in remark
    assert storage.site.url("/held-2") in remark


async def test_the_runs_of_a_batch_share_the_time(storage: Storage, tmp_path: Path) -> None:
    budget = MediaBudget(0.3)
    async with preparer() as prepares:
        for path in ("held-1", "held-2"):
            prepared = await prepares.prepare(
                storage.run(path), LIMIT, tmp_path, last_try=False, budget=budget
            )
            assert not prepared.files
            assert len(prepared.remarks) == 1
    assert "/held-2" not in storage.asked


async def test_a_failure_within_the_time_is_tried_again_later(storage: Storage, tmp_path: Path) -> None:
    async with preparer() as prepares:
        with pytest.raises(MediaUnavailable):
            await prepares.prepare(storage.run("good-1", "broken-2"), LIMIT, tmp_path, last_try=False)
        prepared = await prepares.prepare(storage.run("good-1", "broken-2"), LIMIT, tmp_path, last_try=True)
    assert len(prepared.files) == len(prepared.remarks) == 1


async def test_with_new_links_only_the_missing_files_are_fetched(storage: Storage, tmp_path: Path) -> None:
    run = storage.run("good-1", "gone-2")
    renewed = [
        Output("images", storage.site.url("/good-1-again"), "good-1.png"),
        Output("images", storage.site.url("/good-2-again"), "gone-2.png"),
    ]
    async with preparer(renewed=renewed) as prepares:
        prepared = await prepares.prepare(run, LIMIT, tmp_path, last_try=False)
    assert len(prepared.files) == 2
    assert not prepared.remarks
    assert sorted(storage.asked) == ["/gone-2", "/good-1", "/good-2-again"]


async def test_a_slow_download_is_told_and_goes_on(storage: Storage, tmp_path: Path) -> None:
    slow, on_slow = noting(answer=True)
    async with preparer() as prepares, asyncio.TaskGroup() as group:
        budget = MediaBudget(60, on_slow, slow=0)
        preparing = group.create_task(
            prepares.prepare(storage.run("held-1"), LIMIT, tmp_path, last_try=False, budget=budget)
        )
        await slow.wait()
        storage.open.set()
        assert len((await preparing).files) == 1


async def test_one_slow_download_too_many_is_stopped_for_later(storage: Storage, tmp_path: Path) -> None:
    _, on_slow = noting(answer=False)
    budget = MediaBudget(3600, on_slow, slow=0.1)
    async with preparer() as prepares, asyncio.timeout(60):
        with pytest.raises(MediaUnavailable, match="too many downloads are slow"):
            await prepares.prepare(
                storage.run("good-1", "held-2"), LIMIT, tmp_path, last_try=False, budget=budget
            )


async def test_a_quick_download_is_not_called_slow(storage: Storage, tmp_path: Path) -> None:
    slow, on_slow = noting(answer=True)
    async with preparer() as prepares:
        budget = MediaBudget(60, on_slow, slow=60)
        await prepares.prepare(storage.run("good-1"), LIMIT, tmp_path, last_try=False, budget=budget)
    assert not slow.is_set()


@pytest.mark.parametrize(
    ("slots", "other_host"),
    [
        (DownloadSlots(total=3, per_server=2, per_host=3), False),
        (DownloadSlots(total=3, per_server=3, per_host=2), True),
    ],
    ids=["a server", "a host"],
)
async def test_slow_downloads_of_one_leave_slots_to_others(
    storage: Storage, tmp_path: Path, slots: DownloadSlots, other_host: bool
) -> None:
    held = storage.run("held-1", "held-2", "held-3", guild_id=1)
    good = storage.run("good-1", guild_id=2, key="abcdefghij234568")
    if other_host:
        path = storage.site.url("/good-1").replace("127.0.0.1", "localhost")
        good = storage.run(guild_id=2, key="abcdefghij234568", outputs=(Output("images", path, "a.png"),))
    async with preparer(slots) as prepares, asyncio.TaskGroup() as group:
        group.create_task(prepares.prepare(held, LIMIT, tmp_path, last_try=False))
        await storage.until_asked("/held-1")
        await storage.until_asked("/held-2")
        async with asyncio.timeout(60):
            prepared = await prepares.prepare(good, LIMIT, tmp_path, last_try=False)
        assert len(prepared.files) == 1
        assert "/held-3" not in storage.asked
        storage.open.set()


@pytest.mark.parametrize(("tries", "seconds"), [(1, 120), (2, 60), (3, 30), (4, 30), (5, 30), (2000, 30)])
def test_each_try_has_less_time(tries: int, seconds: float) -> None:
    _, on_slow = noting(answer=True)
    assert MediaBudget.of_try(tries, on_slow, 5)._left == seconds
