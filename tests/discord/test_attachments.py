"""Files attached to a request that waits: shown on its card, renewed from there when their links run out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest

from bot.domain.runs import RunState
from bot.workers.submission import MAX_RENEWALS
from tests.discord.files import bucket, png
from tests.discord.forged import call, press
from tests.discord.moderated_server import ModeratedServer
from tests.discord.outages import away, endure
from tests.discord.rendered import buttons_of, galleries_of, pinged, texts


@pytest.fixture
async def host() -> AsyncIterator[str]:
    """Serve a picture, as Discord's media server does."""
    async with bucket({"cat.png": (png(), "image/png")}) as address:
        yield address


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


async def ask_and_wait_until_the_link_runs_out(server: ModeratedServer, host: str) -> None:
    await ask_with_picture(server, signed(host, server.clock().replace(hour=10)))
    await server.later(hours=11)


def fail_renewal(server: ModeratedServer, status: int) -> None:
    """Let Discord give no card, so that the bot can't read the link of the card's copy from it."""
    code = 10008 if status == 404 else 0
    path = f"/channels/{server.review.id}/messages/{server.card.id}"
    server.env.inject_error("GET", path, status=status, code=code, times=None)


def signed(base: str, until: datetime) -> str:
    return f"{base}/cat.png?ex={int(until.timestamp()):x}&is=1&hm=2"


async def test_an_expired_link_is_renewed_from_the_card(server: ModeratedServer, host: str) -> None:
    url = signed(host, server.clock().replace(hour=10))
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


async def test_a_link_that_still_works_is_used_as_it_is(server: ModeratedServer, host: str) -> None:
    url = signed(host, server.clock().replace(hour=10))
    await ask_with_picture(server, url)
    await server.later(hours=1)
    await server.decide("Approve")
    assert server.calls[0].body["inputs"]["image"] == url


async def test_a_renewal_is_retried_after_a_server_error(server: ModeratedServer, host: str) -> None:
    await ask_and_wait_until_the_link_runs_out(server, host)
    (copy,) = server.card.attachments
    fail_renewal(server, 503)
    await press(server, server.mona, server.card, buttons_of(server, server.card)["Approve"])
    await server.play()
    await server.restart()
    await server.later(minutes=3, times=7)
    assert (await server.run()).state is RunState.WAITING
    assert texts(server) == []
    assert server.calls == []
    server.env.backend.faults.clear()
    await server.later(minutes=3)
    (queued,) = server.calls
    assert queued.body["inputs"]["image"] == copy.url
    assert len(server.messages()) == 1


async def test_a_renewal_outlasts_any_outage(server: ModeratedServer, host: str) -> None:
    await ask_and_wait_until_the_link_runs_out(server, host)
    (copy,) = server.card.attachments
    fail_renewal(server, 503)
    await press(server, server.mona, server.card, buttons_of(server, server.card)["Approve"])
    await server.play()
    with away(server, "discord"):
        await endure(server, timedelta(hours=3), 2 * MAX_RENEWALS)
    await server.later(minutes=3, times=2)
    (queued,) = server.calls
    assert queued.body["inputs"]["image"] == copy.url
    assert len(server.messages()) == 1


@pytest.mark.parametrize(
    ("status", "minutes", "sentence"),
    [
        (404, 0, "Your file expired"),
        (503, 120, "Discord didn't give me your file."),
    ],
    ids=["deleted", "server errors"],
)
async def test_a_picture_that_can_not_be_renewed_is_asked_for_again(
    server: ModeratedServer, host: str, status: int, minutes: int, sentence: str
) -> None:
    await ask_and_wait_until_the_link_runs_out(server, host)
    fail_renewal(server, status)
    await press(server, server.mona, server.card, buttons_of(server, server.card)["Approve"])
    await server.play()
    await server.later(minutes=3, times=minutes // 3)
    (outcome,) = texts(server)
    assert sentence in outcome
    assert pinged(server) == [server.alice.id]
    assert server.calls == []
