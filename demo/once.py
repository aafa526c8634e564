"""Generate one picture in the demo, from the command to the posted message, and check the result."""

from __future__ import annotations

import asyncio
import io
import json
import re
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
    """The picture that was posted. `size` is its width and height."""

    filename: str
    content: bytes
    size: tuple[int, int]


def _expect(holds: bool, sentence: str) -> None:
    if not holds:
        raise DemoFailed(sentence)


async def generate_once(world: World, narrator: Narrator, person: str = "ada") -> Made:
    """Send `/generate` as `person`, wait for the result, and check it. Raises DemoFailed."""
    actor = world.people[person]
    async with world.turn:
        given = {"prompt": PROMPT, "style": "oil painting", "size": SHAPE}
        response = (await actor.slash(world.channel, "generate picture", **given)).response
    shown = json.dumps(response.components) if response is not None else ""
    found = re.search(rf'"{RunId.NAME}:(\w+):', shown)
    if response is None or found is None:
        said = response and (response.content or response.components)
        raise DemoFailed(f"The bot refused the command: {said}")
    run = await _ended(world, found[1])
    narrator.catch_up(world)
    _expect(run.state is RunState.SUCCEEDED, f"The run ended as {run.state.value} ({run.failure_code}).")
    webhooks = [item for item in world.comfydeploy.call_log.webhook_attempts if item.run_id == run.run_id]
    taken = [item for item in webhooks if item.answer == 204]
    _expect(any(item.status == "success" for item in taken), "The bot took no webhook that says success.")
    _expect(any(0 < item.progress < 1 for item in taken), "The bot took no webhook with progress.")
    async with world.turn:
        messages = world.channel.history(viewer=actor)
        # The status message should have been deleted.
        _expect(len(messages) == 1, f"The channel shows {len(messages)} messages instead of the one result.")
        pinged = world.pinged(world.channel.id, messages[0].id)
        _expect(pinged == [person], "The result doesn't ping the person who asked, and nobody else.")
        is_edit = run.status_message_id == messages[0].id
        _expect(not is_edit, "The result is an edit of the status message, so it notifies nobody.")
        made = await _picture(messages[0])
    errors = "; ".join([*map(repr, world.env.errors), *narrator.errors])
    _expect(not errors, f"The bot reported errors: {errors}")
    return made


async def _ended(world: World, key: str) -> Run:
    """Wait until the run has ended and no message is pending, and return the run. Raises DemoFailed."""
    store = world.app.app.store
    while True:
        run = await store.runs.get(key)
        if run is None:
            raise DemoFailed("The request is not in the store.")
        if run.final and await store.figures.oldest_pending() is None:
            return run
        await asyncio.sleep(_LOOK)


async def _picture(message: discord.Message) -> Made:
    files = message.attachments
    _expect(len(files) == 1, f"The result carries {len(files)} files instead of one picture.")
    content = await files[0].read()
    try:
        with Image.open(io.BytesIO(content)) as image:
            image.load()
            found, size = image.format, image.size
    except (OSError, SyntaxError) as error:
        raise DemoFailed(f"{files[0].filename} can't be decoded: {error}") from error
    _expect((found, size) == ("PNG", SIZE), f"{files[0].filename} is {found} of {size}, not PNG of {SIZE}.")
    return Made(files[0].filename, content, size)


def keep(folder: Path, made: Made, narrator: Narrator) -> tuple[Path, Path]:
    """Save the picture and the transcript in `folder`, and return their paths."""
    picture, transcript = folder / "picture.png", folder / "transcript.txt"
    picture.write_bytes(made.content)
    transcript.write_text("\n".join(narrator.lines) + "\n", encoding="utf-8")
    return picture, transcript
