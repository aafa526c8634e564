"""Actions: calls in threads are slow, or the machine's wall clock is set."""

from __future__ import annotations

from tests.simulation.engine.life import Life
from tests.simulation.steps import action
from tests.simulation.story import Story


@action("threads", seconds=lambda chance: chance.uniform(0.2, 5), calls=(1, 3, 10))
async def slow_thread(story: Story, seconds: float, calls: int) -> None:
    """Let the next calls in threads take some seconds."""
    left = [calls]

    def delay(_life: Life, _name: str) -> float:
        if left[0] <= 0:
            return 0.0
        left[0] -= 1
        return seconds

    story.world.loop.executor_delay = delay
    story.strike(f"the next {calls} calls in threads take {seconds} s")


@action("clock", seconds=(-90, 30, 100, 3600, 86400))
async def clock_jump(story: Story, seconds: float) -> None:
    """Set the wall clock of the bot's machine, but not its monotonic clock or other clocks."""
    for process in story.world.running:
        process.ahead += seconds
    story.strike(f"the bot's clock is set by {seconds} s")
