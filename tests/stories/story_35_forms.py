"""Countdowns to results, and forms that keep what was typed after a refusal."""

from tests.stories.stage import Person, Stage


async def story(stage: Stage, alice: Person, bob: Person, mona: Person) -> None:
    with stage.unseen():
        for _ in range(6):
            await bob.makes("/generate slow", prompt="a snail")
        await stage.passes(3600)
    await bob.types("/generate slow", prompt="a snail")
    await stage.passes(5)
    await alice.types("/generate slow", prompt="a hare")
    await alice.types("/queue")
    await stage.until_done()
    await mona.sets("GPUs", of="H100", open_to_everybody=False, who_may_use_it=["@role of mike"])
    await alice.types("/generate picture", prompt="a fox", style="ink", seed=7, gpu="H100")
    await alice.presses("Edit and try again")
    await alice.fills_in(gpu="A10G")
    await stage.inputs()
    await alice.types("/generate picture", prompt="\u200b")
    await stage.restart()
    await alice.presses("Edit and try again")
    await alice.types("/generate slow", prompt="a hare")
    await _slowly(stage, alice, bob, mona)


async def _slowly(stage: Stage, alice: Person, bob: Person, mona: Person) -> None:
    """Refuse forms more than three seconds after they were sent."""
    await alice.makes(prompt="a toad")
    await mona.sets("Approval", review_channel=["#reports"], who_waits_for_approval=["Everybody"])
    mike = stage.person("mike")
    with stage.unseen():
        await mona.types("/settings")
        await mona.presses("Change", beside="**Approval**")
        await alice.presses_more("Save preset", beside="a toad")
        await bob.types("/generate picture", prompt="a newt")
        await mike.presses("Reject", beside="a newt")
        await stage.person("mona").presses("Approve", beside="a newt")
        await stage.until_done()
    stage.tells("Three forms are open: mona's settings, alice's preset, and mike's reason for bob's newt")
    stage.tells("The database takes 1.2 seconds for everything")
    stage.world.loop.executor_delay = lambda _life, name: 1.2 if name == "database" else 0.0
    await mona.fills_in(requests_expire_after__hours="0")
    await stage.passes(10)
    await alice.fills_in(name=" ")
    await mike.fills_in(reason="Too late")
    await stage.passes(10)
