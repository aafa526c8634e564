"""Other results than pictures: words, a clip, and a file that the bot can't fetch."""

from tests.stories.stage import Person, Stage


async def story(stage: Stage, alice: Person) -> None:
    await alice.gets("text", prompt="the story of a fox")
    await alice.gets("animate", image=alice.picture(), prompt="a teal square", motion="pan")
    stage.world.next_faults({"body": "expired"})
    await alice.gets(prompt="a lost fox")
