"""Runs that end early: what was made before is shown, also if ComfyDeploy tells it late."""

from tests.stories.stage import Stage


async def story(stage: Stage) -> None:
    alice, mona = stage.person("alice"), stage.person("mona")
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
    stage.next_run("The next run hangs after its picture", never_ends=True)
    await alice.gets("picture", prompt="an endless fox", seed=7)
    await alice.types("/runs", state="done")
    await mona.types("/audit", outcome="partial")
