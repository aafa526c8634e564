"""Use the page over HTTP as its own script does; no browser is needed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import aiohttp

from demo.fake_comfydeploy.faults import Faults
from demo.page import keep_fresh, open_pages
from demo.world import REVIEW, World, open_world

TITLES = [
    "#pictures",
    "#gallery",
    "#age-restricted",
    "#review",
    "Ada's direct messages",
    "Ben's direct messages",
]


class Visitor:
    """An open page; `state` is what it fetched last."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self.base, _, self.capability = url.partition("/#")
        self._http = http
        self._headers = {"X-Simcord-Capability": self.capability}
        self._sequence = 0
        self.state: dict[str, Any] = {}

    async def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        async with self._http.request(
            method, f"{self.base}{path}", json=body, headers=self._headers
        ) as response:
            assert response.status == 200, await response.text()
            return await response.json()

    async def open(self, **viewer: str) -> None:
        self.state = await self.call("POST", "/api/pages", viewer)
        self._headers["X-Simcord-Context"] = self.state["context"]["id"]

    async def act(self, kind: str, **body: Any) -> dict[str, Any]:
        self._sequence += 1
        envelope = {
            "protocol_version": 3,
            "sequence": self._sequence,
            "request_id": f"r{self._sequence}",
            "generation": self.state["context"]["generation"],
            "bot_generation": self.state["botGeneration"],
            "published_revision": self.state["publishedRevision"],
        }
        return dict(await self.call("POST", "/api/action", {**envelope, "kind": kind, **body}))

    async def generate(self, deployment: str, **options: Any) -> dict[str, Any]:
        catalog = await self.call("GET", "/api/commands")
        entry = next(item for item in catalog["entries"] if item["path"] == ["generate", deployment])
        return await self.act(
            "run_command",
            command_id=entry["commandId"],
            path=entry["path"],
            schema_fingerprint=entry["schemaFingerprint"],
            options=options,
        )

    async def until(self, seen: Callable[[dict[str, Any]], bool]) -> None:
        """Fetch the state as the page does, until `seen` accepts it."""
        async with asyncio.timeout(60):
            while not seen(self.state):
                await asyncio.sleep(0.05)
                self.state = await self.call("GET", "/api/state")

    def buttons(self) -> dict[str, tuple[str, str]]:
        return {
            item["label"]: (message["id"], item["control_key"])
            for message in self.state["messages"].values()
            for item in components(message["components"])
            if "control_key" in item
        }

    async def press(self, button: tuple[str, str]) -> dict[str, Any]:
        return await self.act("click", target_id=button[0], control_key=button[1])


def components(items: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for item in items:
        yield item
        yield from components(item.get("components") or [])


def texts(state: dict[str, Any]) -> str:
    return "\n".join(
        str(item.get("content"))
        for message in state["messages"].values()
        for item in components(message["components"])
    )


@asynccontextmanager
async def visiting(faults: Faults | None = None) -> AsyncIterator[tuple[World, Visitor]]:
    async with open_world(pace=0) as world, open_pages(world) as pages, aiohttp.ClientSession() as http:
        world.comfydeploy.faults = faults or Faults()
        fresh = asyncio.create_task(keep_fresh(world, pages))
        visitor = Visitor(http, pages[0].url)
        await visitor.open()
        yield world, visitor
        assert not fresh.done()
        fresh.cancel()


async def test_only_a_page_with_its_secret_shows_the_channels() -> None:
    async with visiting() as (_, visitor), aiohttp.ClientSession() as http:
        async with http.post(f"{visitor.base}/api/pages", json={}) as stranger:
            assert stranger.status == 401
        async with http.get(f"{visitor.base}/api/commands?channels=1") as stranger:
            assert stranger.status == 401
        assert [viewer["name"] for viewer in visitor.state["viewers"]] == ["Ada", "Ben", "Mia"]
        listed = await visitor.call("GET", "/api/commands?channels=1")
        assert [page["title"] for page in listed["pages"]] == TITLES
        assert [page["here"] for page in listed["pages"]] == [True, *[False] * 5]
        assert "/generate picture" in listed["pages"][0]["hint"]
        review, now = Visitor(http, listed["pages"][TITLES.index("#review")]["url"]), datetime.now(UTC)
        await review.open()
        # Relative times on a new page count from its opening.
        assert datetime.fromisoformat(review.state["profile"]["presentationTime"]) >= now
        assert review.state["channel"]["name"] == REVIEW
        assert [viewer["name"] for viewer in review.state["viewers"]] == ["Mia"]
        for path in ("", "page.js", "page.css", "icon.svg"):
            async with http.get(f"{visitor.base}/{path}") as file:
                assert file.status == 200


async def test_simcords_scripts_are_changed() -> None:
    """They have to be changed in another way if simcord has changed them."""
    async with visiting() as (_, visitor), aiohttp.ClientSession() as http:
        async with http.get(f"{visitor.base}/commands.js") as script:
            assert "value.description" in (text := await script.text())
            assert "Math.min(24" not in text
        async with http.get(f"{visitor.base}/selects.js") as script:
            assert "minimum === maximum ? maximum" in await script.text()


async def test_a_stale_page_cancels_once_and_a_current_one_shows_the_next_picture() -> None:
    async with visiting(Faults(hold_at="running")) as (world, visitor):
        await visitor.generate("picture", prompt="a long wait")
        await visitor.until(lambda state: "Starting the machine" in texts(state))
        behind, cancel = dict(visitor.state), visitor.buttons()["Cancel"]
        await visitor.act("refresh")

        visitor.state = behind
        receipt = await visitor.press(cancel)
        assert (receipt["rejected"], receipt["settlement"]) == (False, "settled")
        await visitor.until(lambda state: "Cancelled: " in texts(state))
        assert "Try again" in visitor.buttons()

        world.comfydeploy.faults = Faults()
        await visitor.generate("picture", prompt="a red barn", size="portrait")
        await visitor.until(lambda state: any(item["attachments"] for item in state["messages"].values()))
        assert "> a red barn" in texts(visitor.state)

        visitor.state = behind
        assert (await visitor.press(cancel))["rejected"]
        assert len(world.comfydeploy.call_log.queue_calls) == 2
