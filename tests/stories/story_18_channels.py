"""Channels that change: the bot may not post, the channel is deleted, a message is deleted."""

from tests.fakediscord.world import MEMBER
from tests.stories.stage import Stage

SEND_MESSAGES = 1 << 11


async def story(stage: Stage) -> None:
    alice = stage.person("alice")
    channel = stage.channel("pictures")
    stage.tells("The bot may not send messages in #pictures")
    channel.bot_permissions = MEMBER & ~SEND_MESSAGES
    await alice.types("/generate picture", prompt="a fox")
    channel.bot_permissions = MEMBER
    await alice.types("/generate picture", prompt="an owl")
    stage.tells("The bot may not send messages in #pictures any more")
    channel.bot_permissions = MEMBER & ~SEND_MESSAGES
    await stage.until_done()
    channel.bot_permissions = MEMBER
    await alice.gets(prompt="a heron")
    await alice.deletes("a heron")
    await alice.types("/runs")
