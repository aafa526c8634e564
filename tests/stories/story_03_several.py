"""Several pictures with one request: numbers, Post, and Cancel, which keeps the finished ones."""

from tests.stories.stage import Person, Stage


async def story(stage: Stage, alice: Person) -> None:
    await alice.types("/generate picture", prompt="a fox", count=3, seed=7)
    await stage.until_done()
    await alice.presses("2")
    await alice.presses("Post")
    await alice.presses("Post")
    await alice.types("/generate slow", prompt="a snail", count=2)
    await stage.passes(20)
    await alice.presses("Cancel")
    await stage.until_done()
