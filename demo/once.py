"""Generate one picture in the demo, from the command to the posted message, and check the result."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import discord
from PIL import Image

from bot.domain.runs import Run, RunState
from bot.ui.custom_ids import RunId
from demo.narrator import Narrator
from demo.world import World

PROMPT = "an island in a calm sea at dusk"
SHAPE, SIZE = "landscape", (912, 624)
_LOOK = 0.05


class DemoFailed(Exception):
    """Raised with a sentence that says which expectation was not met."""


@dataclass(frozen=True, slots=True)
class Made:
    """The picture that was posted for `run`. `size` is its width and height."""

    run: Run
    filename: str
    content: bytes
    size: tuple[int, int]


async def generate_once(world: World, narrator: Narrator, person: str = "ada") -> Made:
    """Send `/generate` as `person`, wait for the result, and check it. Raises DemoFailed."""
    actor = world.people[person]
    async with world.turn:
        result = await actor.slash(
            world.channel,
            "generate picture",
            prompt=PROMPT,
            style="oil painting",
            size=SHAPE,
        )
    response = result.response
    if response is None:
        raise DemoFailed("The bot did not answer the command.")
    found = RunId.pattern().search(json.dumps(response.components))
    if found is None:
        raise DemoFailed(f"The bot refused the command: {response.content or response.components}")
    run = await _outcome(world, found[1])
    await narrator.catch_up(world)
    return await _verify(world, narrator, run, actor.id)


async def _outcome(world: World, key: str) -> Run:
    """Wait until the run has ended and no message is pending, and return the run. Raises DemoFailed."""
    store = world.app.app.store
    while True:
        run = await store.runs.get(key)
        if run is None:
            raise DemoFailed("The request is not in the store.")
        if run.final and not await store.messages.pending():
            return run
        await asyncio.sleep(_LOOK)


async def _verify(world: World, narrator: Narrator, run: Run, requester_id: int) -> Made:
    if run.state is not RunState.SUCCEEDED:
        raise DemoFailed(f"The run ended as {run.state.value} ({run.failure_code}).")
    _check_webhooks(world, run)
    async with world.turn:
        messages = world.channel.history(viewer=world.people["ada"])
        made = await _picture(run, _result(messages, run, requester_id))
    if errors := [*map(repr, world.env.errors), *narrator.errors]:
        raise DemoFailed(f"The bot reported errors: {'; '.join(errors)}")
    return made


def _check_webhooks(world: World, run: Run) -> None:
    attempts = [item for item in world.comfydeploy.call_log.webhook_attempts if item.run_id == run.run_id]
    if not any(item.status == "success" and item.answer == 204 for item in attempts):
        raise DemoFailed("The bot did not take the webhook that says success.")
    if not any(0 < item.progress < 1 and item.answer == 204 for item in attempts):
        raise DemoFailed("The bot took no webhook with progress.")


def _result(messages: Sequence[discord.Message], run: Run, requester_id: int) -> discord.Message:
    """Return the result. It must be the only message, because the status message should have been deleted.

    Raises DemoFailed if there are more messages or none, if the message is an edit of the status message, or
    if it doesn't ping the requester alone.
    """
    if len(messages) != 1:
        raise DemoFailed(f"The channel shows {len(messages)} messages instead of the one result.")
    [message] = messages
    if [user.id for user in message.mentions] != [requester_id]:
        raise DemoFailed("The result does not ping the person who asked, and nobody else.")
    if run.status_message_id == message.id:
        raise DemoFailed("The result is an edit of the status message, so it notifies nobody.")
    return message


async def _picture(run: Run, message: discord.Message) -> Made:
    if len(message.attachments) != 1:
        raise DemoFailed(f"The result carries {len(message.attachments)} files instead of one picture.")
    [attachment] = message.attachments
    content = await attachment.read()
    try:
        with Image.open(io.BytesIO(content)) as image:
            image.load()
            found, size = image.format, image.size
    except (OSError, SyntaxError) as error:
        raise DemoFailed(f"{attachment.filename} can't be decoded: {error}") from error
    if (found, size) != ("PNG", SIZE):
        raise DemoFailed(f"{attachment.filename} is {found} of {size}, not PNG of {SIZE}.")
    return Made(run, attachment.filename, content, size)


def keep(folder: Path, made: Made, narrator: Narrator) -> tuple[Path, Path]:
    """Save the picture and the transcript in `folder`, and return their paths."""
    picture, transcript = folder / "picture.png", folder / "transcript.txt"
    picture.write_bytes(made.content)
    transcript.write_text("\n".join(narrator.lines) + "\n", encoding="utf-8")
    return picture, transcript
