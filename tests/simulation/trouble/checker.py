"""Actions: the picture checker is away, slow, lies or answers garbage."""

from __future__ import annotations

from demo.picture_check import Mood
from tests.simulation.steps import action
from tests.simulation.story import Story


@action("checker", mood=[each.value for each in Mood if each is not Mood.WELL], seconds=(2, 15, 60))
async def checker_mood(story: Story, mood: str, seconds: float) -> None:
    """Let the picture checker misbehave for some seconds."""
    checker = story.world.checker
    checker.mood = Mood(mood)
    story.strike(f"the checker: {mood} for {seconds} s")

    def recover() -> None:
        checker.mood = Mood.WELL
        story.world.note("trouble", "the checker is well")

    story.world.loop.call_later(seconds, recover)
