"""The picture check: flagged pictures wait for a moderator, who posts, veils or deletes them."""

from tests.stories.stage import Stage


async def story(stage: Stage) -> None:
    alice, bob, mona = stage.person("alice"), stage.person("bob"), stage.person("mona")
    await mona.sets("Approval", review_channel=["#reports"])
    await mona.sets("Picture check", flagged_results=["Held for the moderators"])
    await alice.gets(prompt="a lurid fox")
    await alice.types("/runs")
    await mona.presses("Post", beside="a lurid fox")
    await stage.until_done()
    await bob.gets(prompt="a lurid owl")
    await mona.presses("Post as spoiler", beside="a lurid owl")
    await stage.until_done()
    await bob.gets(prompt="a lurid crow")
    await mona.presses("Delete", beside="a lurid crow")
    await stage.until_done()
    await bob.gets(prompt="an elk")
    await mona.sets("Picture check", flagged_results=["Posted as a spoiler"])
    await bob.gets(prompt="a lurid elk")
    await mona.types("/audit")
