"""Files attached to a request that waits: shown on its card, renewed from there when their links run out."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from datetime import datetime
from pathlib import Path

from bot.runs import RunState
from tests.discord.court import Court, court
from tests.discord.crowd import call
from tests.discord.files import bucket, png
from tests.discord.seen import buttons_of, galleries_of, pinged, press, texts


def picture_host() -> AbstractAsyncContextManager[str]:
    return bucket({"cat.png": (png(), "image/png")})


async def ask_with_picture(c: Court, url: str) -> None:
    """As Discord brings an attachment: its signed link with the time when it runs out."""
    attachment = {
        "id": "55",
        "filename": "cat.png",
        "content_type": "image/png",
        "size": len(png()),
        "url": url,
        "proxy_url": url,
    }
    options = [
        {"name": "prompt", "type": 3, "value": "a lion"},
        {"name": "image", "type": 11, "value": "55"},
    ]
    await call(c.s, c.s.alice, "generate", options, {"attachments": {"55": attachment}})
    await c.s.play()


def signed(base: str, until: datetime) -> str:
    return f"{base}/cat.png?ex={int(until.timestamp()):x}&is=1&hm=2"


async def test_an_attached_picture_is_shown_and_renewed_from_the_card_when_its_link_runs_out(
    tmp_path: Path,
) -> None:
    async with court(tmp_path) as c, picture_host() as base:
        url = signed(base, c.s.clock().replace(hour=10))
        await ask_with_picture(c, url)
        assert galleries_of(c.s, c.card) == [1]
        (copy,) = c.card.attachments
        assert await copy.read() == png()
        await c.s.later(hours=11)
        await c.s.restart()
        await c.decide("Approve")
        (queued,) = c.s.calls
        assert queued.body["inputs"]["image"] == copy.url
        assert len(c.s.messages()) == 1


async def test_a_link_that_still_works_is_used_as_it_is(tmp_path: Path) -> None:
    async with court(tmp_path) as c, picture_host() as base:
        url = signed(base, c.s.clock().replace(hour=10))
        await ask_with_picture(c, url)
        await c.s.later(hours=1)
        await c.decide("Approve")
        assert c.s.calls[0].body["inputs"]["image"] == url


async def test_a_picture_that_can_not_be_renewed_is_asked_for_again(tmp_path: Path) -> None:
    async with court(tmp_path) as c, picture_host() as base:
        await ask_with_picture(c, signed(base, c.s.clock().replace(hour=10)))
        await c.s.later(hours=11)
        card = c.card
        ids = buttons_of(c.s, card)
        c.s.env.backend.faults.clear()
        c.s.env.inject_error("GET", f"/channels/{c.review.id}/messages/*", status=404, code=10008, times=None)
        await press(c.s, c.mona, card, ids["Approve"])
        await c.s.play()
        (outcome,) = texts(c.s)
        assert "The file you attached has expired" in outcome
        assert pinged(c.s) == [c.s.alice.id]
        assert c.s.calls == []


async def test_a_server_error_while_a_picture_is_renewed_is_no_end(tmp_path: Path) -> None:
    async with court(tmp_path) as c, picture_host() as base:
        await ask_with_picture(c, signed(base, c.s.clock().replace(hour=10)))
        await c.s.later(hours=11)
        card = c.card
        (copy,) = card.attachments
        ids = buttons_of(c.s, card)
        renewal = f"/channels/{c.review.id}/messages/{card.id}"
        c.s.env.inject_error("GET", renewal, status=503, times=None)
        await press(c.s, c.mona, card, ids["Approve"])
        await c.s.play()
        await c.s.restart()
        for _ in range(7):
            await c.s.later(minutes=3)
        assert (await c.s.run()).state is RunState.WAITING
        assert texts(c.s) == []
        assert c.s.calls == []
        c.s.env.backend.faults.clear()
        await c.s.later(minutes=3)
        (queued,) = c.s.calls
        assert queued.body["inputs"]["image"] == copy.url
        assert len(c.s.messages()) == 1


async def test_a_picture_that_discord_never_gives_is_asked_for_again_in_the_end(tmp_path: Path) -> None:
    async with court(tmp_path) as c, picture_host() as base:
        await ask_with_picture(c, signed(base, c.s.clock().replace(hour=10)))
        await c.s.later(hours=11)
        card = c.card
        ids = buttons_of(c.s, card)
        c.s.env.inject_error("GET", f"/channels/{c.review.id}/messages/{card.id}", status=503, times=None)
        await press(c.s, c.mona, card, ids["Approve"])
        for _ in range(40):
            await c.s.later(minutes=3)
        (outcome,) = texts(c.s)
        assert "Discord didn't give me the file you attached." in outcome
        assert pinged(c.s) == [c.s.alice.id]
        assert c.s.calls == []
