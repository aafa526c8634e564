"""A picture goes on: follow-ups, Use as input, and the menu of any message with a picture."""

from tests.stories.stage import Person, Stage


async def story(stage: Stage, alice: Person, bob: Person) -> None:
    await alice.gets(prompt="a fox")
    await alice.gets_by("Upscale")
    await bob.presses("Animate", beside="a fox")
    await bob.fills_in(motion="pan")
    await stage.until_done()
    await alice.presses("⋯ More", beside="Upscale")
    await alice.presses("Use as input")
    await alice.chooses("Picture")
    await alice.fills_in(prompt="a fox at night", seed="soon")
    await alice.presses("Edit and try again", seed="")
    await stage.until_done()
    await bob.uses("Upscale", on="a fox at night")
    await stage.until_done()
    await bob.gets("upscale", image=bob.picture("cat.png"), scale=3)
