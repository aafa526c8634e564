"""Actions: the bot loses channels, messages, permissions, direct messages and tokens."""

from __future__ import annotations

from tests.simulation.people.copying import set_mark
from tests.simulation.steps import action
from tests.simulation.story import Story


@action("place", where=("pictures", "requests", "adult", "gallery"))
async def delete_channel(story: Story, where: str) -> None:
    channel = story.world.channel(where)
    if not channel.deleted:
        threads = [place for place in story.places() if place.parent is channel]
        for place in (channel, *threads):
            story.removed += list(place.messages.values())
        story.world.discord.delete_channel(channel)
        story.strike(f"#{where} is deleted")


@action(
    "place",
    where=("pictures", "requests", "cards", "adult"),
    permission=("send_messages", "view_channel", "read_message_history", "attach_files"),
)
async def withdraw(story: Story, where: str, permission: str) -> None:
    channel = story.world.channel(where)
    if not channel.deleted:
        story.world.discord.withdraw(channel, permission)
        story.strike(f"the bot loses {permission} in #{where}")


@action("place", ask=range(4))
async def moderator_deletes(story: Story, ask: int) -> None:
    """Delete the newest public message about a request, as a moderator does in Discord."""
    if ask >= len(story.asks):
        return
    for message in reversed(story.of_ask(story.asks[ask])):
        if not message.ephemeral and message.channel.guild is not None:
            story.removed.append(message)
            story.world.discord.delete_message(message)
            story.strike(f"a moderator deletes a message about request {ask}")
            return


@action("place", who=("alice", "bob", "carol"))
async def closes_direct_messages(story: Story, who: str) -> None:
    story.world.person(who).accepts_dms = False
    story.strike(f"{who} accepts no direct messages")


@action("place", ask=range(4))
async def token_expires(story: Story, ask: int) -> None:
    if ask < len(story.asks):
        story.asks[ask].interaction.created_at -= 900
        story.strike(f"the token of request {ask} has expired")


@action("place", where=("pictures", "adult"), nsfw=0.5)
async def mark_channel(story: Story, where: str, *, nsfw: bool) -> None:
    set_mark(story, story.world.channel(where), nsfw=nsfw)
