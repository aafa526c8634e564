"""Attachments of a request that awaits approval: its card shows them and renews their expired links."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest

from bot.workers.submission import MAX_RENEWALS
from demo.fake_comfydeploy.deployments import PICTURE_ID
from tests.discord.actors import delete
from tests.discord.deployments import ONE, described
from tests.discord.files import bucket, png
from tests.discord.forged import call, press
from tests.discord.moderated_server import ModeratedServer, mark_adult
from tests.discord.outages import away, endure
from tests.discord.rendered import buttons_of, galleries_of, pinged, texts


@pytest.fixture
async def host() -> AsyncIterator[str]:
    """Serve a picture, as Discord's media server does."""
    async with bucket({"cat.png": (png(), "image/png")}) as address:
        yield address


async def ask_with_picture(server: ModeratedServer, url: str) -> None:
    """Send a request with an attachment, which Discord passes on as a signed link that expires."""
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


async def ask_and_wait_until_the_link_expires(server: ModeratedServer, host: str, status: int) -> None:
    """Approve a request whose link has expired; Discord answers the question about the card's copy so."""
    await ask_with_picture(server, signed(host, server.clock().replace(hour=10)))
    await server.later(hours=11)
    code = 10008 if status == 404 else 0
    path = f"/channels/{server.review.id}/messages/{server.card.id}"
    server.env.inject_error("GET", path, status=status, code=code, times=None)
    await press(server, server.mona, server.card, buttons_of(server, server.card)["Approve"])
    await server.play()


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


async def test_a_decided_card_keeps_the_picture_and_links_to_the_result(
    server: ModeratedServer, host: str
) -> None:
    await ask_with_picture(server, signed(host, server.clock().replace(hour=10)))
    await server.decide("Approve")
    (result,) = server.messages()
    assert f"Approved by <@{server.mona.id}>" in server.verdict
    assert f"[Open the result]({result.jump_url})" in server.verdict
    assert galleries_of(server, server.card) == [1]
    assert len(server.card.attachments) == 1
    await delete(server, result)
    assert "Open the result" not in server.verdict
    assert galleries_of(server, server.card) == [1]


async def test_a_rejected_card_keeps_the_picture(server: ModeratedServer, host: str) -> None:
    await ask_with_picture(server, signed(host, server.clock().replace(hour=10)))
    await server.reject("no")
    assert f"Rejected by <@{server.mona.id}>" in server.verdict
    assert "Open the result" not in server.verdict
    assert galleries_of(server, server.card) == [1]


@pytest.mark.bot(deployments=ONE)
async def test_an_expired_link_is_renewed_although_its_deployment_was_renamed(
    server: ModeratedServer, host: str
) -> None:
    await ask_with_picture(server, signed(host, server.clock().replace(hour=10)))
    (copy,) = server.card.attachments
    await server.later(hours=11)
    await server.restart(deployments=described(landscape=PICTURE_ID))
    await server.decide("Approve")
    (queued,) = server.calls
    assert queued.body["inputs"]["image"] == copy.url


async def test_a_link_that_still_works_is_used_as_it_is(server: ModeratedServer, host: str) -> None:
    url = signed(host, server.clock().replace(hour=10))
    await ask_with_picture(server, url)
    await server.later(hours=1)
    await server.decide("Approve")
    assert server.calls[0].body["inputs"]["image"] == url


@pytest.mark.parametrize("review_marked", [False, True])
async def test_a_file_from_an_age_restricted_channel_is_shown_only_in_another(
    server: ModeratedServer, host: str, review_marked: bool
) -> None:
    mark_adult(server, server.channel)
    mark_adult(server, server.review, marked=review_marked)
    url = signed(host, server.clock().replace(hour=10))
    await ask_with_picture(server, url)
    assert galleries_of(server, server.card) == ([1] if review_marked else [])
    assert len(server.card.attachments) == review_marked
    link = f"[cat.png]({url}) isn't shown, because this channel isn't age-restricted."
    assert (link in server.verdict) is not review_marked
    await server.decide("Approve")
    assert server.calls[0].body["inputs"]["image"] == url


async def test_a_renewal_outlasts_an_outage_and_a_restart(server: ModeratedServer, host: str) -> None:
    await ask_and_wait_until_the_link_expires(server, host, 503)
    (copy,) = server.card.attachments
    await server.restart()
    async with away(server, "discord"):
        await endure(server, timedelta(hours=3), MAX_RENEWALS + 2)
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
    await ask_and_wait_until_the_link_expires(server, host, status)
    await server.later(minutes=3, times=minutes // 3)
    (outcome,) = texts(server)
    assert sentence in outcome
    assert pinged(server) == [server.alice.id]
    assert server.calls == []
