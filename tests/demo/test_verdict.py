"""What `--once` makes of a generation that did not go as it should."""

from __future__ import annotations

import pytest

from demo.fake_comfydeploy.faults import Faults
from demo.log_capture import overhearing
from demo.narrator import Story, telling
from demo.once import DemoFailed, generate_once
from demo.world import open_world


@pytest.mark.parametrize(
    ("faults", "sentence"),
    [
        (Faults(ends_as="failed"), "The run ended as failed"),
        (Faults(queue_status=500), "The run ended as unconfirmed"),
        (Faults(ends_as="timeout"), "The run ended as timed_out"),
    ],
)
async def test_it_names_what_went_wrong(faults: Faults, sentence: str) -> None:
    with overhearing() as ears:
        async with open_world(pace=0) as world:
            story = Story(ears, lambda _: None)
            world.standin.faults = faults
            async with telling(story, world):
                with pytest.raises(DemoFailed, match=sentence):
                    await generate_once(world, story)


async def test_an_error_in_the_bots_log_fails_the_demo_although_the_picture_is_there() -> None:
    with overhearing() as ears:
        async with open_world(pace=0) as world:
            story = Story(ears, lambda _: None)
            ears.write(
                '{"timestamp": "2026-01-01T00:00:00+00:00", "level": "ERROR", "logger": "bot.x",'
                ' "message": "swallowed"}\n'
            )
            with pytest.raises(DemoFailed, match=r"bot\.x: swallowed"):
                await generate_once(world, story)
