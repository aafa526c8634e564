"""Privacy: a person gets what the bot keeps about them, and has it deleted."""

from tests.stories.stage import Stage


async def story(stage: Stage) -> None:
    alice = stage.person("alice")
    await alice.gets(prompt="a fox")
    await alice.types("/preset save", name="Fox")
    await alice.types("/privacy export")
    await alice.types("/privacy delete")
    await alice.presses("Delete my data")
    await alice.types("/runs")
    await alice.types("/preset list")
