"""Find pictures and other files in messages."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

import discord

from bot.deployments.files import is_kind, linked_file, media_type
from bot.deployments.inputs import AttachedFile
from bot.discord_api.calls import is_outage, responding
from bot.discord_api.outgoing import walk
from bot.domain.backend import InputKind
from bot.domain.messages import MessageRef
from bot.domain.text import key_in

_LIMIT = 10
# Less than the 3 s in which Discord accepts the answer to an interaction.
_FETCH_SECONDS = 2
_THUMBNAIL_SECONDS = 1.5


def shown_pictures(message: discord.Message | None) -> list[str]:
    """Return links to the pictures in a message of the bot: attached pictures, or else those of a gallery or
    a thumbnail. There are none without a message.
    """
    if message is None:
        return []
    shown = [
        media.url
        for media in _shown_media(message)
        if media.url.startswith("https://") and (media.content_type or "image/").startswith("image/")
    ]
    return attached_pictures(message) or shown[:_LIMIT]


def attached_pictures(message: discord.Message) -> list[str]:
    """Return links to the attached pictures of any message.

    Galleries of other applications are left out. Their links may lead to any server, which can swap the
    picture after a moderator approved it.
    """
    pictures = [each.url for each in message.attachments if is_kind(InputKind.IMAGE, attached_file(each))]
    return pictures[:_LIMIT]


def attached_file(attachment: discord.Attachment) -> AttachedFile:
    return AttachedFile(*(getattr(attachment, name) for name in AttachedFile.__slots__))


def _shown_media(message: discord.Message) -> Iterator[discord.UnfurledMediaItem]:
    for each in walk(message.components):
        if isinstance(each, discord.MediaGalleryComponent):
            yield from (item.media for item in each.items)
        elif isinstance(each, discord.ThumbnailComponent):
            yield each.media


def picture_file(url: str) -> AttachedFile:
    """Return the file behind a link to a picture. If its name isn't a picture's, assume that it is a PNG."""
    file = linked_file(url)
    return file if media_type(file).startswith("image/") else replace(file, content_type="image/png")


def run_files(message: discord.Message, key: str, *, linked: bool = False) -> list[AttachedFile]:
    """Return the files of the run `key` that are attached to one of the bot's messages, in order.

    With `linked`, those that its galleries link to follow, which may no longer exist.
    """
    found = [attached_file(each) for each in message.attachments]
    media = _shown_media(message) if linked else ()
    found += (linked_file(each.url, each.content_type) for each in media)
    return [file for file in found if key_in(file.filename) == key]


async def thumbnails(client: discord.Client, messages: Mapping[str, MessageRef]) -> dict[str, str]:
    """Return a fresh link to the first picture in each message that Discord sends in time, by its name."""
    found: dict[str, str] = {}

    async def read(name: str, ref: MessageRef) -> None:
        message = await client.get_partial_messageable(ref.channel_id).fetch_message(ref.message_id)
        found.update((name, link) for link in attached_pictures(message)[:1])

    with suppress(TimeoutError):
        async with asyncio.timeout(_THUMBNAIL_SECONDS):
            await asyncio.gather(*(read(*each) for each in messages.items()), return_exceptions=True)
    return found


async def fetch_run_files(
    client: discord.Client, messages: Sequence[MessageRef], key: str
) -> list[AttachedFile]:
    """Return a run's files in the messages of its result, with fresh links. Raises DiscordAway."""
    found: list[AttachedFile] = []
    async with responding(_FETCH_SECONDS):
        for channel_id, message_id in messages:
            try:
                message = await client.get_partial_messageable(channel_id).fetch_message(message_id)
            except (discord.Forbidden, discord.NotFound) as error:
                if is_outage(error):
                    raise
                continue
            found += run_files(message, key)
    return found
