"""The verdicts of `--once` on generations that fail."""

from __future__ import annotations

import pytest

from demo.fake_comfydeploy.faults import Faults
from demo.log_capture import capturing_logs
from demo.narrator import Narrator, narrating
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
    with capturing_logs() as capture:
        async with open_world(pace=0) as world:
            narrator = Narrator(capture, lambda _: None)
            world.comfydeploy.faults = faults
            async with narrating(narrator, world):
                with pytest.raises(DemoFailed, match=sentence):
                    await generate_once(world, narrator)


async def test_an_error_in_the_bots_log_fails_the_demo_although_the_picture_is_there() -> None:
    with capturing_logs() as capture:
        async with open_world(pace=0) as world:
            narrator = Narrator(capture, lambda _: None)
            capture.write(
                '{"timestamp": "2026-01-01T00:00:00+00:00", "level": "ERROR", "logger": "bot.x",'
                ' "message": "swallowed"}\n'
            )
            with pytest.raises(DemoFailed, match=r"bot\.x: swallowed"):
                await generate_once(world, narrator)
