"""Several at once, in trouble: some fail or end early, one is deleted, and a batch waits for approval."""

from tests.stories.stage import Person, Stage


async def story(stage: Stage, alice: Person, bob: Person, mona: Person) -> None:
    for how, why in (
        ("timeout", "ComfyDeploy stops the next run"),
        ("cancelled", "The next run is cancelled there"),
    ):
        stage.next_run(f"{why} after two of its four pictures", ends_as=how, made=2)
        await alice.gets("several", prompt=f"robots that end by {how}", seed=7)
    stage.next_run("The next run times out after its last picture", ends_as="timeout", made=9)
    await alice.gets("picture", prompt="a fox in the end", seed=7)
    stage.next_run(
        "The next run fails after its picture, and ComfyDeploy tells it later",
        ends_as="failed",
        made=1,
        get_status=500,
    )
    await alice.types("/generate picture", prompt="a late fox", seed=7)
    await stage.passes(20)
    list(stage.world.comfydeploy.runs)[-1].own_faults = None
    await stage.passes(120)
    await alice.presses("Again", beside="a late fox")
    with stage.unseen():
        await stage.until_done()
    await alice.presses_more("Delete", beside="Partly done: Picture")
    stage.next_run("One of the next two runs fails after its picture", ends_as="failed", made=1)
    await alice.gets("picture", prompt="two foxes", count=2, seed=7)
    await alice.presses("1", beside="two foxes")
    await alice.types("/runs", state="done")
    await mona.types("/audit", outcome="partial")
    stage.tells("One run of the next request fails")
    for faults in ({}, {}, {"ends_as": "failed"}):
        stage.world.next_faults(faults)
    await alice.gets(prompt="a fox", count=4, seed=7)
    await alice.presses("4", beside="a fox")
    await alice.presses("2", beside="a fox")
    await alice.gets_by("Delete", beside="number 2")
    await bob.presses_more("Again ×4", beside="a fox")
    await stage.until_done()
    await alice.presses_more("Delete", beside="3 of 4")
    await stage.until_done()
    stage.tells("Both runs of the next request fail")
    for _ in range(2):
        stage.world.next_faults({"ends_as": "failed"})
    await alice.gets(prompt="an owl", count=2)
    await alice.gets_by("Try again ×2")
    await alice.makes(prompt="a toad", count=2)
    await alice.presses("1", beside="a toad")
    await alice.presses("Delete", beside="number 1")
    # The buttons name the first run, and the file that is left names its own.
    await bob.uses("Use as input", on="a toad")
    await bob.chooses("Picture")
    await bob.fills_in(prompt="a toad at night")
    await stage.until_done()
    stage.tells("One of the next two runs times out after its picture")
    for faults in ({}, {"ends_as": "timeout", "made": 1}):
        stage.world.next_faults(faults)
    await alice.gets("picture", prompt="two owls", count=2, seed=7)
    await stage.run_makes("It ends after all", {"owl.png": alice.picture().data or b""})
    await mona.sets("Approval", review_channel=["#reports"], who_waits_for_approval=["Everybody"])
    await bob.types("/generate picture", prompt="a heron", count=2)
    await mona.gets_by("Approve", beside="a heron")
    await mona.types("/audit", person=bob.user)
