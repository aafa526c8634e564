"""Copies of results: each is deleted alone, and what a moderator deletes isn't shared again."""

from tests.stories.stage import Person, Stage


async def story(stage: Stage) -> None:
    alice, bob, mona = stage.person("alice"), stage.person("bob"), stage.person("mona")
    await mona.sets("Results", gallery_channel=["#gallery"])
    await alice.makes("/generate picture", prompt="a fox", count=2)
    await _posts(alice)
    await alice.presses_more("Share", beside="**Picture**", show_the_prompt=True)
    await bob.presses("⋯ More", beside="Open the original")
    await alice.presses_more("Delete", beside="Open the original")
    await alice.presses_more("Delete", beside="**Picture**")
    await _posts(alice)
    await mona.presses_more("Delete", beside="**Picture**")
    await alice.presses("2", beside="a fox")
    await alice.presses("Post")
    await alice.makes("/generate picture", prompt="an owl")
    await alice.presses_more("Share", beside="an owl", show_the_prompt=True)
    await mona.presses_more("Delete", beside="Open the original")
    await alice.presses_more("Share", beside="an owl")
    await alice.types("/runs")
    await mona.types("/audit")
    await alice.types("/privacy delete")
    await alice.presses("Delete my data")
    await alice.presses_more("Delete", beside="an owl")
    await stage.until_done()
    stage.counts()
    stage.counts("gallery")


async def _posts(alice: Person) -> None:
    """Post the second picture of two by itself."""
    await alice.presses("2", beside="a fox")
    await alice.presses("Post")
