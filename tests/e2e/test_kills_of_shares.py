"""SIGKILL around a copy of a result: it is posted once, if its requester asks again.

`tests/discord/test_shares.py` has a sample in the same process.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import pytest

from tests.e2e.bot_process import BotProcess
from tests.e2e.kill_points import (
    COPIED,
    COPIES,
    COPY_DELETED,
    DISCORD,
    dies_and_returns,
)
from tests.fakediscord.actions import CannotSend
from tests.fakediscord.interactions import Interaction
from tests.fakediscord.world import Channel, Message
from tests.questions import audit

pytestmark = pytest.mark.slow

DELETED_AGAIN = f"{COPIES}.delete:before:1"


@dataclass
class Gallery:
    """A server with a gallery channel, and Alice's view of her result that has Share and Post."""

    home: BotProcess
    channel: Channel
    view: Message | None = None

    async def press(self, message: Message, label: str) -> Interaction:
        return await (await self.home.discord.click(self.home.alice, message, label)).wait_answer()

    async def open(self, count: int) -> None:
        """Ask for results, and open the ephemeral message with the buttons."""
        await self.home.ask(count=count)
        await self.home.settled(runs=count)
        (result,) = self.home.discord.messages(self.home.channel)
        key = max(await self.home.keys())
        opening = f"run:{key}:more" if count == 1 else f"pick:{key}:"
        custom_id = next(each for each in result.custom_ids if each.startswith(opening))
        self.view = (await self.press(result, custom_id)).original

    async def press_delete(self, message: Message) -> None:
        """Press Delete, which is behind More. A bot that is killed by it doesn't answer."""
        opened = (await self.press(message, "⋯ More")).original
        assert opened is not None
        await self.home.discord.click(self.home.alice, opened, "Delete")

    async def share(self) -> None:
        assert self.view is not None
        form = await self.press(self.view, "Share")
        await self.home.discord.submit(form, {"prompt": True})

    async def post(self) -> None:
        assert self.view is not None
        await self.home.discord.click(self.home.alice, self.view, "Post")

    async def recorded(self, *actions: str) -> int:
        """Return how often the audit log has one of these actions, without counting those that failed."""
        entries = await audit(self.home.database)
        return sum(entry.action in actions and entry.outcome is None for entry in entries)

    async def is_requested(self) -> bool:
        return await self.recorded("share", "post") > 0

    def copies(self) -> list[Message]:
        found = [
            *self.home.discord.messages(self.channel),
            *self.home.discord.messages(self.home.channel)[1:],
        ]
        return [message for message in found if not message.ephemeral]


@pytest.fixture
async def shares(home: BotProcess) -> Gallery:
    channel = home.discord.add_text(home.guild, "gallery")
    await home.set_rules(gallery_channel_id=channel.id)
    return Gallery(home, channel)


@pytest.mark.parametrize("count", [1, 2], ids=["share", "post"])
@pytest.mark.parametrize("point", COPIED)
async def test_a_kill_at_any_step_leaves_one_copy(shares: Gallery, point: str, count: int) -> None:
    home, copy_it = shares.home, shares.share if count == 1 else shares.post

    async def open_and_copy() -> None:
        await shares.open(count)
        await copy_it()

    async def press_again() -> None:
        """Nobody was told how the first press ended. If the copy is known, Share links to it at once."""
        with suppress(CannotSend):
            await copy_it()
        await home.until(shares.is_requested)

    await dies_and_returns(home, point, open_and_copy, press_again)
    (copy,) = shares.copies()
    assert (copy.channel is shares.channel) is (count == 1), home.log
    assert len(copy.attachments) == 1, home.log
    # The restarted bot ends the step, and can't know that its entry is stored.
    most = 2 if point == f"{COPIES}.record:after:1" else 1
    assert 1 <= await shares.recorded("share", "post") <= most
    assert len(home.comfydeploy.call_log.queue_calls) == count


@pytest.mark.parametrize("deleted_before", [True, False])
async def test_a_kill_leaves_no_copy_of_a_deleted_result(shares: Gallery, deleted_before: bool) -> None:
    home = shares.home

    async def share_and_delete() -> None:
        await shares.open(1)
        await shares.share()
        if deleted_before:
            await home.until(shares.copies)
            await home.settled()
            await delete()

    async def delete() -> None:
        await shares.press_delete(home.discord.messages(home.channel)[0])

    point = f"{DISCORD}.{'delete:after:1' if deleted_before else 'post:after:2'}"
    await dies_and_returns(home, point, share_and_delete, None if deleted_before else delete)
    await home.until(lambda: not home.discord.messages(home.channel))
    await home.settled()
    assert shares.copies() == [], home.log


@pytest.mark.parametrize("count", [1, 2], ids=["share", "post"])
@pytest.mark.parametrize("point", COPY_DELETED)
async def test_a_kill_while_a_copy_is_deleted_leaves_the_result(
    shares: Gallery, point: str, count: int
) -> None:
    home = shares.home

    async def copy_and_delete() -> None:
        await shares.open(count)
        await (shares.share() if count == 1 else shares.post())
        await home.until(shares.is_requested)
        await delete()

    async def delete() -> None:
        (copy,) = shares.copies()
        await shares.press_delete(copy)

    await dies_and_returns(home, point, copy_and_delete, delete if point == DELETED_AGAIN else None)
    await home.until(lambda: not shares.copies())
    await home.settled()
    (result,) = home.discord.messages(home.channel)
    assert len(result.attachments) == count, home.log
    assert await shares.recorded("delete_copy") == 1
    assert all(run.deleted_at is None for run in await home.runs())


async def test_a_kill_after_the_post_of_a_copy_does_not_hide_its_message_from_delete(shares: Gallery) -> None:
    """Delete is pressed on the message of the interrupted attempt."""
    home = shares.home

    async def share() -> None:
        await shares.open(1)
        await shares.share()

    async def delete() -> None:
        (copy,) = shares.copies()
        await shares.press_delete(copy)

    await dies_and_returns(home, f"{DISCORD}.post:after:2", share, delete)
    await home.until(lambda: not shares.copies())
    await home.settled()
    (result,) = home.discord.messages(home.channel)
    assert len(result.attachments) == 1, home.log
