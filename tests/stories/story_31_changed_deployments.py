"""Deployments that change: what still fits is kept, what doesn't is named, and renames are found."""

from tests.stories.stage import Person, Stage


async def story(stage: Stage, alice: Person, mona: Person) -> None:
    await alice.makes("/generate picture", prompt="a fox", style="ink", gpu="H100")
    with stage.unseen():
        await alice.types("/preset save", name="Ink")
    await stage.reloads('gpus = ["A10G", "H100"]', 'gpus = ["A10G"]')
    await stage.reloads("inputs.hires]\nhidden = true", 'inputs.style]\nchoices = ["photo", "neon"]')
    await alice.presses("Again")
    await stage.inputs()
    await alice.types("/preset use", name="Ink")
    await stage.until_done()
    await stage.reloads("deployments.picture", "deployments.painting")
    await alice.gets_by("Again", beside="a fox")
    await mona.sets("Approval", review_channel=["#reports"], who_waits_for_approval=["Everybody"])
    for prompt in ("an owl", "a heron", "an elk"):
        with stage.unseen():
            await alice.types("/generate painting", prompt=prompt)
    await mona.sets("Limits per member", gpu_seconds_per_day="100")
    await mona.sets("GPUs", of="A10G", a_second_counts_as="3")
    await mona.presses("Approve", beside="an owl")
    await mona.sets("GPUs", of="A10G", a_second_counts_as="1")
    with stage.unseen():
        await alice.types("/generate painting", prompt="a crane")
        await mona.sets("GPUs", of="A10G", a_second_counts_as="1.4")
        stage.world.next_faults({"hold_at": "running"})
        await mona.presses("Approve", beside="a crane")
    stage.tells("A request for 60 seconds was approved when a second counted as 1.4")
    await alice.types("/generate painting", prompt="a crane")
    with stage.unseen():
        await stage.lets_runs_go_on()
    await stage.reloads('title = "Picture"', 'title = "Picture"\nage_restricted = true')
    await mona.gets_by("Approve", beside="a heron")
    await stage.reloads('title = "Picture"\nage_restricted = true', 'title = "Picture"')
    await stage.reloads("0a5e0001", "0a5e0003")
    await stage.reloads("deployments.painting", "deployments.video")
    await mona.gets_by("Approve", beside="an elk")
    await alice.presses("Again", beside="a fox")
    await alice.presses("Edit", beside="a fox")
    await alice.types("/preset use", name="Ink")
    await alice.types("/preset default", name="Ink")
    await alice.presses_more("Details", beside="a fox")
