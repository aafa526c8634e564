"""Several at once, in trouble: some or all of them fail, one is deleted, and a batch waits for approval."""

from tests.stories.stage import Stage


async def story(stage: Stage) -> None:
    alice, bob, mona = stage.person("alice"), stage.person("bob"), stage.person("mona")
    stage.tells("One run of the next request fails")
    for faults in ({}, {}, {"ends_as": "failed"}):
        stage.world.next_faults(faults)
    await alice.gets(prompt="a fox", count=4, seed=7)
    await alice.presses("4", beside="a fox")
    await alice.presses("2", beside="a fox")
    await alice.presses("Delete", beside="number 2")
    await stage.until_done()
    await bob.presses_more("Again ×4", beside="a fox")
    await stage.until_done()
    await alice.presses_more("Delete", beside="3 of 4")
    await stage.until_done()
    stage.tells("Both runs of the next request fail")
    for _ in range(2):
        stage.world.next_faults({"ends_as": "failed"})
    await alice.gets(prompt="an owl", count=2)
    await alice.presses("Try again ×2")
    await stage.until_done()
    await alice.gets("several", prompt="robots", count=3)
    await mona.sets("Approval", review_channel=["#reports"], who_waits_for_approval=["Everybody"])
    await bob.types("/generate picture", prompt="a heron", count=2)
    await mona.presses("Approve", beside="a heron")
    await stage.until_done()
    await mona.types("/audit", person=bob.user)
