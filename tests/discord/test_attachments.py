"""Files attached to a request that waits: shown on its card, renewed from there when their links run out."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from datetime import datetime

from bot.runs import RunState
from tests.discord.actors import call
from tests.discord.files import bucket, png
from tests.discord.moderated_server import ModeratedServer
from tests.discord.rendered import buttons_of, galleries_of, pinged, press, texts


def picture_host() -> AbstractAsyncContextManager[str]:
    return bucket({"cat.png": (png(), "image/png")})


async def ask_with_picture(server: ModeratedServer, url: str) -> None:
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
    await call(server, server.alice, "generate", options, {"attachments": {"55": attachment}})
    await server.play()


def signed(base: str, until: datetime) -> str:
    return f"{base}/cat.png?ex={int(until.timestamp()):x}&is=1&hm=2"


async def test_an_attached_picture_is_shown_and_renewed_from_the_card_when_its_link_runs_out(
    server: ModeratedServer,
) -> None:
    async with picture_host() as base:
        url = signed(base, server.clock().replace(hour=10))
        await ask_with_picture(server, url)
        assert galleries_of(server, server.card) == [1]
        (copy,) = server.card.attachments
        assert await copy.read() == png()
        await server.later(hours=11)
        await server.restart()
        await server.decide("Approve")
        (queued,) = server.calls
        assert queued.body["inputs"]["image"] == copy.url
        assert len(server.messages()) == 1


async def test_a_link_that_still_works_is_used_as_it_is(server: ModeratedServer) -> None:
    async with picture_host() as base:
        url = signed(base, server.clock().replace(hour=10))
        await ask_with_picture(server, url)
        await server.later(hours=1)
        await server.decide("Approve")
        assert server.calls[0].body["inputs"]["image"] == url


async def test_a_picture_that_can_not_be_renewed_is_asked_for_again(server: ModeratedServer) -> None:
    async with picture_host() as base:
        await ask_with_picture(server, signed(base, server.clock().replace(hour=10)))
        await server.later(hours=11)
        card = server.card
        ids = buttons_of(server, card)
        server.env.backend.faults.clear()
        server.env.inject_error(
            "GET", f"/channels/{server.review.id}/messages/*", status=404, code=10008, times=None
        )
        await press(server, server.mona, card, ids["Approve"])
        await server.play()
        (outcome,) = texts(server)
        assert "The file you attached has expired" in outcome
        assert pinged(server) == [server.alice.id]
        assert server.calls == []


async def test_a_server_error_while_a_picture_is_renewed_is_no_end(server: ModeratedServer) -> None:
    async with picture_host() as base:
        await ask_with_picture(server, signed(base, server.clock().replace(hour=10)))
        await server.later(hours=11)
        card = server.card
        (copy,) = card.attachments
        ids = buttons_of(server, card)
        renewal = f"/channels/{server.review.id}/messages/{card.id}"
        server.env.inject_error("GET", renewal, status=503, times=None)
        await press(server, server.mona, card, ids["Approve"])
        await server.play()
        await server.restart()
        for _ in range(7):
            await server.later(minutes=3)
        assert (await server.run()).state is RunState.WAITING
        assert texts(server) == []
        assert server.calls == []
        server.env.backend.faults.clear()
        await server.later(minutes=3)
        (queued,) = server.calls
        assert queued.body["inputs"]["image"] == copy.url
        assert len(server.messages()) == 1


async def test_a_picture_that_discord_never_gives_is_asked_for_again_in_the_end(
    server: ModeratedServer,
) -> None:
    async with picture_host() as base:
        await ask_with_picture(server, signed(base, server.clock().replace(hour=10)))
        await server.later(hours=11)
        card = server.card
        ids = buttons_of(server, card)
        server.env.inject_error(
            "GET", f"/channels/{server.review.id}/messages/{card.id}", status=503, times=None
        )
        await press(server, server.mona, card, ids["Approve"])
        for _ in range(40):
            await server.later(minutes=3)
        (outcome,) = texts(server)
        assert "Discord didn't give me the file you attached." in outcome
        assert pinged(server) == [server.alice.id]
        assert server.calls == []
