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
