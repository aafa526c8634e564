"""Other results than pictures: words, a clip, and a file that the bot can't fetch."""

from tests.stories.stage import Stage


async def story(stage: Stage) -> None:
    alice = stage.person("alice")
    await alice.types("/generate text", prompt="the story of a fox")
    await stage.until_done()
    await alice.types("/generate animate", image=alice.picture(), prompt="a teal square", motion="pan")
    await stage.until_done()
    stage.world.next_faults({"body": "expired"})
    await alice.types("/generate picture", prompt="a lost fox")
    await stage.until_done()
