"""The queue: several requests at once, /queue, /runs and /usage, and Cancel."""

from tests.stories.stage import Person, Stage


async def story(stage: Stage, alice: Person, bob: Person) -> None:
    for number in range(4):
        await alice.types("/generate slow", prompt=f"snail {number}")
    await bob.types("/generate slow", prompt="a hare")
    await bob.types("/queue")
    await alice.types("/runs")
    await alice.presses("Cancel", beside="snail 3")
    await stage.until_done()
    await alice.types("/usage")
    await alice.types("/runs")
