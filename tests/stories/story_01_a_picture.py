"""A picture: the command, its progress, the result, and its details."""

from tests.stories.stage import Person, Stage


async def story(stage: Stage, alice: Person) -> None:
    await alice.types("/help")
    await alice.completes("/generate picture", "preset", "", prompt="a fox")
    await alice.types("/generate picture", prompt="a fox in the snow", style="watercolour", size="portrait")
    await stage.passes(2)
    await stage.until_done()
    await alice.presses("⋯ More")
    await alice.presses("Details")
