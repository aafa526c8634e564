"""One channel's rate limit, or one slow host, holds up nobody else's results."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from demo.fake_comfydeploy.faults import Faults
from tests.bench.setup import backend
from tests.e2e.bot_process import POST, BotProcess, bot_process
from tests.fakediscord.interactions import Interaction
from tests.fakediscord.world import Channel, Message, User

DRIPPING = Faults(body="slow")
NEVER = 24 * 3600.0


async def ask(home: BotProcess, user: User, channel: Channel) -> Interaction:
    asking = await home.discord.slash(user, channel, "generate", {"prompt": "a fox"})
    return await asking.wait_answer()


def results(home: BotProcess, channel: Channel) -> list[Message]:
    """Return the channel's results; a status message has other buttons."""
    return [m for m in home.discord.messages(channel) if any(i.endswith(":again") for i in m.custom_ids)]


async def has_tried(home: BotProcess, number: int, *, failures: int = 1) -> bool:
    """Return whether the bot owes so many messages, and has tried to send each."""
    return sum(message.failures >= failures for message in await home.messages()) == number


async def elsewhere(home: BotProcess) -> tuple[User, Channel]:
    """Return a user and a channel of another server."""
    guild = home.discord.add_guild("Elsewhere")
    return home.discord.add_user("bob", guild), home.discord.add_text(guild, "pictures")


async def test_a_channel_at_its_limit_holds_up_no_other(tmp_path: Path) -> None:
    async with bot_process(tmp_path, comfydeploy=backend(), rate_limits=True) as home:
        # The limit never ends, so whatever waits for it waits until the end of the test.
        home.discord.limits.limits[POST] = (5, NEVER)
        bob, other = await elsewhere(home)
        await home.start()
        for number in range(15):
            await ask(home, home.discord.add_user(f"person-{number}", home.guild), home.channel)
        await home.discord.wait_until(lambda: len(results(home, home.channel)) == 5)
        await home.until(partial(has_tried, home, 15, failures=0))
        await ask(home, bob, other)
        await home.discord.wait_until(lambda: len(results(home, other)) == 1)
        assert len(results(home, home.channel)) == 5


async def test_dripping_downloads_hold_up_no_other_result(tmp_path: Path) -> None:
    async with bot_process(tmp_path, comfydeploy=backend()) as home:
        home.comfydeploy.next_faults(*[DRIPPING] * 10)
        bob, other = await elsewhere(home)
        channels = [home.discord.add_text(home.guild, f"place-{number}") for number in range(10)]
        await home.start()
        for channel in channels:
            await ask(home, home.discord.add_user(f"in-{channel.name}", home.guild), channel)
        await home.until(partial(has_tried, home, 10))
        await ask(home, bob, other)
        await home.discord.wait_until(lambda: len(results(home, other)) == 1)
        assert not any(results(home, channel) for channel in channels)


@pytest.mark.slow
async def test_a_dripping_download_is_shown_as_such_and_ends_as_a_link(home: BotProcess) -> None:
    home.speed = 8
    home.comfydeploy.next_faults(DRIPPING)
    await home.start()
    asking = await ask(home, home.alice, home.channel)
    await home.discord.wait_until(lambda: is_downloading(asking))
    await home.settled()
    (result,) = results(home, home.channel)
    assert not result.attachments
    assert "couldn't be fetched: [try it yourself](" in result.text
    assert home.discord.messages(home.channel) == [result]


def is_downloading(asking: Interaction) -> bool:
    """Return whether the status message says so, and no longer offers to cancel."""
    status = asking.original
    return status is not None and "Finishing up" in status.text and not status.custom_ids
