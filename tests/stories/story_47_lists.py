"""/runs: its pages, pictures, states and deletions, and Cancel in it."""

from tests.stories.stage import Person, Stage


async def story(stage: Stage, alice: Person, bob: Person, mona: Person) -> None:
    await alice.types("/runs")
    await bob.makes(prompt="a secret")
    with stage.unseen():
        for number in range(5):
            await alice.makes("text", prompt=f"the story of fox {number}")
    await alice.makes("trouble", prompt="a broken fox")
    await alice.makes(prompt="three foxes", count=3)
    await alice.makes(prompt="a fox")
    await alice.makes(prompt="a bad fox")
    await mona.presses_more("Delete", beside="a bad fox")
    await alice.presses("1", beside="three foxes")
    await alice.presses("Delete")
    await alice.at("adult").makes("restricted", prompt="an adult fox")
    with stage.unseen():
        await alice.types("/generate slow", prompt="a snail")
        await stage.passes(5)
    await alice.at("pictures").types("/runs")
    await stage.restart()
    await alice.presses("Older")
    await alice.presses("Newer")
    await alice.gets_by("Cancel", beside="a snail")
    await alice.types("/runs", state="failed")
    await alice.types("/runs", state="running")
