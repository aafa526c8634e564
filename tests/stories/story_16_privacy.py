"""Privacy: a person gets what the bot keeps about them, and has it deleted."""

from tests.stories.stage import Person, Stage


async def story(stage: Stage, alice: Person) -> None:
    await alice.gets(prompt="a fox")
    await alice.makes(prompt="an owl", count=2)
    await alice.types("/preset save", name="Fox")
    await alice.types("/privacy export")
    await alice.types("/privacy delete")
    await alice.presses("Delete my data")
    await alice.types("/runs")
    await alice.types("/preset list")
    stage.tells("What is left can still be used as input and deleted, but not repeated or saved")
    await alice.presses("⋯ More", beside="a fox")
    await alice.presses("2", beside="an owl")
