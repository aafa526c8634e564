"""The verdicts of `--once` on failed generations."""

from __future__ import annotations

import pytest

from demo.fake_comfydeploy.faults import Faults
from demo.narrator import Narrator, capturing_logs, narrating
from demo.once import DemoFailed, generate_once
from demo.world import open_world


@pytest.mark.parametrize(
    ("faults", "state"), [(Faults(ends_as="failed"), "failed"), (Faults(queue_status=500), "unconfirmed")]
)
async def test_the_verdict_names_the_state_of_the_run(faults: Faults, state: str) -> None:
    with capturing_logs() as capture:
        async with open_world(pace=0) as world:
            narrator = Narrator(capture, lambda _: None)
            world.comfydeploy.faults = faults
            async with narrating(narrator, world):
                with pytest.raises(DemoFailed, match=f"The run ended as {state}"):
                    await generate_once(world, narrator)


async def test_a_logged_error_fails_the_demo_in_spite_of_the_picture() -> None:
    with capturing_logs() as capture:
        async with open_world(pace=0) as world:
            narrator = Narrator(capture, lambda _: None)
            capture.write(
                '{"timestamp": "2026-01-01T00:00:00+00:00", "level": "ERROR", "logger": "bot.x",'
                ' "message": "swallowed"}\n'
            )
            with pytest.raises(DemoFailed, match=r"bot\.x: swallowed"):
                await generate_once(world, narrator)
